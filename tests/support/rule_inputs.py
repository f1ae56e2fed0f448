"""What tests of learning rules share: rules, weights, and what a host might have seen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hil.learning import rules
from hil.learning.rule import HostModel, Matrix, Observation, Rule, State

MODEL = HostModel(decay=0.9, steps=6, reset="soft", input_is_current=True, kappa=10.0, beta=0.0)
LAYERS = (5, 7, 4, 3)
SEEDS = st.integers(0, 2**32 - 1)
NETWORKS = st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple)


def build(name: str, **settings: Any) -> Rule:
    return rules.get(name)(**settings)


def draw_weights(layers: tuple[int, ...] = LAYERS, seed: int = 0) -> list[Matrix]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in pairwise(layers)]


def observe(layers: tuple[int, ...] = LAYERS, batch: int = 6, seed: int = 0) -> Observation:
    """What a host might see: membranes around threshold, rates in between."""
    rng = np.random.default_rng(seed)
    traces = [rng.normal(0.6, 0.5, (MODEL.steps, batch, n)).astype(np.float32) for n in layers[1:]]
    spikes = [(u >= 1).astype(np.float32) for u in traces]
    return Observation(
        inputs=rng.random((batch, layers[0]), dtype=np.float32),
        activity=tuple(s.mean(axis=0) for s in spikes[:-1]),
        membrane=tuple(u.mean(axis=0) for u in traces),
        rate=spikes[-1].mean(axis=0),
        error=rng.normal(0, 0.3, (batch, layers[-1])).astype(np.float32),
        traces=tuple(traces),
        output_spikes=spikes[-1],
        model=MODEL,
        labels=np.arange(batch) % layers[-1],
    )


def update(
    rule: Rule,
    seen: Observation,
    weights: list[Matrix],
    state: State | None = None,
) -> list[Any]:
    layers = (weights[0].shape[0], *(w.shape[1] for w in weights))
    return rule.update(state or rule.init(np.random.default_rng(3), layers), seen, weights)[0]
