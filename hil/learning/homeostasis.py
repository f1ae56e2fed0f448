"""The pull of each hidden neuron's mean rate towards a target, which keeps it alive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hil.learning.rule import Gradients, Matrix, Observation, Route


def compute_pulls(
    activity: Sequence[Matrix], weights: Sequence[float], target: float
) -> tuple[Matrix, ...]:
    """Compute the term `weight * (mean rate - target)` that is added to each hidden delta.

    Args:
        activity: Spikes per step of each hidden layer, `(B, n_l)`.
        weights: Strength of each.
        target: Set point in spikes per step, on the scale of the activity estimate.

    Returns:
        `(n_l,)` for each hidden layer.
    """
    return tuple(
        np.float32(weight) * (rate.mean(axis=0) - np.float32(target))
        for weight, rate in zip(weights, activity, strict=True)
    )


def add_pull(gradient: Matrix, observation: Observation, route: Route) -> None:
    """Add the part that a pull makes of a projection's gradient, in place.

    The mean is over the batch, so it is one outer product.
    """
    if route.target > len(observation.pulls):
        return
    before = observation.activity[route.source - 1] if route.source else observation.inputs
    route.wiring.add_outer(gradient, before.mean(axis=0), observation.pulls[route.target - 1])


def add(gradients: Gradients, observation: Observation) -> None:
    """Add the pulls of an observation to gradients, in place; frozen projections stay frozen.

    Args:
        gradients: One for each projection.
        observation: Has the pulls, and the activity of each layer.
    """
    for own, route in zip(gradients, observation.connections, strict=True):
        if own is not None:
            add_pull(own, observation, route)
