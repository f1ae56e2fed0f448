"""Sparse projections: all that a rule does is what it does to a dense one, at the synapses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from hil.learning import homeostasis, rules
from hil.learning.optimisers import adamw
from hil.learning.rule import HostModel, Observation, PerturbedEvaluation, Route
from hil.learning.wiring import SparseWiring

LAYERS, STEPS, BATCH = (6, 5, 3), 9, 4
ENDS = ((0, 1), (1, 2), (1, 1))
RULES: list[dict[str, Any]] = [
    {"name": "bp"},
    {"name": "bptt"},
    {"name": "bptt", "detach_reset": False},
    {"name": "output_only"},
    {"name": "adfa"},
    {"name": "adfa", "clock": "trace", "feedback": "learned", "recurrent_feedback": 1.0},
    {"name": "adfa", "clock": "trace", "recurrent_feedback": 1.0},
]


def wire(rng: np.random.Generator, ends: tuple[int, int]) -> SparseWiring:
    pre, post = (each.astype(np.int32) for each in np.nonzero(rng.random(ends) < 0.5))
    return SparseWiring(pre, post, ends)


def observe(rng: np.random.Generator, *, current: bool) -> Observation:
    """A batch as it could have been seen."""
    hidden, inputs = rng.random((STEPS, BATCH, 5)) < 0.3, rng.poisson(0.4, (STEPS, BATCH, 6))
    traces = [rng.uniform(0, 1.4, (STEPS, BATCH, n)) for n in LAYERS[1:]]
    return Observation(
        inputs=inputs.mean(axis=0),
        activity=(hidden.mean(axis=0),),
        membrane=tuple(u.mean(axis=0) for u in traces),
        rate=rng.random((BATCH, 3)),
        error=rng.normal(0, 1, (BATCH, 3)),
        traces=tuple(traces),
        input_trace=inputs.astype(float),
        input_events=None if current else csr_matrix(inputs.reshape(-1, 6).astype(float)),
        spikes=(hidden.astype(float),),
        model=HostModel(0.9, STEPS, "hard", current, 10.0, 2.0),
        pulls=(rng.normal(0, 0.1, 5),),
    )


@pytest.mark.parametrize("most", [0, 1 << 24])
@pytest.mark.parametrize("delays", [None, 2, "own"])
@pytest.mark.parametrize("settings", RULES, ids=str)
def test_gradients_are_those_of_a_dense_projection_at_the_synapses(
    settings: dict[str, Any], delays: Any, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With zeros elsewhere; the dense ones are held against automatic differentiation."""
    monkeypatch.setattr("hil.learning.wiring.MOST_PAIRS", most)
    rng = np.random.default_rng(3)
    name, *_ = (settings := dict(settings)).values()
    del settings["name"]
    rule = rules.get(name).rule(name, settings, adamw())
    seen, wirings = observe(rng, current=name == "bp"), []
    values, matrices, thin, dense = [], [], [], []
    for source, target in ENDS:
        wiring = wire(rng, (LAYERS[source], LAYERS[target]))
        own = rng.normal(0, 0.5, wiring.pre.size)
        delay: Any = delays or 0
        if delays == "own":
            delay = rng.integers(0, 3, wiring.pre.size)
        spread = delay
        if np.ndim(delay):
            spread = np.zeros(wiring.ends, np.int64)
            spread[wiring.pre, wiring.post] = delay
        route = Route(source, target, int(source == target), spread)
        dense.append(route)
        thin.append(replace(route, delay=delay, wiring=wiring))
        values.append(own)
        matrices.append(wiring.as_matrix(own))
        wirings.append(wiring)
    state = rule.init(np.random.default_rng(1), LAYERS)
    whole, loop = dict(state), wirings[2]
    if settings.get("recurrent_feedback"):  # a synapse that is not there returns nothing
        whole["recurrent_feedback_1"] = state["recurrent_feedback_1"] * loop.mask(None).T
    expected, _ = rule.update(whole, replace(seen, routes=tuple(dense)), matrices)
    found, after = rule.update(state, replace(seen, routes=tuple(thin)), values)
    for gradient, matrix, wiring in zip(found, expected, wirings, strict=True):
        assert (gradient is None) == (matrix is None)
        if gradient is not None and matrix is not None:
            assert gradient.shape == wiring.pre.shape
            np.testing.assert_allclose(gradient, matrix[wiring.pre, wiring.post], rtol=1e-9)
    if rule.learns_feedback:  # a synapse that is not there has no feedback either
        way = after["recurrent_feedback_1"].T.copy()
        way[loop.pre, loop.post] = 0
        assert not way.any() and after["recurrent_feedback_1"].any()


