import io
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pydantic import ValidationError

from hil.learning import gates, homeostasis, rules
from hil.learning.gates import fourier
from hil.learning.rule import Matrix, Observation, Rule, Timing, gradients_from

NAMES = ["adfa", "bp", "bptt", "dfa", "output_only"]
FAMILIES = gates.names()
TIMING = Timing(decay=0.9, steps=6, reset="soft", input_is_current=True, kappa=10.0, beta=0.0)
LAYERS = (5, 7, 4, 3)
SEEDS = st.integers(0, 2**32 - 1)
NETWORKS = st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple)


def build(name: str, timing: Timing = TIMING, **settings: Any) -> Rule:
    module = rules.module(name)
    rule = module.build(module.Settings(**settings), timing)
    assert isinstance(rule, Rule)
    return rule


def draw_weights(layers: tuple[int, ...] = LAYERS, seed: int = 0) -> list[Matrix]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in pairwise(layers)]


def observe(layers: tuple[int, ...] = LAYERS, batch: int = 6, seed: int = 0) -> Observation:
    """What a host might see: membranes around threshold, rates in between."""
    rng = np.random.default_rng(seed)
    traces = [rng.normal(0.6, 0.5, (TIMING.steps, batch, n)).astype(np.float32) for n in layers[1:]]
    spikes = [(u >= 1).astype(np.float32) for u in traces]
    return Observation(
        inputs=rng.random((batch, layers[0]), dtype=np.float32),
        activity=tuple(s.mean(axis=0) for s in spikes[:-1]),
        membrane=tuple(u.mean(axis=0) for u in traces),
        rate=spikes[-1].mean(axis=0),
        error=rng.normal(0, 0.3, (batch, layers[-1])).astype(np.float32),
        traces=tuple(traces),
        output_spikes=spikes[-1],
    )


def update(
    rule: Rule,
    seen: Observation,
    weights: list[Matrix],
    state: dict[str, NDArray[np.generic]] | None = None,
) -> list[Any]:
    layers = (weights[0].shape[0], *(w.shape[1] for w in weights))
    return rule.update(state or rule.init(np.random.default_rng(3), layers), seen, weights)


# -- the registry and what all rules share ----------------------------------------------------


def test_names_and_unknown_name() -> None:
    assert rules.names() == sorted([*NAMES, "spsa"])  # which has tests of its own
    with pytest.raises(ValueError, match="did you mean 'adfa'") as error:
        rules.module("afda")
    assert all(name in str(error.value) for name in NAMES)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="no rule 'contract'"):
        rules.module("contract")


@pytest.mark.parametrize("name", NAMES)
def test_settings_refuse_what_they_do_not_know(name: str) -> None:
    with pytest.raises(ValidationError, match="no_such_setting"):
        rules.module(name).Settings(no_such_setting=1)


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
        rules.module(name).Settings(**settings)


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


@pytest.mark.parametrize("name", NAMES)
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
    )
    for a, b in zip(update(rule, seen, weights), update(rule, twice, weights), strict=True):
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["adfa", "bp", "dfa", "output_only"])
def test_the_output_projection_follows_its_error(name: str) -> None:
    seen = observe()
    expected = np.einsum("bi,bj->ij", seen.activity[-1], seen.error) / len(seen.error)
    found = update(build(name), seen, draw_weights())
    np.testing.assert_allclose(found[-1], expected, rtol=1e-5, atol=1e-6)


def test_only_bptt_needs_traces() -> None:
    without = replace(observe(), traces=(), output_spikes=None)
    for name in NAMES:
        rule = build(name)
        assert rule.needs_traces == (name == "bptt")
        if not rule.needs_traces:
            update(rule, without, draw_weights())


def test_output_only_freezes_every_hidden_projection() -> None:
    for layers in [(5, 3), LAYERS]:
        found = update(build("output_only"), observe(layers), draw_weights(layers))
        assert [gradient is None for gradient in found] == [True] * (len(layers) - 2) + [False]


