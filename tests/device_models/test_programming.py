"""How weights are stored: grids, noise, imperfect updates, pairs of cells, and time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, norm

from device_models.cells import draw_cells
from device_models.crossbar import Crossbar
from device_models.generators import Normals, sequence
from device_models.nonidealities.fixed_pattern import FixedPattern, factors
from device_models.nonidealities.nonideality import by_name, override
from device_models.nonidealities.programming import Programming
from device_models.nonidealities.tiers import NonIdealities

SHAPE = (120, 100)
FULL_SCALE = 0.5
EVERYTHING = Programming(
    weight_bits=6,
    programming_noise=0.02,
    programming_noise_relative=0.1,
    update_nonlinearity=0.6,
    update_asymmetry=0.2,
    differential=1,
    drift=0.05,
    drift_cv=0.3,
    retention=1e-4,
    run_seconds=1.0,
)
DEFECTIVE = FixedPattern(weight_cv=0.2, dead_cells=0.02, on_cells=0.02, stuck_cells=0.02)


def crossbar(
    programming: Programming,
    pattern: FixedPattern | None = None,
    chip: int = 3,
    projection: int = 0,
    full_scale: float = FULL_SCALE,
) -> Crossbar:
    cells = draw_cells(chip, projection, SHAPE, pattern or FixedPattern())
    return Crossbar(SHAPE, full_scale, programming, cells, chip, projection)


def weights(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.2, SHAPE).astype(np.float32)


# -- no non-ideality ------------------------------------------------------------------------------


def test_an_ideal_crossbar_transmits_what_it_stores_and_keeps_no_more() -> None:
    bar = crossbar(Programming())
    assert not bar.effective.any()
    stored = bar.write(weights())
    np.testing.assert_array_equal(stored, weights().clip(-FULL_SCALE, FULL_SCALE))
    assert bar.effective is bar.programmed
    np.testing.assert_array_equal(bar.effective, stored)
    bar.advance(1e6)
    assert bar.effective is bar.programmed
    assert set(bar.state()) == {"stored", "writes"}


def test_a_dose_of_zero_is_the_ideal_crossbar_to_the_bit() -> None:
    none = NonIdealities(fixed_pattern=DEFECTIVE, programming=EVERYTHING).at_severity(0)
    assert none.programming.differential == 1, "a condition stays"
    bar, ideal = crossbar(none.programming, none.fixed_pattern), crossbar(Programming())
    for seed in range(3):
        np.testing.assert_array_equal(bar.write(weights(seed)), ideal.write(weights(seed)))
        bar.advance(100.0)
        np.testing.assert_array_equal(bar.effective, ideal.effective)
    assert set(bar.state()) == set(ideal.state()), "nothing is kept for effects that are off"


def test_what_a_write_returns_is_the_callers() -> None:
    bar = crossbar(Programming())
    bar.write(weights())[:] = 7
    np.testing.assert_array_equal(bar.stored, weights().clip(-FULL_SCALE, FULL_SCALE))
    np.testing.assert_array_equal(bar.effective, bar.stored)


# -- grids ----------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(bits=st.integers(1, 8), scale=st.floats(0.01, 10))
def test_bits_store_the_nearest_of_an_even_symmetric_grid(bits: int, scale: float) -> None:
    programming = Programming(weight_bits=bits)
    assert programming.levels == max(3, 2**bits - 1)
    stored = crossbar(programming, full_scale=scale).write(weights() * np.float32(scale))
    grid = np.linspace(-scale, scale, programming.levels)
    asked = (weights() * np.float32(scale)).clip(-scale, scale)
    nearest = np.abs(asked[..., None] - grid).min(axis=-1)
    np.testing.assert_allclose(np.abs(stored - asked), nearest, atol=1e-5 * scale)
    assert np.unique(stored).size <= programming.levels


@settings(max_examples=30)
@given(
    grid=st.lists(st.integers(-64, 64), min_size=2, max_size=12, unique=True),
    scale=st.floats(0.01, 10),
)
def test_a_given_grid_stores_its_nearest_value_and_no_other(grid: list[int], scale: float) -> None:
    values = tuple(step / 64 for step in sorted(grid))
    programming = Programming(weight_grid=values)
    assert programming.levels is None
    asked = weights() * np.float32(3 * scale)
    stored = crossbar(programming, full_scale=scale).write(asked)
    storable = np.asarray(values, np.float32) * np.float32(scale)
    assert set(np.unique(stored)) <= set(storable)
    nearest = np.abs(asked[..., None] - storable).min(axis=-1)
    np.testing.assert_allclose(np.abs(stored - asked), nearest, atol=1e-6 * scale)


@pytest.mark.parametrize(
    "grid", [(0.5,), (0.5, 0.0), (0.0, 0.0), (-1.5, 0.0), (0.0, 1.5), (0.0, float("nan"))]
)
def test_a_bad_grid_is_refused(grid: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"weight_grid of \d values .*: give two or more"):
        Programming(weight_grid=grid)


def test_a_grid_and_bits_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="set weight_bits to 0, or give no weight_grid"):
        Programming(weight_bits=4, weight_grid=(-1.0, 1.0))
    chip = NonIdealities(programming=Programming(weight_grid=(-1.0, 1.0)))
    with pytest.raises(ValueError, match="weight_bits = 4"):
        override(chip, {"weight_bits": 4})


def test_a_grid_is_no_single_nonideality() -> None:
    chip = NonIdealities(programming=Programming(weight_grid=(-1.0, 0.0, 1.0), drift=0.1))
    assert "weight_grid" not in by_name(chip)
    assert chip.at_severity(0.5).programming == replace(chip.programming, drift=0.05)


# -- programming noise ----------------------------------------------------------------------------


def test_absolute_noise_is_normal_in_full_scales() -> None:
    bar = crossbar(Programming(programming_noise=0.03))
    error = bar.write(weights()) - bar.effective
    assert abs(error.mean()) < 4 * 0.03 * FULL_SCALE / np.sqrt(error.size)
    assert kstest(error.ravel() / (0.03 * FULL_SCALE), "norm").pvalue > 1e-3


def test_relative_noise_is_normal_in_proportion_to_the_target() -> None:
    bar = crossbar(Programming(weight_bits=3, programming_noise_relative=0.1))
    stored = bar.write(weights())
    at_zero = stored == 0
    np.testing.assert_array_equal(bar.effective[at_zero], 0)
    error = (bar.effective - stored)[~at_zero] / stored[~at_zero]
    assert kstest(error / 0.1, "norm").pvalue > 1e-3


def test_both_noises_add_their_variances() -> None:
    noisy = Programming(programming_noise=0.03, programming_noise_relative=0.1)
    bar = crossbar(noisy)
    error = bar.write(weights()) - bar.effective
    sd = np.sqrt((0.03 * FULL_SCALE) ** 2 + (0.1 * bar.stored) ** 2)
    assert kstest((error / sd).ravel(), "norm").pvalue > 1e-3


def test_only_cells_whose_stored_value_changes_are_programmed() -> None:
    bar = crossbar(Programming(weight_bits=4, programming_noise=0.02))
    stored = bar.write(weights())
    first = bar.effective.copy()
    assert np.all(first[stored == 0] == 0), "a cell that was never programmed holds nothing"
    asked = weights()
    asked[:50] = weights(1)[:50]
    same = bar.write(asked) == stored
    np.testing.assert_array_equal(bar.effective[same], first[same])
    assert np.all(bar.effective[~same] != first[~same])


def test_noise_is_the_stream_of_chip_projection_and_write() -> None:
    """The bits that earlier versions drew, so that old runs can be repeated."""
    bar = crossbar(
        Programming(programming_noise=0.02), FixedPattern(weight_cv=0.2), chip=5, projection=1
    )
    gain = factors(5, "weight_cv", 1, SHAPE, 0.2)
    for write in range(3):
        target = bar.write(weights(write) * np.float32(0.1))
        noise = Normals(sequence(5, "write", 1, write)).draw(target.size)
        expected = target + (noise * (np.float32(0.02) * np.float32(FULL_SCALE))).reshape(SHAPE)
        np.testing.assert_array_equal(bar.programmed, expected)
        np.testing.assert_array_equal(bar.effective, expected * gain)


# -- imperfect updates ----------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_soft_bounds_approach_the_bound_geometrically(beta: float) -> None:
    bar = crossbar(Programming(update_nonlinearity=beta))
    asked = np.full(SHAPE, -FULL_SCALE, np.float32)
    bar.write(asked)
    reached = [float(bar.effective[0, 0])]
    for k in range(1, 41):
        bar.write(np.full(SHAPE, FULL_SCALE * (k / 20 - 1), np.float32))
        reached.append(float(bar.effective[0, 0]))
    gap = 1 / beta - np.asarray(reached) / FULL_SCALE
    np.testing.assert_allclose(gap[1:] / gap[:-1], 1 - beta / 20, rtol=1e-4)
    assert bar.stored[0, 0] == np.float32(FULL_SCALE), "the device does not know"
    assert reached[-1] < 0.97 * FULL_SCALE


@given(
    beta=st.floats(0, 1),
    asymmetry=st.floats(0, 1),
    path=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12),
)
def test_updates_follow_their_law_within_the_full_scale(
    beta: float, asymmetry: float, path: list[float]
) -> None:
    programming = Programming(update_nonlinearity=beta, update_asymmetry=asymmetry)
    bar = Crossbar((1, 1), FULL_SCALE, programming, draw_cells(1, 0, (1, 1), FixedPattern()), 1, 0)
    held = believed = 0.0
    for share in path:
        step = share * FULL_SCALE - believed
        step *= 1 - beta * np.sign(step) * held / FULL_SCALE
        held += step * (1 - asymmetry) if share * FULL_SCALE < believed else step
        held = min(max(held, -FULL_SCALE), FULL_SCALE)
        believed = share * FULL_SCALE
        bar.write(np.full((1, 1), believed, np.float32))
        assert abs(bar.effective[0, 0] - held) < 1e-5
        assert abs(bar.effective[0, 0]) <= FULL_SCALE


def test_an_asymmetric_cell_does_not_come_back() -> None:
    bar = crossbar(Programming(update_asymmetry=0.25))
    up = np.full(SHAPE, 0.2, np.float32)
    for round_trips in (1, 2):
        bar.write(up)
        bar.write(np.zeros(SHAPE, np.float32))
        np.testing.assert_allclose(bar.effective, round_trips * 0.25 * 0.2, rtol=1e-5)


def test_noise_does_not_add_up_where_updates_do() -> None:
    """Only what pulses miss is carried over; noise is about it and drawn anew."""
    noisy = crossbar(Programming(update_asymmetry=0.1, programming_noise=0.02))
    exact = crossbar(Programming(update_asymmetry=0.1))
    for k in range(30):
        for bar in (noisy, exact):
            bar.write(np.full(SHAPE, 0.1 + 0.01 * (k % 2), np.float32))
    error = (noisy.effective - exact.effective).ravel()
    assert kstest(error / (0.02 * FULL_SCALE), "norm").pvalue > 1e-3


# -- pairs of cells -------------------------------------------------------------------------------


def test_noise_of_a_pair_has_twice_the_variance_of_a_cell() -> None:
    error = {}
    for pair in (0, 1):
        bar = crossbar(Programming(programming_noise=0.03, differential=pair))
        error[pair] = (bar.write(weights()) - bar.effective).ravel()
    assert abs(error[1].var() / error[0].var() - 2) < 0.1
    assert kstest(error[1] / (np.sqrt(2) * 0.03 * FULL_SCALE), "norm").pvalue > 1e-3


def test_the_cell_at_its_least_has_no_relative_noise() -> None:
    bar = crossbar(Programming(programming_noise_relative=0.1, differential=1))
    error = (bar.write(weights()) - bar.effective) / bar.stored
    assert kstest(error.ravel() / 0.1, "norm").pvalue > 1e-3


def test_each_cell_of_a_pair_drifts_by_itself() -> None:
    """A weight and its negative are held by different cells, so they fade differently."""
    faded = {}
    for pair in (0, 1):
        programming = Programming(drift=0.1, drift_cv=0.5, differential=pair)
        for sign in (1, -1):
            bar = crossbar(programming)
            bar.write(np.full(SHAPE, sign * 0.3, np.float32))
            bar.advance(1e4)
            faded[pair, sign] = np.log(bar.effective * np.float32(sign / 0.3)).ravel()
    np.testing.assert_array_equal(faded[0, 1], faded[0, -1])
    assert abs(np.corrcoef(faded[1, 1], faded[1, -1])[0, 1]) < 0.04
    assert abs(faded[1, -1].std() / faded[1, 1].std() - 1) < 0.1


def test_retention_acts_on_both_cells() -> None:
    programming = Programming(programming_noise=0.05, retention=0.01, differential=1)
    bar = crossbar(programming)
    bar.write(weights())
    fresh = bar.effective.copy()
    bar.advance(50.0)
    np.testing.assert_allclose(bar.effective, fresh * np.exp(-0.5), atol=1e-6)


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
    cells = draw_cells(3, 0, SHAPE, DEFECTIVE)
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
    frozen = draw_cells(3, 0, SHAPE, FixedPattern(stuck_cells=0.1)).frozen
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
            seen.append(bar.write(weights(seed)))
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
