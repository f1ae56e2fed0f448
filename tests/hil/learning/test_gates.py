"""The gates g: shapes, centres, and the random Fourier series."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hil.learning import gates
from hil.learning.gates.standard import draw_series
from hil.learning.rule import Matrix
from support.rule_inputs import SEEDS

FAMILIES = gates.names()


@pytest.mark.parametrize("family", FAMILIES)
@given(
    z=arrays(
        np.float32, array_shapes(max_dims=3), elements=st.floats(-(2.0**50), 2.0**50, width=32)
    ),
    gain=st.floats(-100, 100),
    shift=st.floats(-100, 100),
    seed=SEEDS,
)
def test_g_keeps_the_shape_and_is_finite(
    family: str, z: Matrix, gain: float, shift: float, seed: int
) -> None:
    series = draw_series(np.random.default_rng(seed), 3)
    kept = z.copy()
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        found = gates.get(family).evaluate(z, gain, shift, series)
    assert found.shape == z.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    if family not in ("rectified", "fourier"):
        assert (np.abs(found) <= 1 + 1e-6).all()
    np.testing.assert_array_equal(z, kept)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "fourier"])
@given(
    away=arrays(np.float32, 5, elements=st.floats(0.03125, 3, width=32)),
    shift=st.sampled_from([-0.5, 0.0, 1.0]),
)
def test_g_is_centred_on_its_shift(family: str, away: Matrix, shift: float) -> None:
    centre = np.float32(shift)
    above = gates.get(family).evaluate(centre + away, 2, shift, {})
    below = gates.get(family).evaluate(centre - away, 2, shift, {})
    if family in ("tanh", "sin", "sign"):
        np.testing.assert_allclose(below, -above, atol=1e-5)
    elif family in ("cos", "surrogate", "constant"):
        np.testing.assert_allclose(below, above, atol=1e-5)
    elif family in ("sigmoid", "step"):
        np.testing.assert_allclose(below, 1 - above, atol=1e-5)
    else:
        np.testing.assert_array_equal(below, 0)
        assert (above > 0).all()


@given(seed=SEEDS, gain=st.floats(0.5, 8), z=st.floats(-2, 2))
def test_fourier_repeats_after_its_period(seed: int, gain: float, z: float) -> None:
    series = draw_series(np.random.default_rng(seed), 4)
    points = np.array([z, z + 2 * math.pi / gain], np.float32)
    first, second = gates.get("fourier").evaluate(points, gain, 0.3, series)
    assert first == pytest.approx(second, abs=2e-3)


def test_fourier_coefficients_fall_with_their_harmonic() -> None:
    rng = np.random.default_rng(0)
    drawn = np.stack([draw_series(rng, 4)["series"] for _ in range(4000)])
    assert drawn.shape == (4000, 2, 4)
    np.testing.assert_allclose(drawn.std(axis=0), [[1, 1 / 2, 1 / 3, 1 / 4]] * 2, rtol=0.06)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.08)
