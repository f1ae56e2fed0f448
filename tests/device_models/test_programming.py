"""How weights are stored: grids, noise, imperfect updates and pairs of cells."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

import device_models.crossbar
from device_models.crossbar import FIND, Crossbar
from device_models.generators import Normals, sequence
from device_models.mismatch import draw_cells, draw_factors
from device_models.nonidealities import FixedPattern, NonIdealities, Programming, by_name, override
from device_models.places import Places
from support.crossbars import FULL_SCALE, SHAPE, crossbar, weights

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
    stored = bar.write(weights()).copy()
    first = bar.effective.copy()
    assert np.all(first[stored == 0] == 0), "a cell that was never programmed holds nothing"
    asked = weights()
    asked[:50] = weights(1)[:50]
    same = bar.write(asked) == stored
    np.testing.assert_array_equal(bar.effective[same], first[same])
    assert np.all(bar.effective[~same] != first[~same])


def test_compiled_code_finds_the_same_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    shape, programming = (256, 128), Programming(weight_bits=5, programming_noise=0.02)
    rng, found = np.random.default_rng(0), []
    asked = np.cumsum(rng.normal(0, 0.1, (4, *shape)).astype(np.float32), axis=0)
    for find in (partial(FIND.find, wait=True), lambda arguments: None):
        monkeypatch.setattr(device_models.crossbar, "FIND", SimpleNamespace(find=find))
        bar = Crossbar(
            Places(shape), 0.5, programming, draw_cells(1, 0, Places(shape), FixedPattern()), 1, 0
        )
        found.append([bar.write(each).copy() for each in asked] + [bar.effective])
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0][3], np.rint(asked[3].clip(-0.5, 0.5) * 30) / 30, atol=1e-6)


def test_noise_is_the_stream_of_chip_projection_and_write() -> None:
    """The bits that earlier versions drew, so that old runs can be repeated."""
    bar = crossbar(
        Programming(programming_noise=0.02), FixedPattern(weight_cv=0.2), chip=5, projection=1
    )
    gain = draw_factors(5, "weight_cv", 1, Places(SHAPE), 0.2)
    for write in range(3):
        target = bar.write(weights(write) * np.float32(0.1))
        noise = Normals(sequence(5, "write", 1, write)).draw(target.size)
        expected = target + (noise * (np.float32(0.02) * np.float32(FULL_SCALE))).reshape(SHAPE)
        np.testing.assert_array_equal(bar.programmed_weights, expected)
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
    one = Places((1, 1))
    bar = Crossbar(one, FULL_SCALE, programming, draw_cells(1, 0, one, FixedPattern()), 1, 0)
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
