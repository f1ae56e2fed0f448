"""What all learning rules have in common."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hil.learning import rules
from hil.learning.rule import Observation
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
