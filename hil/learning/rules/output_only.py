"""Only the output projection learns; what it gains over chance needs no hidden learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hil.discovery import NoSettings
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Rule,
    RuleFamily,
    State,
    Timing,
    stateless,
)


def build(settings: NoSettings, timing: Timing) -> Rule:
    """Make the rule."""

    def update(state: State, observation: Observation, weights: Sequence[Matrix]) -> Gradients:
        output = len(observation.membrane)
        before = (observation.inputs, *observation.activity)
        error = observation.error / np.float32(len(observation.error))
        return [
            before[route.source].T @ error if route.target == output else None
            for route in observation.connections
        ]

    return Rule("output_only", init=stateless, update=update)


RULE = RuleFamily(build)
