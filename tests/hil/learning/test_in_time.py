"""Learning step by step, through recurrence and delays, against derivatives found otherwise."""

import math
from dataclasses import replace
from typing import Any, Literal

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.tracer import getval
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from hil.learning import adfa, bptt, losses, optimisers
from hil.learning.eligibility import eligibility_gradients, low_pass
from hil.learning.rule import HostModel, Observation, Route
from support.rule_inputs import LOSSES, assert_close, build, spike

Float = NDArray[Any]
Input = Literal["constant", "current", "spikes"]
DECAY, STEPS, BATCH = 0.8, 12, 4
LAYERS = (5, 8, 6, 3)
ENDS = ((0, 1), (1, 2), (2, 3), (1, 1), (2, 2))
NAME: Any = "fast_sigmoid"


def routes(rng: np.random.Generator, most: int, kind: Input = "current") -> tuple[Route, ...]:
    """The chain and two loops, each synapse into a hidden layer with a delay of its own."""
    found = []
    for source, target in ENDS:
        delay: Any = 0
        if most and target < len(LAYERS) - 1:
            delay = rng.integers(0, most + 1, (LAYERS[source], LAYERS[target]))
        found.append(Route(source, target, int(source > 0 or kind == "spikes"), delay))
    return tuple(found)


def delivered(past: list[Any], weights: Any, route: Route) -> Any:
    """What the past of a source brings through each synapse now, written out delay by delay."""
    total: Any = 0.0
    delay = np.broadcast_to(route.delay, getval(weights).shape)
    for d in range(int(delay.max()) + 1):
        if len(past) > d:
            total = total + past[-1 - d] @ (weights * (delay == d))
    return total


def simulate(
    weights: Any, x: Float, paths: tuple[Route, ...], when: HostModel, *, detach: bool, k: float
) -> tuple[list[list[Any]], list[list[Any]]]:
    """A network of leaky neurons in any order, step by step: membranes and spikes of each layer."""
    injected = (1 - DECAY) / -math.log(DECAY)
    v: list[Any] = [np.zeros((BATCH, n)) for n in LAYERS[1:]]
    membranes: list[list[Any]] = [[] for _ in v]
    past: list[list[Any]] = [[] for _ in LAYERS]
    for t in range(STEPS):
        past[0].append(x[t] if x.ndim == 3 else x)
        for n in range(len(v)):
            u = DECAY * v[n]
            for w, route in zip(weights, paths, strict=True):
                if route.target == n + 1 and route.source == 0 and when.input_is_current:
                    u = u + injected * delivered(past[0], w, route)
            membranes[n].append(u)
            past[n + 1].append(spike(u, 1.0, NAME, k))
        for n in range(len(v)):
            s = past[n + 1][-1]
            inside = getval(s) if detach else s
            u = membranes[n][-1]
            for w, route in zip(weights, paths, strict=True):
                if route.target == n + 1 and not (route.source == 0 and when.input_is_current):
                    u = u + delivered(past[route.source], w, route)
            v[n] = u - inside if when.reset == "soft" else u * (1 - inside)
    return membranes, past[1:]


def case(
    kind: Input, reset: Literal["soft", "hard"], detach: bool, most: int
) -> tuple[Any, Observation, list[Float], list[Float]]:
    """A rule, what it sees of a simulated batch, the weights, and what autograd finds."""
    rng = np.random.default_rng(5)
    when = HostModel(DECAY, STEPS, reset, kind != "spikes", 10.0, 2.0)
    paths = routes(rng, most, kind)
    weights = [
        2.0 * rng.standard_normal((LAYERS[a], LAYERS[b])) / math.sqrt(LAYERS[a]) + 0.4 * (a < b)
        for a, b in ENDS
    ]
    x: Any = rng.random((BATCH, LAYERS[0]) if kind == "constant" else (STEPS, BATCH, LAYERS[0]))
    x = np.where(x < 0.4, 1.0, 0.0) if kind == "spikes" else x
    labels = rng.integers(0, LAYERS[-1], BATCH)

    def logits(weights: Any) -> Any:
        u, s = simulate(weights, x, paths, when, detach=detach, k=3.0)
        return 10.0 * sum(s[-1]) / STEPS + 2.0 * sum(u[-1]) / STEPS

    expected = grad(lambda w: LOSSES["cross_entropy"](logits(w), labels))(weights)
    u, s = simulate(weights, x, paths, when, detach=detach, k=3.0)
    traces, rasters = (tuple(np.array(layer) for layer in found) for found in (u, s))
    for raster in rasters:
        assert 0.02 < raster.mean() < 0.8, "a silent or saturated layer tests nothing"
    seen = Observation(
        inputs=x if kind == "constant" else x.mean(axis=0),
        activity=tuple(raster.mean(axis=0) for raster in rasters[:-1]),
        membrane=tuple(trace.mean(axis=0) for trace in traces),
        rate=rasters[-1].mean(axis=0),
        error=losses.evaluate(logits(weights), labels, "cross_entropy")[1],
        traces=traces,
        input_trace=None if kind == "constant" else x,
        output_spikes=rasters[-1],
        routes=paths,
        spikes=rasters[:-1],
        model=when,
    )
    rule = bptt(surrogate=NAME, steepness=3.0, detach_reset=detach)
    return rule, seen, weights, expected


