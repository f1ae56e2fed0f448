"""A crossbar as a whole: ideal, in time, with frozen cells, by seed and from a state."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, norm

from device_models.crossbar import Crossbar
from device_models.mismatch import draw_cells
from device_models.nonidealities import FixedPattern, NonIdealities, Programming
from device_models.places import Places
from support.crossbars import DEFECTIVE, EVERYTHING, FULL_SCALE, SHAPE, crossbar, weights

# -- no non-ideality ------------------------------------------------------------------------------


def test_an_ideal_crossbar_transmits_what_it_stores_and_keeps_no_more() -> None:
    bar = crossbar(Programming())
    assert not bar.effective.any()
    stored = bar.write(weights())
    np.testing.assert_array_equal(stored, weights().clip(-FULL_SCALE, FULL_SCALE))
    assert bar.effective is bar.programmed_weights
    np.testing.assert_array_equal(bar.effective, stored)
    bar.advance(1e6)
    assert bar.effective is bar.programmed_weights
    assert set(bar.state()) == {"stored", "writes"}


def test_a_severity_of_zero_is_the_ideal_crossbar_to_the_bit() -> None:
    none = NonIdealities(fixed_pattern=DEFECTIVE, programming=EVERYTHING).at_severity(0)
    assert none.programming.differential == 1, "a condition stays"
    bar, ideal = crossbar(none.programming, none.fixed_pattern), crossbar(Programming())
    for seed in range(3):
        np.testing.assert_array_equal(bar.write(weights(seed)), ideal.write(weights(seed)))
        bar.advance(100.0)
        np.testing.assert_array_equal(bar.effective, ideal.effective)
    assert set(bar.state()) == set(ideal.state()), "nothing is kept for effects that are off"


# -- time -----------------------------------------------------------------------------------------


def test_drift_is_a_power_law_of_the_age_that_a_write_restarts() -> None:
    bar = crossbar(Programming(drift=0.06, drift_start=20.0))
    bar.write(weights())
    first = bar.stored.copy()
    np.testing.assert_array_equal(bar.effective, first)
    for age in (1.0, 100.0, 1e4, 1e6):
        bar.advance(age - bar.state()["seconds"])
        np.testing.assert_allclose(bar.effective, first * ((20 + age) / 20) ** -0.06, rtol=1e-5)
    asked = first.copy()
    asked[:60] *= -0.5
    bar.write(asked)
    bar.advance(1e3)
    for rows, age in ((slice(0, 60), 1e3), (slice(60, None), 1e6 + 1e3)):
        kept = ((20 + age) / 20) ** -0.06
        np.testing.assert_allclose(bar.effective[rows], asked[rows] * kept, rtol=1e-5)


def test_time_in_parts_is_time_as_a_whole() -> None:
    parts, whole = (crossbar(Programming(drift=0.06, retention=1e-3)) for _ in range(2))
    parts.write(weights())
    whole.write(weights())
    for _ in range(64):
        parts.advance(0.5)
        parts.effective  # noqa: B018  looking does not restart the clock
    whole.advance(32.0)
    np.testing.assert_array_equal(parts.effective, whole.effective)


def test_drift_exponents_are_log_normal_over_cells() -> None:
    bar = crossbar(Programming(drift=0.06, drift_cv=0.4, drift_start=1.0))
    bar.write(np.full(SHAPE, 0.4, np.float32))
    bar.advance(1e6)
    nu = -np.log(bar.effective.astype(float) / np.float32(0.4)).ravel() / np.log1p(1e6)
    assert abs(nu.mean() / 0.06 - 1) < 0.02
    assert abs(nu.std() / (0.4 * 0.06) - 1) < 0.05
    sigma = np.sqrt(np.log1p(0.4**2))
    assert kstest(np.log(nu / 0.06), norm(-(sigma**2) / 2, sigma).cdf).pvalue > 1e-3


def test_retention_is_exponential_in_the_age_that_a_write_restarts() -> None:
    bar = crossbar(Programming(retention=0.01))
    bar.write(weights())
    first = bar.stored.copy()
    bar.advance(70.0)
    np.testing.assert_allclose(bar.effective, first * np.exp(-0.7), rtol=1e-5)
    asked = first.copy()
    asked[:60] *= 0.5
    bar.write(asked)
    np.testing.assert_array_equal(bar.effective[:60], asked[:60])
    np.testing.assert_allclose(bar.effective[60:], first[60:] * np.exp(-0.7), rtol=1e-5)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_time_does_not_run_backwards(seconds: float) -> None:
    with pytest.raises(ValueError, match="give a finite time"):
        crossbar(Programming(drift=0.1)).advance(seconds)


# -- frozen cells ---------------------------------------------------------------------------------


def test_frozen_cells_hold_their_value_whatever_is_written_and_however_long() -> None:
    bar = crossbar(replace(EVERYTHING, weight_bits=0), DEFECTIVE)
    cells = draw_cells(3, 0, Places(SHAPE), DEFECTIVE)
    assert cells.gain is not None
    assert cells.frozen.size > 300
    held = cells.value * FULL_SCALE * cells.gain.reshape(-1)[cells.frozen]
    for seed in range(3):
        np.testing.assert_allclose(bar.effective.reshape(-1)[cells.frozen], held, rtol=1e-6)
        stored = bar.write(weights(seed))
        bar.advance(1e3)
    np.testing.assert_array_equal(stored, weights(2).clip(-FULL_SCALE, FULL_SCALE))
    np.testing.assert_allclose(bar.effective.reshape(-1)[cells.frozen], held, rtol=1e-6)


def test_frozen_cells_leave_the_others_as_they_are() -> None:
    whole, partly = crossbar(EVERYTHING), crossbar(EVERYTHING, FixedPattern(stuck_cells=0.1))
    for bar in (whole, partly):
        bar.write(weights())
        bar.advance(10.0)
    frozen = draw_cells(3, 0, Places(SHAPE), FixedPattern(stuck_cells=0.1)).frozen
    others = np.setdiff1d(np.arange(whole.stored.size), frozen)
    np.testing.assert_array_equal(
        whole.effective.reshape(-1)[others], partly.effective.reshape(-1)[others]
    )
    assert np.all(whole.effective.reshape(-1)[frozen] != partly.effective.reshape(-1)[frozen])


# -- seeds and states -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "programming",
    [
        Programming(programming_noise=0.02),
        Programming(programming_noise_relative=0.02),
        Programming(programming_noise=0.02, differential=1),
        Programming(drift=0.05, drift_cv=0.2),
        EVERYTHING,
    ],
)
def test_the_chip_and_the_projection_say_what_is_drawn(programming: Programming) -> None:
    def held(chip: int, projection: int) -> NDArray[np.float32]:
        bar = crossbar(programming, chip=chip, projection=projection)
        bar.write(weights())
        bar.advance(100.0)
        return bar.effective

    np.testing.assert_array_equal(held(3, 1), held(3, 1))
    assert np.mean(held(3, 1) != held(4, 1)) > 0.8
    assert np.mean(held(3, 1) != held(3, 2)) > 0.8


@settings(max_examples=20)
@given(
    programming=st.sampled_from(
        [
            EVERYTHING,
            replace(EVERYTHING, weight_bits=0, weight_grid=(-1.0, -0.25, 0.0, 0.25, 1.0)),
            replace(EVERYTHING, differential=0, update_nonlinearity=0.0, update_asymmetry=0.0),
            Programming(drift=0.1),
            Programming(),
        ]
    ),
    before=st.integers(0, 3),
)
def test_a_restored_crossbar_goes_on_to_the_bit(programming: Programming, before: int) -> None:
    def go_on(bar: Crossbar, first: int) -> list[NDArray[np.float32]]:
        seen = [bar.effective.copy()]
        for seed in range(first, first + 3):
            seen.append(bar.write(weights(seed)).copy())
            bar.advance(30.0)
            seen.append(bar.effective.copy())
        return seen

    bar, other = crossbar(programming, DEFECTIVE), crossbar(programming, DEFECTIVE)
    for seed in range(before):
        bar.write(weights(seed))
        bar.advance(7.0)
    state = bar.state()
    expected = go_on(bar, before)
    other.write(weights(9))
    for restored in (bar, other):
        restored.restore(state)
        for found, wanted in zip(go_on(restored, before), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert restored.writes == before + 3
