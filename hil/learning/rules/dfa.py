"""Direct feedback alignment (Nokland 2016, arXiv 1609.01596).

As aDFA, with the derivative of the neuron's transfer function in place of g: it claims to know
the neuron.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from hil.learning.rules.adfa import feedback, projected
from hil.learning.rules.bp import Settings

__all__ = ["Settings", "build"]


def build(settings: Settings, timing: Timing) -> Rule:
    """Make the rule."""

    def update(state: State, observation: Observation, weights: Sequence[Matrix]) -> Gradients:
        deltas = [
            projected(state, layer, observation.error) * settings.slope(z)
            for layer, z in enumerate(observation.membrane[:-1], start=1)
        ]
        return gradients_from([*deltas, observation.error], observation)

    return Rule("dfa", init=feedback, update=update, gate=lambda _, z: settings.slope(z))


RULE = RuleFamily(build, Settings)
