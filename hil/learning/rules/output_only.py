"""Only the output projection learns; what it gains over chance needs no hidden learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hil.discovery import NoSettings
from hil.learning.optimisers import Optimiser
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Rule,
    RuleFamily,
    State,
    stateless,
)


def build(settings: NoSettings, optimiser: Optimiser) -> Rule:
    """Make the rule."""

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        output = len(observation.membrane)
        before = (observation.inputs, *observation.activity)
        error = observation.error / np.float32(len(observation.error))
        gradients = [
            route.wiring.correlate(before[route.source], error) if route.target == output else None
            for route in observation.connections
        ]
        return gradients, state

    return Rule("output_only", init=stateless, update=update)


RULE = RuleFamily(build)
