"""What tests of learning rules share: rules, weights, and what a host might have seen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from hypothesis import strategies as st
from numpy.typing import NDArray

from hil.learning import losses, rules
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


# The derivatives as their papers print them.
PRINTED: dict[str, Any] = {
    "soft_ramp": lambda x, k: 1 / (1 + np.exp(-k * x)) - 1 / (1 + np.exp(-k * (x - 1))),
    "soft_step": lambda x, k: 1 / (1 + np.exp(-k * x)),
    "sigmoid": lambda x, k: k * np.exp(-k * x) / (1 + np.exp(-k * x)) ** 2,
    "fast_sigmoid": lambda x, k: (1 + k * np.abs(x)) ** -2.0,
    "triangle": lambda x, k: np.where(np.abs(k * x) < 1, 1 - np.abs(k * x), 0),
    "boxcar": lambda x, k: np.where(np.abs(k * x) <= 1, 1.0, 0.0),
}

spike: Any = primitive(lambda u, threshold, name, k: np.where(u >= threshold, 1.0, 0.0))
defvjp(
    spike,
    lambda _, u, threshold, name, k: lambda grown: grown * PRINTED[name](u - 1, k),
    argnums=(0,),
)


def cross_entropy(logits: Any, labels: NDArray[np.int64]) -> Any:
    chosen = logits[np.arange(len(labels)), labels]
    return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - chosen)


def squared_distance(logits: Any, labels: NDArray[np.int64]) -> Any:
    return anp.sum((logits - np.eye(logits.shape[1])[labels]) ** 2) / (2 * len(labels))


LOSSES: dict[losses.Loss, Any] = {"cross_entropy": cross_entropy, "mse": squared_distance}


def assert_close(found: Any, expected: Any) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert np.max(np.abs(theirs)) > 1e-6, "the comparison would be empty"
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9 * np.max(np.abs(theirs)))
