"""The pull of each hidden neuron's mean rate towards a target, which keeps it alive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hil.learning.rule import Gradients, Matrix, Observation, Route


def pulls(
    activity: Sequence[Matrix], weight: float | Sequence[float], target: float
) -> tuple[Matrix, ...]:
    """The term `weight * (mean rate - target)` of every hidden delta.

    Args:
        activity: Spikes per step of each hidden layer, `(B, n_l)`.
        weight: Strength, of all hidden layers or of each.
        target: Set point in spikes per step, on the scale of the activity estimate.

    Returns:
        `(n_l,)` for each hidden layer.
    """
    strengths = np.broadcast_to(np.asarray(weight, np.float32), len(activity))
    return tuple(
        strength * (rate.mean(axis=0) - np.float32(target))
        for strength, rate in zip(strengths, activity, strict=True)
    )


def gradient(observation: Observation, route: Route) -> Matrix | None:
    """The part of a projection's gradient that the pulls make, `(n_pre, n_post)`; None for none.

    The mean is over the batch, so it is one outer product.
    """
    if route.target > len(observation.pulls):
        return None
    before = observation.activity[route.source - 1] if route.source else observation.inputs
    return np.outer(before.mean(axis=0), observation.pulls[route.target - 1])


def add(gradients: Gradients, observation: Observation) -> None:
    """Add the pulls of an observation to gradients; frozen projections stay frozen.

    Args:
        gradients: One for each projection; replaced in the list where there is something to add.
        observation: Has the pulls, and the activity of each layer.
    """
    for projection, route in enumerate(observation.connections):
        own = gradients[projection]
        pull = None if own is None else gradient(observation, route)
        if own is not None and pull is not None:
            pull += own
            gradients[projection] = pull
