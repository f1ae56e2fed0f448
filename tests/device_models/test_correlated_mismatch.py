"""Mismatch of neurons that lie together on the die: spread, gradient, and neighbours alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from device_models.mismatch import draw_factors, draw_offsets
from device_models.nonidealities import FixedPattern

CHIPS, SIDE = 400, 15


def draw_chips(**die: float) -> Any:
    """Offsets of standard deviation 1, `(chips, row, column)`, of which few are cut."""
    drawn = [
        draw_offsets(chip, "bias_sd", 1, SIDE * SIDE, 1.0, FixedPattern(**die))
        for chip in range(CHIPS)
    ]
    return np.array(drawn, np.float64).reshape(CHIPS, SIDE, SIDE)


def test_neurons_are_drawn_each_by_itself_unless_a_chip_says_otherwise() -> None:
    for draw in draw_factors, draw_offsets:
        alone = draw(3, "bias_sd", 1, 40, 0.2)
        assert draw(3, "bias_sd", 1, 40, 0.2, FixedPattern(bias_sd=0.2)).tobytes() == (
            alone.tobytes()
        )
        other = draw(3, "bias_sd", 1, 40, 0.2, FixedPattern(correlation_length=3.0))
        assert other.shape == (40,) and not np.array_equal(other, alone)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_share_of_the_variance_that_a_plane_explains(share: float) -> None:
    drawn = draw_chips(gradient_share=share)
    assert drawn.var(axis=(1, 2)).mean() == pytest.approx(1, abs=0.1)
    y, x = np.mgrid[:SIDE, :SIDE].reshape(2, -1) - SIDE // 2
    planes = np.stack([x, y]).T / np.linalg.norm(x)
    flat = drawn.reshape(CHIPS, -1) - drawn.mean(axis=(1, 2))[:, None]
    explained = np.square(flat @ planes).sum(axis=1).mean() / np.square(flat).sum(axis=1).mean()
    assert explained == pytest.approx(share, abs=0.05)


def test_how_alike_neighbours_are_falls_with_their_distance() -> None:
    drawn = draw_chips(correlation_length=4.0)
    assert drawn.std() == pytest.approx(1, abs=0.05)
    for apart in (1, 4, 8):
        for moved, kept in (
            (drawn[:, apart:], drawn[:, :-apart]),
            (drawn[:, :, apart:], drawn[:, :, :-apart]),
        ):
            alike = np.corrcoef(moved.ravel(), kept.ravel())[0, 1]
            assert alike == pytest.approx(np.exp(-apart / 4), abs=0.04)