@pytest.mark.parametrize("most", [0, 3])
@pytest.mark.parametrize("detach", [True, False], ids=["detached", "attached"])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("kind", ["constant", "current", "spikes"])
def test_bptt_through_recurrence_and_delays_is_what_autograd_finds(
    kind: Input, reset: Literal["soft", "hard"], detach: bool, most: int
) -> None:
    rule, seen, weights, expected = case(kind, reset, detach, most)
    assert_close(rule.update({}, seen, weights)[0], expected)


@pytest.mark.parametrize("name", ["adfa", "dfa"])
@pytest.mark.parametrize("error", ["end", "running"])
@pytest.mark.parametrize("most", [0, 3])
@pytest.mark.parametrize("kind", ["constant", "current", "spikes"])
def test_temporal_rules_climb_the_potential_that_they_claim(
    kind: Input, most: int, error: str, name: str
) -> None:
    """Each is the slope of `<e B, P>`, P the charge that a leaky membrane without reset has kept.

    P is run forward step by step, as a neuron would, and autograd differentiates it.
    """
    _, seen, weights, _ = case(kind, "soft", True, most)
    rng = np.random.default_rng(2)
    if error == "running":
        drawn: Any = rng.standard_normal((STEPS, BATCH, LAYERS[-1]))
        seen = replace(seen, running_error=drawn)
    seen = replace(seen, model=replace(MODEL, decay=0.7))
    rule = build(name, clock="trace", error=error)
    state = rule.init(rng, LAYERS)
    outer = seen.error[np.newaxis] if seen.running_error is None else seen.running_error
    assert rule.gate is not None
    wanted = [
        (outer @ state[f"feedback_{n}"]) * rule.gate(state, z)
        for n, z in enumerate(seen.traces[:-1], start=1)
    ]
    wanted = [np.broadcast_to(w, (STEPS, *w.shape[1:])) for w in (*wanted, outer)]

    def reached(weights: Any) -> Any:
        total: Any = 0.0
        sources = [seen.input_trace, *seen.spikes]
        for w, route in zip(weights, seen.routes, strict=True):
            kept: Any = 0.0
            past: list[Any] = []
            for t in range(STEPS):
                source = sources[route.source]
                if source is None:  # a current that has flown for ever
                    past.append(seen.inputs)
                    kept = delivered(past, w, route)
                else:
                    past.append(source[t])
                    late = past[: len(past) - route.lag]
                    kept = 0.7 * kept + 0.3 * (delivered(late, w, route) if late else 0.0)
                total = total + anp.sum(wanted[route.target - 1][t] * kept) / (STEPS * BATCH)
        return total

    found, _ = rule.update(state, seen, weights)
    for mine, theirs in zip(found, grad(reached)(weights), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6 * np.abs(theirs).max())


MODEL = HostModel(DECAY, STEPS, "soft", True, 10.0, 2.0)


@given(arrays(np.float64, (6, 2, 3), elements=st.floats(-2, 2)), st.floats(0, 0.95))
def test_a_trace_is_a_geometric_mean_of_the_past(x: Float, decay: float) -> None:
    found = low_pass(x, decay)
    for t in range(6):
        expected = sum((1 - decay) * decay**k * x[t - k] for k in range(t + 1))
        np.testing.assert_allclose(found[t], expected, atol=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_constant_activity_leaves_time_means(seed: int) -> None:
    """With a trace that does not change, only the time mean of the deltas counts."""
    rng = np.random.default_rng(seed)
    deltas: Any = [rng.standard_normal((STEPS, BATCH, n)) for n in LAYERS[1:]]
    inputs: Any = rng.random((BATCH, LAYERS[0]))
    zeros: Any = np.zeros((STEPS, BATCH, 1))
    ones: Any = tuple(np.ones((STEPS, BATCH, n)) for n in LAYERS[1:-1])
    seen = Observation(
        inputs=inputs,
        activity=(),
        membrane=(zeros[0],) * 3,
        rate=zeros[0],
        error=zeros[0],
        traces=(zeros,) * 3,
        spikes=ones,
    )
    found: Any = eligibility_gradients(deltas, seen, 0.0)
    np.testing.assert_allclose(found[0], inputs.T @ deltas[0].mean(axis=0) / BATCH)
    np.testing.assert_allclose(found[1], np.ones((8, 1)) * deltas[1].mean(axis=(0, 1)))


def test_learned_feedback_follows_the_readout() -> None:
    """The last hidden layer's feedback sees, transposed, the gradient of the readout."""
    _, seen, weights, _ = case("current", "soft", True, 0)
    rule = adfa(optimisers.sgd(0.5, 0.0, 0.0, "constant"), feedback="learned")
    state = rule.init(np.random.default_rng(0), LAYERS)
    kept = {name: array.copy() for name, array in state.items()}
    gradients, after = rule.update(state, seen, weights)
    for name, array in kept.items():
        np.testing.assert_array_equal(state[name], array)
    change = (kept["feedback_2"] - after["feedback_2"]) / 0.5
    np.testing.assert_allclose(change, np.transpose(gradients[2]), rtol=1e-4, atol=1e-6)
    assert not np.allclose(after["feedback_1"], kept["feedback_1"])
    assert after["feedback_1"].shape == (3, 8)
    assert build("adfa").update(kept, seen, weights)[1] is kept
