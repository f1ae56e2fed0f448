"""Tuning layer by layer of a network that was trained elsewhere.

Chip-in-the-loop progressive fine-tuning (Wan et al. 2022, Nature 608, 504): a layer is programmed,
what it does on the chip is measured, and the layers behind it learn to live with it, one layer
after another. Of P projections in a chain the first `1 + floor(progress (P - 1))` are frozen, the
last one never is; what is left learns by back-propagation through the activity that is measured.

It sees what `bp` sees and assumes what that assumes, and that the weights that it starts from
(`hil train --from`) are worth keeping: those that were drawn stay as they are in the first layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.learning.optimisers import Optimiser
from hil.learning.rule import Gradients, Matrix, Observation, Rule, RuleFamily, State, stateless
from hil.learning.rules import bp


def build(settings: bp.Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""
    whole = bp.build(settings, optimiser)

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        gradients, _ = whole.update(state, observation, weights)
        last = len(observation.membrane) - 1
        frozen = min(last, 1 + int(observation.progress * last))
        return [
            None if route.source < frozen else gradient
            for route, gradient in zip(observation.connections, gradients, strict=True)
        ], state

    return Rule("progressive", init=stateless, update=update, gate=whole.gate)


RULE = RuleFamily(build, bp.Settings)
