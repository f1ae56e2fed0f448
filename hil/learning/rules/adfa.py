"""Augmented direct feedback alignment (arXiv 2409.07776).

The output error reaches every hidden layer through a fixed random matrix, gated by any function
of the membrane: `delta_l = (e B_l) * g(z_l)`. It needs no model of the neuron.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema

from hil.discovery import placed
from hil.learning import gates
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Rule,
    RuleFamily,
    State,
    Timing,
    gradients_from,
)


def _known(name: str, info: ValidationInfo) -> str:
    if not info.context:  # that of a recorded run may be elsewhere
        gates.get(name)
    return placed(name)


GateName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": gates.names()})
]
"""The name of a gate, as a setting of a rule; `gates.get` finds the gate."""


class Settings(BaseModel):
    """Settings of aDFA."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    g: GateName = "surrogate"
    gain: float = Field(1.0, ge=-100, le=100, description="Steepness or frequency, per threshold.")
    shift: float = Field(1.0, ge=-100, le=100, description="Centre or phase, in thresholds.")
    terms: int = Field(4, ge=1, le=64, description="Harmonics of the random Fourier series.")
    feedback_scale: float = Field(1.0, gt=0, le=1e3, description="Scale of the feedback matrices.")
    feedback_sparsity: float = Field(
        0.0, ge=0, lt=1, description="Share of feedback weights that are zero."
    )


def feedback(
    rng: Generator, layers: Sequence[int], scale: float = 1.0, sparsity: float = 0.0
) -> dict[str, NDArray[np.generic]]:
    """Fixed random matrices `feedback_l`, `(C, n_l)` for each hidden layer l, from N(0, 1/C)."""
    classes = layers[-1]
    found: dict[str, NDArray[np.generic]] = {}
    for layer, size in enumerate(layers[1:-1], start=1):
        matrix = rng.standard_normal((classes, size), dtype=np.float32)
        matrix *= np.float32(scale / np.sqrt(classes))
        if sparsity:
            matrix[rng.random(matrix.shape) < sparsity] = 0
        found[f"feedback_{layer}"] = matrix
    return found


def projected(state: State, layer: int, error: Matrix) -> Matrix:
    """The output error `(B, C)` as a hidden layer receives it, `(B, n_l)`."""
    return error @ np.asarray(state[f"feedback_{layer}"], np.float32)


def build(settings: Settings, timing: Timing) -> Rule:
    """Make the rule; it ignores the timing, as it knows nothing of the neuron."""
    chosen = gates.get(settings.g)

    def init(rng: Generator, layers: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        found = feedback(rng, layers, settings.feedback_scale, settings.feedback_sparsity)
        if chosen.draw is not None:
            found |= chosen.draw(rng, settings.terms)
        return found

    def gate(state: State, z: Matrix) -> Matrix:
        return chosen.evaluate(z, settings.gain, settings.shift, state)

    def update(state: State, observation: Observation, weights: Sequence[Matrix]) -> Gradients:
        deltas = [
            projected(state, layer, observation.error) * gate(state, z)
            for layer, z in enumerate(observation.membrane[:-1], start=1)
        ]
        return gradients_from([*deltas, observation.error], observation)

    return Rule("adfa", init=init, update=update, gate=gate)


RULE = RuleFamily(build, Settings)