TRYING = [{"name": "spsa"}, {"name": "mgd"}, {"name": "mgd", "of": "nodes"}, {"name": "opzo"}]


@pytest.mark.parametrize("settings", TRYING, ids=str)
def test_what_tries_weights_moves_the_synapses_by_their_fan_in(settings: dict[str, Any]) -> None:
    """And estimates what it does of a dense projection, where all synapses are there."""
    rng, settings = np.random.default_rng(3), dict(settings)
    name = settings.pop("name")
    rule = rules.get(name).rule(name, settings, adamw())
    assert rule.propose is not None
    shapes = [(LAYERS[source], LAYERS[target]) for source, target in ENDS]
    matrices = [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    dense = [Route(*ends) for ends in ENDS]
    full = [
        replace(route, wiring=SparseWiring(*np.indices(shape, np.int32).reshape(2, -1), shape))
        for route, shape in zip(dense, shapes, strict=True)
    ]
    seen, found = observe(rng, current=True), []
    for routes, weights in ((dense, matrices), (full, [m.reshape(-1) for m in matrices])):
        draw = np.random.default_rng(5)
        tried = [
            PerturbedEvaluation(proposed, draw.normal(0, 1, BATCH), draw.normal(0, 1, (BATCH, 3)))
            for proposed in rule.propose(np.random.default_rng(4), weights, routes)
        ]
        told = replace(
            seen,
            perturbed=tuple(tried),
            routes=tuple(routes),
            losses=np.ones(BATCH),
            logits=np.ones((BATCH, 3)),
        )
        gradients, _ = rule.update(rule.init(np.random.default_rng(1), LAYERS), told, weights)
        found.append([np.reshape(g, -1) for g in gradients if g is not None])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    thin = [replace(r, wiring=wire(rng, shape)) for r, shape in zip(dense, shapes, strict=True)]
    weights = [rng.normal(0, 0.5, route.wiring.pre.size).astype(np.float32) for route in thin]
    proposed = rule.propose(np.random.default_rng(4), weights, thin)[0]
    for w, after, route in zip(weights[:1], proposed, thin, strict=False):
        moved, many = abs(after - w), route.wiring.pre.size / route.wiring.ends[1]
        np.testing.assert_allclose(moved, 0.1 / np.sqrt(many), rtol=1e-4)


def test_homeostasis_pulls_at_the_synapses() -> None:
    rng = np.random.default_rng(0)
    seen, wiring = observe(rng, current=True), wire(rng, (6, 5))
    whole, some = np.zeros((6, 5)), np.zeros(wiring.pre.size)
    homeostasis.add_pull(whole, seen, Route(0, 1))
    homeostasis.add_pull(some, seen, Route(0, 1, wiring=wiring))
    np.testing.assert_allclose(some, whole[wiring.pre, wiring.post])
    assert some.any()


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_activity_and_events_go_forward(kind: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)
    wiring, activity = wire(rng, (6, 5)), rng.poisson(0.5, (7, 6)).astype(float)
    values = rng.normal(0, 1, wiring.pre.size)
    arriving = wiring.forward(kind(activity), values)
    np.testing.assert_allclose(arriving, activity @ wiring.as_matrix(values))
    assert isinstance(arriving, np.ndarray)
