"""Only the output projection learns; what it gains over chance needs no hidden learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hil.learning.rule import Gradients, Matrix, Observation, Rule, State, Timing, stateless


class Settings(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def build(settings: Settings, timing: Timing) -> Rule:
    """Make the rule."""

    def update(state: State, observation: Observation, weights: Sequence[Matrix]) -> Gradients:
        before = (observation.inputs, *observation.activity)[-1]
        error = observation.error / np.float32(len(before))
        return [*[None] * (len(weights) - 1), before.T @ error]

    return Rule("output_only", init=stateless, update=update)