# -- feedback alignment -----------------------------------------------------------------------

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
    other = Timing(0.2, 99, "hard", False, 3.0, 7.0)
    one = update(build("adfa"), observe(), draw_weights())
    two = update(build("adfa", other), observe(), draw_weights())
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


# -- the families of g ------------------------------------------------------------------------


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
    series = fourier.draw(np.random.default_rng(seed), 3)
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
    series = fourier.draw(np.random.default_rng(seed), 4)
    points = np.array([z, z + 2 * math.pi / gain], np.float32)
    first, second = gates.get("fourier").evaluate(points, gain, 0.3, series)
    assert first == pytest.approx(second, abs=2e-3)


def test_fourier_coefficients_fall_with_their_harmonic() -> None:
    rng = np.random.default_rng(0)
    drawn = np.stack([fourier.draw(rng, 4)["series"] for _ in range(4000)])
    assert drawn.shape == (4000, 2, 4)
    np.testing.assert_allclose(drawn.std(axis=0), [[1, 1 / 2, 1 / 3, 1 / 4]] * 2, rtol=0.06)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.08)


# -- homeostasis ------------------------------------------------------------------------------


@given(seed=SEEDS, weight=st.floats(0, 1), target=st.floats(0, 1))
def test_homeostasis_is_a_term_in_every_hidden_delta(
    seed: int, weight: float, target: float
) -> None:
    seen = observe(seed=seed)
    rng = np.random.default_rng(seed)
    deltas = [rng.normal(0, 0.3, (6, n)).astype(np.float32) for n in LAYERS[1:]]
    found = gradients_from(deltas, seen)
    homeostasis.add(found, seen, weight, target)
    pulled = [
        (delta + weight * (rate.mean(axis=0) - target)).astype(np.float32)
        for delta, rate in zip(deltas, seen.activity, strict=False)
    ]
    for a, b in zip(found, gradients_from([*pulled, deltas[-1]], seen), strict=True):
        assert a is not None
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]


def test_homeostasis_pulls_a_busy_neuron_down_and_a_silent_one_up() -> None:
    rate = np.tile(np.array([0.9, 0.1, 0.0], np.float32), (4, 1))
    seen = replace(
        observe((2, 3, 2), batch=4), inputs=np.ones((4, 2), np.float32), activity=(rate,)
    )
    found = [np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32)]
    homeostasis.add(found, seen, 0.03, 0.1)  # type: ignore[arg-type]
    descended = -found[0]
    assert (descended[:, 0] < 0).all()
    np.testing.assert_allclose(descended[:, 1], 0, atol=1e-8)
    assert (descended[:, 2] > 0).all()
    np.testing.assert_array_equal(found[1], 0)


@pytest.mark.parametrize("start", [-1.0, 1.5], ids=["quiet", "busy"])
def test_descending_homeostasis_alone_brings_every_rate_to_its_target(start: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((20, 6), dtype=np.float32)
    weights = (start / 6 + 0.1 * rng.standard_normal((6, 5))).astype(np.float32)

    def rates() -> Matrix:
        rate: Matrix = 1 / (1 + np.exp(4 - 8 * (x @ weights)))
        return rate

    target, seen = 0.1, observe((6, 5, 2), batch=20)
    off = np.abs(rates().mean(axis=0) - target)
    assert (off > 0.05).all()
    for _ in range(3000):
        found = [np.zeros((6, 5), np.float32), np.zeros((5, 2), np.float32)]
        homeostasis.add(
            found,  # type: ignore[arg-type]
            replace(seen, inputs=x, activity=(rates(),)),
            0.03,
            target,
        )
        weights -= found[0]
    assert (np.abs(rates().mean(axis=0) - target) < 0.01).all()


def test_homeostasis_leaves_frozen_projections_frozen() -> None:
    seen = observe()
    found = update(build("output_only"), seen, draw_weights())
    output = found[-1].copy()
    homeostasis.add(found, seen, 0.03, 0.1)
    assert found[:-1] == [None, None]
    np.testing.assert_array_equal(found[-1], output)
