"""A drive and a reading joined by their variances: what each of them may do to a rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hil.learning import LayerReading, rate_estimators
from hil.learning.nominal_neuron import NominalNeuron, table
from hil.learning.rate_estimators import fused
from hil.learning.rate_estimators.fused import FLOOR, MISMATCH

Matrix = NDArray[np.float32]
NEURON = NominalNeuron(0.9, steps=20)
DRIVES = np.linspace(0.1, 0.8, 8, dtype=np.float32)[np.newaxis]


def reading(mean: Matrix, doubt: float = 0.0) -> LayerReading:
    still = np.zeros_like(DRIVES)
    return LayerReading(
        neuron=NEURON,
        sampled="before_reset",
        every=1,
        mean=mean,
        samples=None,
        last=mean,
        drive=DRIVES,
        spread=still + np.float32(0.1),
        doubt=still + np.float32(doubt),
    )


def at(quantity: str, drives: Matrix) -> Matrix:
    values = table(NEURON)
    axis, spread = fused.axis_of(values), np.full_like(drives, 0.1)
    place = fused.locate(drives, fused.find_row(spread, fused.BOUNDS, axis), axis)
    found: Matrix = fused.look_up(values[quantity].reshape(-1), place)  # type: ignore[index]
    return found


@pytest.mark.parametrize("name", ["fused", "fused_last"])
@pytest.mark.parametrize("wrong", [-50.0, 50.0])
def test_no_reading_moves_a_drive_by_more_than_two_deviations(name: str, wrong: float) -> None:
    deviation = np.sqrt((MISMATCH * DRIVES) ** 2 + FLOOR)
    low, high = at("rate", DRIVES - 2 * deviation), at("rate", DRIVES + 2 * deviation)
    seen = reading(np.full_like(DRIVES, wrong))
    rate = rate_estimators.get(name).estimate(seen).rate
    assert (rate >= low - 1e-6).all() and (rate <= high + 1e-6).all()
    assert np.abs(rate - at("rate", DRIVES)).max() > 0.01


@pytest.mark.parametrize("name", ["fused", "fused_last"])
def test_the_more_a_drive_is_doubted_the_more_a_reading_counts(name: str) -> None:
    """What was read is that of a drive a tenth higher."""
    key = "mean_before" if name == "fused" else "last_before"
    mean, right = at(key, DRIVES + 0.1), at("rate", DRIVES + 0.1)
    estimate = rate_estimators.get(name).estimate
    off = [
        float(np.abs(estimate(reading(mean, doubt)).rate - right).mean())
        for doubt in (0.0, 0.01, 0.1)
    ]
    assert off[0] > off[1] > off[2]
    doubts = [float(estimate(reading(mean, doubt)).doubt.mean()) for doubt in (0.0, 0.01, 0.1)]
    assert doubts[0] < doubts[1] < doubts[2]


def test_a_drive_that_is_right_is_left_alone() -> None:
    seen = reading(at("mean_before", DRIVES))
    found = rate_estimators.get("fused").estimate(seen)
    np.testing.assert_allclose(found.rate, at("rate", DRIVES), atol=1e-5)
    surer = rate_estimators.get("fused").estimate(replace(seen, doubt=seen.doubt + 0.01))
    np.testing.assert_allclose(surer.rate, found.rate, atol=1e-5)
