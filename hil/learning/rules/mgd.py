"""Multiplexed gradient descent (McCaughan et al. 2023, APL Mach. Learn. 1, 026118).

All parameters are perturbed at once, each by +c or -c of its own, and what the cost changes by is
held against each one's own sign. Several such perturbations are averaged; the momentum of the
optimiser goes on averaging over updates, as the paper's integration does:

    G = mean over k of (L(W + c D_k) - L(W)) D_k / c        D_k: random signs

`of = "weights"` is this for every weight. With `of = "nodes"` (Oripov et al. 2025, arXiv
2501.15403) all input weights of a neuron j have one sign, which moves its drive by `c D_j S_b`, S_b
being the sum of what comes in, and every sample tells for itself:

    G_ij = mean over k and b of a_bi (L_b(W + c D_k) - L_b(W)) D_kj / (c S_b)

so that no device needs an input for noise. The rule sees the loss of each sample and, for nodes,
presynaptic activity. It assumes nothing but that a weight moves by c when told to: take c well
above half a step of the device's levels. SPSA is the same for weights with both signs of each
perturbation, which doubles the runs and takes away what is of even order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from pydantic import BaseModel, ConfigDict, Field

from hil.learning.optimisers import Optimiser
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Route,
    Rule,
    RuleFamily,
    State,
    fan_in,
    stateless,
)

Perturbation = Annotated[
    float, Field(ge=1e-3, le=100, description="c in thresholds, times the root of the fan-in.")
]
QUIET = 1e-3  # share of the batch's mean input below which a sample tells nothing of its neurons


class Settings(BaseModel):
    """Settings of multiplexed gradient descent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: Literal["weights", "nodes"] = Field("weights", description="What is perturbed by itself.")
    perturbation: Perturbation = 0.1
    perturbations: int = Field(4, ge=1, le=1000, description="Runs that an update averages over.")


def draw_moves(
    rng: Generator, weights: Sequence[Matrix], routes: Sequence[Route], size: float, by_node: bool
) -> list[Matrix]:
    """Draw moves by c either way: one for each weight, or for each neuron that they lead to."""
    moves = []
    for w, route in zip(weights, routes, strict=True):
        shape = route.wiring.count_targets(w) if by_node else w.shape
        signs = (2 * rng.integers(0, 2, shape, np.int8) - 1).astype(np.float32)
        at = route.wiring.at_targets(signs) if by_node else signs
        moves.append(np.float32(size / np.sqrt(fan_in(w, route))) * at)
    return moves


def invert_shift(before: Matrix) -> Matrix:
    """1 / S_b, the inverse of what moves drives by, `(B, 1)`; 0 where next to nothing comes in."""
    total = before.sum(axis=1, keepdims=True)
    is_heard = total > QUIET * total.mean()
    return np.where(is_heard, 1 / np.where(is_heard, total, np.float32(1)), np.float32(0))


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""
    many, by_node = settings.perturbations, settings.of == "nodes"

    def propose(
        rng: Generator, weights: Sequence[Matrix], routes: Sequence[Route]
    ) -> list[list[Matrix]]:
        return [
            [w + d for w, d in zip(weights, moves, strict=True)]
            for moves in (
                draw_moves(rng, weights, routes, settings.perturbation, by_node)
                for _ in range(many)
            )
        ]

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        losses, _, evaluations = observation.perturbations("mgd", many)
        before = (observation.inputs, *observation.activity)
        total: list[Matrix] = [np.zeros_like(w) for w in weights]
        for each in evaluations:
            rises = (each.losses - losses) / np.float32(many)
            for p, route in enumerate(observation.connections):
                move = each.weights[p] - weights[p]
                if by_node:
                    seen = before[route.source]
                    per_neuron = rises[:, np.newaxis] * invert_shift(seen) / np.float32(len(seen))
                    slopes, wiring = (seen.T @ per_neuron)[:, 0], route.wiring
                    total[p] += wiring.at_sources(slopes) / wiring.at_targets(wiring.average(move))
                else:
                    total[p] += rises.mean() / move
        return list(total), state

    return Rule("mgd", init=stateless, update=update, propose=propose)


RULE = RuleFamily(build, Settings)
