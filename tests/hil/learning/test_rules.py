"""What all learning rules have in common."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pydantic import ValidationError

from hil.learning import gates, rules
from hil.learning.gates.standard import draw_series
from hil.learning.rule import Matrix, Observation
from support.rule_inputs import LAYERS, NETWORKS, SEEDS, build, draw_weights, observe, update

LINEAR = ["adfa", "bp", "bptt", "dfa", "output_only", "pat", "progressive"]
NAMES = [*LINEAR, "drtp", "forward_forward"]
TRY = ["mgd", "opzo", "spsa"]  # weights, and have tests of their own


def test_names_and_unknown_name() -> None:
    assert rules.names() == sorted([*NAMES, *TRY])
    with pytest.raises(ValueError, match="did you mean 'adfa'") as error:
        rules.get("afda")
    assert all(name in str(error.value) for name in NAMES)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="no rule 'contract'"):
        rules.get("contract")


@pytest.mark.parametrize("name", NAMES)
def test_settings_refuse_what_they_do_not_know(name: str) -> None:
    with pytest.raises(ValidationError, match="no_such_setting"):
        rules.get(name).settings(no_such_setting=1)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("adfa", {"g": "parabola"}),
        ("adfa", {"feedback_scale": 0}),
        ("adfa", {"feedback_sparsity": 1}),
        ("adfa", {"terms": 0}),
        ("bp", {"surrogate": "cliff"}),
        ("dfa", {"steepness": 0}),
        ("bptt", {"steepness": -1}),
    ],
)
def test_settings_are_bounded(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        rules.get(name).settings(**settings)


@pytest.mark.parametrize("name", NAMES)
@given(layers=NETWORKS, batch=st.integers(1, 5), seed=SEEDS)
def test_gradients_have_the_shape_of_weights(
    name: str, layers: tuple[int, ...], batch: int, seed: int
) -> None:
    weights = draw_weights(layers, seed)
    found = update(build(name), observe(layers, batch, seed), weights)
    assert len(found) == len(weights)
    for gradient, w in zip(found, weights, strict=True):
        if gradient is not None:
            assert gradient.shape == w.shape
            assert gradient.dtype == np.float32
            assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", NAMES)
def test_update_is_a_pure_function(name: str) -> None:
    rule, seen, weights = build(name), observe(), draw_weights()
    state = rule.init(np.random.default_rng(3), LAYERS)
    first = update(rule, seen, weights, state)
    second = update(rule, seen, weights, state)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    fresh = rule.init(np.random.default_rng(3), LAYERS)
    assert state.keys() == fresh.keys()
    for key in state:
        np.testing.assert_array_equal(state[key], fresh[key])
    for w, same in zip(weights, draw_weights(), strict=True):
        np.testing.assert_array_equal(w, same)
    for field, value in vars(observe()).items():
        arrays_then = value if isinstance(value, tuple) else [value]
        now = getattr(seen, field)
        for then, after in zip(arrays_then, now if isinstance(now, tuple) else [now], strict=True):
            np.testing.assert_array_equal(then, after)


@pytest.mark.parametrize("name", LINEAR)
@given(seed=SEEDS, power=st.integers(-6, 6), sign=st.sampled_from([-1, 1]))
def test_gradients_are_linear_in_the_error(name: str, seed: int, power: int, sign: int) -> None:
    """Powers of two and signs pass through floating point without rounding."""
    rule, seen, weights = build(name), observe(seed=seed), draw_weights(seed=seed)
    factor = np.float32(sign * 2.0**power)
    once = update(rule, seen, weights)
    scaled = update(rule, replace(seen, error=seen.error * factor), weights)
    for a, b in zip(once, scaled, strict=True):
        if a is not None:
            np.testing.assert_array_equal(a * factor, b)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_means_over_the_batch(name: str) -> None:
    rule, seen, weights = build(name), observe(), draw_weights()
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(6), 2))
    twice = Observation(
        inputs=seen.inputs[order],
        activity=tuple(a[order] for a in seen.activity),
        membrane=tuple(z[order] for z in seen.membrane),
        rate=seen.rate[order],
        error=seen.error[order],
        traces=tuple(u[:, order] for u in seen.traces),
        output_spikes=seen.traces[-1][:, order] >= 1,  # type: ignore[arg-type]
        labels=None if seen.labels is None else seen.labels[order],
        model=seen.model,
    )
    for a, b in zip(update(rule, seen, weights), update(rule, twice, weights), strict=True):
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"bptt", "pat"}))
def test_the_output_projection_follows_its_error(name: str) -> None:
    seen = observe()
    expected = np.einsum("bi,bj->ij", seen.activity[-1], seen.error) / len(seen.error)
    found = update(build(name), seen, draw_weights())
    np.testing.assert_allclose(found[-1], expected, rtol=1e-5, atol=1e-6)


def test_only_bptt_and_pat_need_traces() -> None:
    without = replace(observe(), traces=(), output_spikes=None)
    for name in NAMES:
        rule = build(name)
        assert rule.needs_traces == (name in ("bptt", "pat"))
        if not rule.needs_traces:
            update(rule, without, draw_weights())


def test_output_only_freezes_every_hidden_projection() -> None:
    for layers in [(5, 3), LAYERS]:
        found = update(build("output_only"), observe(layers), draw_weights(layers))
        assert [gradient is None for gradient in found] == [True] * (len(layers) - 2) + [False]


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
