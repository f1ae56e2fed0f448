"""Forward-forward learning with competing groups: each hidden layer by a loss of its own.

Hidden neuron j stands for class j mod C. The goodness of a class is the mean square activity of its
neurons (Hinton 2022, arXiv 2212.13345), and a layer descends the cross-entropy of the goodness of
all classes, so that no error crosses a layer (Papachristodoulou et al. 2024, AAAI 38, 14536):

    L_l = -log softmax(s G_l)[label]    G_lc = mean of a_lj^2 over the j of class c
    delta_lj = s (softmax(s G_l) - y)_c 2 a_lj / (neurons of class c) * f'(z_lj)

In physical systems (Momeni et al. 2023, Science 382, 1297; Oguz et al. 2023, Opt. Lett. 48, 5249)
labels are part of the input and each class is run by itself; here a batch is run once. It sees
labels, hidden activity and membranes, and assumes a transfer function. The output learns by its
error, and homeostasis wakes silent neurons, which goodness alone never would.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from hil.learning import losses
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
from hil.learning.rules import bp


class Settings(bp.Settings):
    """Assumptions about the neuron's transfer function, and the loss of a layer."""

    sharpness: float = Field(30.0, gt=0, le=1e4, description="Logit of a goodness of 1.")


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""
    sharpness = np.float32(settings.sharpness)

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        observation.targets("forward_forward")
        labels, classes = observation.labels, observation.error.shape[1]
        assert labels is not None
        deltas = []
        for activity, z in zip(observation.activity, observation.membrane, strict=False):
            group = np.eye(classes, dtype=np.float32)[np.arange(activity.shape[1]) % classes]
            share = group / np.maximum(group.sum(axis=0), 1)  # (n_l, C)
            _, error = losses.evaluate(
                sharpness * (np.square(activity) @ share), labels, "cross_entropy"
            )
            deltas.append(2 * sharpness * activity * (error @ share.T) * settings.slope(z))
        return gradients_from([*deltas, observation.error], observation), state

    return Rule("forward_forward", init=stateless, update=update, needs_labels=True)


RULE = RuleFamily(build, Settings)
