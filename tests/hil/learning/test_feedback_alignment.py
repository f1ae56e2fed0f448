"""aDFA and DFA: their formulas, what they read, and their feedback."""

import io
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hil.learning import gates
from support.rule_inputs import (
    LAYERS,
    SEEDS,
    build,
    draw_weights,
    observe,
    update,
)

FAMILIES = gates.names()


FORMULAS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "surrogate": lambda x: (1 + np.abs(x)) ** -2.0,
    "step": lambda x: np.where(x < 0, 0.0, 1.0),
    "rectified": lambda x: np.where(x > 0, x, 0.0),
    "tanh": lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
    "sin": np.sin,
    "cos": lambda x: np.sin(x + np.pi / 2),
    "sign": lambda x: (x > 0) * 1.0 - (x < 0) * 1.0,
    "constant": lambda x: 1.0 + 0 * x,
}


@pytest.mark.parametrize("family", FAMILIES)
@given(
    seed=SEEDS, gain=st.floats(-8, 8), shift=st.floats(-2, 2), scale=st.sampled_from([0.5, 1, 3])
)
def test_adfa_sample_by_sample(
    family: str, seed: int, gain: float, shift: float, scale: float
) -> None:
    seen, weights = observe(seed=seed), draw_weights()
    rule = build("adfa", g=family, gain=gain, shift=shift, feedback_scale=scale)
    state = rule.init(np.random.default_rng(seed), LAYERS)
    found = update(rule, seen, weights, state)
    before = (seen.inputs, *seen.activity)
    for layer in (1, 2):
        b = np.asarray(state[f"feedback_{layer}"], np.float64)
        total = np.zeros((LAYERS[layer - 1], LAYERS[layer]))
        for sample in range(6):
            x = gain * (seen.membrane[layer - 1][sample].astype(np.float64) - shift)
            if family == "fourier":
                sines, cosines = np.asarray(state["series"], np.float64)
                k = np.arange(1, 5)
                gate = np.sin(np.outer(x, k)) @ sines + np.cos(np.outer(x, k)) @ cosines
            else:
                # A step within rounding of its edge may fall either way.
                assume(family not in ("step", "sign") or np.abs(x).min() > 1e-5)
                gate = FORMULAS[family](x)
            delta = (seen.error[sample].astype(np.float64) @ b) * gate
            total += np.outer(before[layer - 1][sample], delta) / 6
        np.testing.assert_allclose(found[layer - 1], total, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["adfa", "dfa"])
def test_feedback_alignment_reads_nothing_of_the_weights(name: str) -> None:
    rule, seen, weights = build(name), observe(), draw_weights()
    blind = [np.full_like(w, np.nan) for w in weights]
    for a, b in zip(update(rule, seen, weights), update(rule, seen, blind), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["bp", "bptt"])
def test_back_propagation_does_read_the_weights(name: str) -> None:
    rule, seen = build(name), observe()
    one, other = update(rule, seen, draw_weights()), update(rule, seen, draw_weights(seed=1))
    assert not np.allclose(one[0], other[0])


def test_adfa_does_not_look_at_the_neuron() -> None:
    one = update(build("adfa"), observe(), draw_weights())
    two = update(build("adfa"), replace(observe(), model=None), draw_weights())
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@given(seed=SEEDS)
def test_adfa_with_constant_g_is_dfa_with_unit_slope(seed: int) -> None:
    seen, weights = observe(seed=seed), draw_weights()
    # A box so wide that every membrane lies within it.
    dfa = update(build("dfa", surrogate="boxcar", steepness=1e-3), seen, weights)
    adfa = update(build("adfa", g="constant"), seen, weights)
    for a, b in zip(adfa, dfa, strict=True):
        np.testing.assert_array_equal(a, b)


def test_adfa_with_the_shifted_surrogate_is_dfa_with_it() -> None:
    seen, weights = observe(), draw_weights()
    adfa = update(build("adfa", g="surrogate", gain=5, shift=1), seen, weights)
    dfa = update(build("dfa", surrogate="fast_sigmoid", steepness=5, shift=1), seen, weights)
    for a, b in zip(adfa, dfa, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)


@given(power=st.integers(-4, 4))
def test_feedback_scale_scales_hidden_gradients_alone(power: int) -> None:
    seen, weights = observe(), draw_weights()
    one = update(build("adfa"), seen, weights)
    scaled = update(build("adfa", feedback_scale=2.0**power), seen, weights)
    for layer in (0, 1):
        np.testing.assert_allclose(scaled[layer], one[layer] * 2.0**power, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(scaled[2], one[2])


@pytest.mark.parametrize("name", ["adfa", "dfa"])
def test_feedback_is_normal_with_variance_one_over_classes(name: str) -> None:
    state = build(name).init(np.random.default_rng(0), (4, 2000, 1500, 16))
    for layer, size in ((1, 2000), (2, 1500)):
        entries = np.asarray(state[f"feedback_{layer}"], np.float64)
        assert entries.shape == (16, size)
        sigma, count = math.sqrt(1 / 16), entries.size
        assert abs(entries.mean()) < 5 * sigma / math.sqrt(count)
        assert abs(entries.std() / sigma - 1) < 5 / math.sqrt(2 * count)
        within = np.mean(np.abs(entries) < sigma)
        assert within == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.02)
    correlation = np.corrcoef(
        np.asarray(state["feedback_1"], np.float64)[:, :1500].ravel(),
        np.asarray(state["feedback_2"], np.float64).ravel(),
    )[0, 1]
    assert abs(correlation) < 0.04


@pytest.mark.parametrize("sparsity", [0.2, 0.5, 0.9])
def test_feedback_sparsity_is_the_share_of_zeros(sparsity: float) -> None:
    state = build("adfa", feedback_sparsity=sparsity).init(np.random.default_rng(0), (4, 3000, 10))
    entries = np.asarray(state["feedback_1"], np.float64)
    assert np.mean(entries == 0) == pytest.approx(sparsity, abs=0.02)
    assert entries[entries != 0].std() == pytest.approx(math.sqrt(1 / 10), rel=0.05)


@pytest.mark.parametrize("settings", [{}, {"g": "fourier"}, {"feedback_sparsity": 0.5}])
def test_state_is_drawn_by_seed_and_survives_a_checkpoint(settings: dict[str, Any]) -> None:
    rule = build("adfa", **settings)
    state = rule.init(np.random.default_rng(7), LAYERS)
    again = rule.init(np.random.default_rng(7), LAYERS)
    other = rule.init(np.random.default_rng(8), LAYERS)
    file = io.BytesIO()
    np.savez(file, **state)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as kept:
        restored = {key: kept[key] for key in kept.files}
    assert state.keys() == restored.keys() == again.keys()
    for key in state:
        np.testing.assert_array_equal(state[key], again[key])
        assert not np.array_equal(state[key], other[key])
    seen, weights = observe(), draw_weights()
    found = update(rule, seen, weights, restored)
    for a, b in zip(update(rule, seen, weights, state), found, strict=True):
        np.testing.assert_array_equal(a, b)
