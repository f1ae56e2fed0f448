"""The fixed pattern of synapses: gains and cells that no write reaches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest, norm

from device_models import mismatch
from device_models.mismatch import Cells, draw_cells
from device_models.nonidealities import FixedPattern
from device_models.places import Places

SHAPE = (300, 200)
DEFECTS = ("dead_cells", "on_cells", "stuck_cells")


def drawn(chip: int = 3, projection: int = 0, **spreads: float) -> Cells:
    return draw_cells(chip, projection, Places(SHAPE), FixedPattern(**spreads))


def test_an_ideal_pattern_costs_nothing() -> None:
    cells = drawn()
    assert cells.gain is None
    assert cells.frozen.size == cells.value.size == 0


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_have_their_rate_and_stand_anywhere(name: str) -> None:
    cells = drawn(**{name: 0.05})
    size = SHAPE[0] * SHAPE[1]
    assert binomtest(cells.frozen.size, size, 0.05).pvalue > 1e-3
    assert kstest(cells.frozen / size, "uniform").pvalue > 1e-3
    assert np.all(np.diff(cells.frozen) > 0), "ascending, none twice"
    assert cells.frozen.dtype == np.int64
    assert cells.value.dtype == np.float32


def test_what_defective_cells_hold() -> None:
    assert np.all(drawn(dead_cells=0.1).value == 0)
    on = drawn(on_cells=0.1).value
    assert np.all(np.abs(on) == 1)
    assert binomtest(int(np.sum(on > 0)), on.size, 0.5).pvalue > 1e-3
    stuck = drawn(stuck_cells=0.1).value
    assert kstest(stuck, "uniform", (-1, 2)).pvalue > 1e-3


@pytest.mark.parametrize("name", [*DEFECTS, "weight_cv"])
def test_the_chip_and_the_projection_say_which_cells(name: str) -> None:
    def pattern(chip: int, projection: int) -> np.ndarray:
        cells = drawn(chip, projection, **{name: 0.1})
        gain = np.zeros(SHAPE) if cells.gain is None else cells.gain.copy()
        gain.reshape(-1)[cells.frozen] = 2 + cells.value
        return gain

    np.testing.assert_array_equal(pattern(3, 1), pattern(3, 1))
    assert np.any(pattern(3, 1) != pattern(4, 1))
    assert np.any(pattern(3, 1) != pattern(3, 2))


def test_stuck_values_differ_from_chip_to_chip_and_between_projections() -> None:
    values = [drawn(*which, stuck_cells=1.0).value for which in ((3, 1), (4, 1), (3, 2))]
    assert np.all(np.abs(np.corrcoef(values)[np.triu_indices(3, 1)]) < 0.02)


@given(st.sampled_from(DEFECTS), st.floats(0, 0.3), st.floats(0, 0.3))
def test_more_defects_keep_those_of_fewer(name: str, one: float, other: float) -> None:
    few, many = (drawn(**{name: fraction}) for fraction in sorted((one, other)))
    held = dict(zip(many.frozen, many.value, strict=True))
    assert all(held[cell] == value for cell, value in zip(few.frozen, few.value, strict=True))


def test_a_defect_does_not_move_the_others() -> None:
    alone = [set(drawn(**{name: 0.2}).frozen) for name in DEFECTS]
    assert alone[0] != alone[1] != alone[2]
    together = drawn(dead_cells=0.2, on_cells=0.2, stuck_cells=0.2)
    assert set(together.frozen) == alone[0] | alone[1] | alone[2]
    held = dict(zip(together.frozen, together.value, strict=True))
    assert all(held[cell] == 0 for cell in alone[0])
    assert all(abs(held[cell]) == 1 for cell in alone[1] - alone[0])


def test_gains_are_log_normal_with_mean_one() -> None:
    gain = drawn(weight_cv=0.25).gain
    assert gain is not None
    assert abs(gain.mean() - 1) < 0.005
    assert abs(gain.std() / 0.25 - 1) < 0.02
    sigma = np.sqrt(np.log1p(0.25**2))
    assert kstest(np.log(gain).ravel(), norm(-(sigma**2) / 2, sigma).cdf).pvalue > 1e-3


@pytest.mark.parametrize("drawn", [1 << 27, 1000])
def test_a_synapse_is_the_same_whichever_others_there_are(
    drawn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there are too many pairs to draw for all of them."""
    monkeypatch.setattr(mismatch, "DRAWN", drawn)
    ends, rng = (400, 300), np.random.default_rng(0)
    spread = FixedPattern(weight_cv=0.3, delay_sd=1e-3, dead_cells=0.05, stuck_cells=0.1)
    dense = draw_cells(1, 0, Places(ends), spread)
    here = rng.random(ends) < 0.1
    pre, post = np.argwhere(here).T.astype(np.int32)
    sparse = draw_cells(1, 0, Places(ends, pre, post), spread)
    for one, other in ((dense.gain, sparse.gain), (dense.late, sparse.late)):
        assert one is not None and other is not None
        np.testing.assert_array_equal(one[here], other)
    held = np.full(ends, np.nan, np.float32)
    held.reshape(-1)[dense.frozen] = dense.value
    found = np.full(pre.size, np.nan, np.float32)
    found[sparse.frozen] = sparse.value
    np.testing.assert_array_equal(held[here], found)
    assert dense.gain is not None and dense.late is not None
    assert abs(dense.gain.mean() - 1) < 0.01 and abs(dense.gain.std() - 0.3) < 0.01
    assert abs(dense.late.std() - 1e-3) < 2e-5 and abs(dense.frozen.size / 120_000 - 0.145) < 0.01
