"""The pull of each hidden neuron's mean rate towards a target, which keeps it alive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hil.learning.rule import Gradients, Observation


def add(
    gradients: Gradients,
    observation: Observation,
    weight: float | Sequence[float],
    target: float,
) -> None:
    """Add the term `weight * (mean rate - target)` to every hidden delta, as a gradient.

    The mean is over the batch, so the term is one outer product for each projection. Frozen
    projections stay frozen.

    Args:
        gradients: One for each projection; changed in place.
        observation: Gives the activity of each layer.
        weight: Strength h, of all hidden layers or of each.
        target: Set point in spikes per step, on the scale of the activity estimate.
    """
    before: Sequence[np.ndarray] = (observation.inputs, *observation.activity)
    strengths = np.broadcast_to(np.asarray(weight, np.float32), len(observation.activity))
    means = [rate.mean(axis=0) for rate in before]
    for gradient, route in zip(gradients, observation.connections, strict=True):
        if gradient is not None and route.target <= len(strengths):
            excess = means[route.target] - np.float32(target)
            gradient += np.outer(means[route.source], strengths[route.target - 1] * excess)
