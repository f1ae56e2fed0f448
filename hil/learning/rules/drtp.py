"""Direct random target projection (Frenkel, Lefebvre & Bol 2021, Front. Neurosci. 15:629892).

As DFA, with the target in place of the error, so that a hidden layer need not wait for the output:

    delta_l = -(y B_l) * f'(z_l)

It sees labels, membranes and the presynaptic activity, of the output its error alone. It assumes a
transfer function, and that the error of an output has the sign that its target says.
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.learning.feedback import draw_feedback, project_error
from hil.learning.optimisers import Optimiser
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Rule,
    RuleFamily,
    State,
    gradients_from,
)
from hil.learning.rules import bp


def build(settings: bp.Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        target = observation.targets("drtp")
        deltas = [
            -project_error(state, layer, target) * settings.slope(z)
            for layer, z in enumerate(observation.membrane[:-1], start=1)
        ]
        return gradients_from([*deltas, observation.error], observation), state

    return Rule(
        "drtp",
        init=draw_feedback,
        update=update,
        gate=lambda _, z: settings.slope(z),
        needs_labels=True,
    )


RULE = RuleFamily(build, bp.Settings)
