"""Back-propagation with a surrogate gradient, on rates.

The error travels back through the transposed shadow weights: `delta_l = (delta_{l+1} W^T) f'(z_l)`.
It is the exact gradient of the loss in the model `a_l = f(z_l)`, `z_l = a_{l-1} W_{l-1}`, with
the output's drive as logits; the activities, membranes and the error are the device's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from hil.learning import surrogates
from hil.learning.optimisers import Optimiser
from hil.learning.rule import (
    Gradients,
    Matrix,
    Observation,
    Rule,
    RuleFamily,
    State,
    gradients_from,
    stateless,
)


class Settings(BaseModel):
    """Assumptions about the neuron's transfer function."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surrogate: surrogates.Name = "soft_ramp"
    steepness: float = Field(4.0, gt=0, le=1e3, description="Steepness, per threshold.")
    shift: float = Field(0.5, ge=-100, le=100, description="Centre, in thresholds.")

    def slope(self, z: Matrix) -> Matrix:
        """f'(z) at membranes of any shape, in thresholds; same shape and type."""
        slope: Matrix = surrogates.derivative(self.surrogate, z - self.shift, self.steepness)
        return slope


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        deltas = [observation.error]
        for layer in range(len(observation.membrane) - 1, 0, -1):
            slope = settings.slope(observation.membrane[layer - 1])
            way = observation.connections[layer].wiring.operand(weights[layer]).T
            deltas.insert(0, (deltas[0] @ way) * slope)
        return gradients_from(deltas, observation), state

    return Rule("bp", init=stateless, update=update, gate=lambda _, z: settings.slope(z))


RULE = RuleFamily(build, Settings)
