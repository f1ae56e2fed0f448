"""Simultaneous perturbation stochastic approximation (Spall 1992, IEEE TAC 37(3), 332).

All weights are moved at once by `+c` or `-c`, each sign drawn by itself, and the device runs the
batch with `W + c D` and with `W - c D`. The difference of the two losses estimates the gradient:

    G_i = (L(W + c D) - L(W - c D)) / (2 c D_i)

It needs two more runs for each pair, and neither the error of a sample nor any membrane.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    stateless,
)
from hil.learning.rules.mgd import Perturbation, draw_moves


class Settings(BaseModel):
    """Settings of SPSA."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    perturbation: Perturbation = 0.1
    pairs: int = Field(1, ge=1, le=1000, description="Pairs of runs that an update averages over.")


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""

    def propose(
        rng: Generator, weights: Sequence[Matrix], routes: Sequence[Route]
    ) -> list[list[Matrix]]:
        proposals: list[list[Matrix]] = []
        for _ in range(settings.pairs):
            moves = draw_moves(rng, weights, routes, settings.perturbation, by_node=False)
            proposals.append([w + move for w, move in zip(weights, moves, strict=True)])
            proposals.append([w - move for w, move in zip(weights, moves, strict=True)])
        return proposals

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        _, _, evaluations = observation.perturbations("spsa", 2 * settings.pairs)
        total: list[Matrix] = [np.zeros_like(w) for w in weights]
        for up, down in zip(evaluations[::2], evaluations[1::2], strict=True):
            rise = np.float32((up.loss - down.loss) / settings.pairs)
            for gradient, above, below in zip(total, up.weights, down.weights, strict=True):
                gradient += rise / (above - below)
        return list(total), state

    return Rule("spsa", init=stateless, update=update, propose=propose)


RULE = RuleFamily(build, Settings)
