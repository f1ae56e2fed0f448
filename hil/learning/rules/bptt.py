"""Back-propagation through time with a surrogate gradient, on recorded traces.

The forward pass is the device's; the backward pass runs through the host's ideal neuron with the
recorded membranes in it (in-the-loop surrogate gradients: Cramer et al. 2022, PNAS 119,
e2109194119). Per step t and layer, with decay d and c = (1 - d) / -ln d:

    u_t = d v_{t-1} (+ c x_t W for a current x into the first layer)     recorded
    s_t = [u_t >= 1]
    v_t = u_t + p_t W - s_t            soft reset; p: spikes of the layer before, or of the input
    v_t = (u_t + p_t W) (1 - s_t)      hard reset
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hil.learning import surrogates
from hil.learning.nominal_neuron import held_current
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


class Settings(BaseModel):
    """What the rule believes of the spike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surrogate: surrogates.Name = "fast_sigmoid"
    steepness: float = Field(5.0, gt=0, le=1e3, description="Steepness, per threshold.")
    detach_reset: bool = Field(True, description="No gradient through the reset.")


def build(settings: Settings, timing: Timing) -> Rule:
    """Make the rule."""

    def update(state: State, observation: Observation, weights: Sequence[Matrix]) -> Gradients:
        return gradients(settings, timing, observation, weights)

    return Rule("bptt", init=stateless, update=update, needs_traces=True)


RULE = RuleFamily(build, Settings)


def gradients(
    settings: Settings, timing: Timing, observation: Observation, weights: Sequence[Matrix]
) -> Gradients:
    """Gradients of the batch's mean loss by every projection.

    Args:
        settings: The surrogate.
        timing: The host's nominal neuron, and the readout's kappa and beta.
        observation: With traces.
        weights: Shadow weights.

    Returns:
        `(n_pre, n_post)` for each projection.

    Raises:
        ValueError: When the input is spikes and the observation does not show them.
    """
    traces = observation.traces
    steps, batch = traces[0].shape[:2]
    spikes = [(u >= 1).astype(u.dtype) for u in traces]
    if observation.output_spikes is not None:
        spikes[-1] = observation.output_spikes
    if observation.input_trace is not None:
        before = [observation.input_trace, *spikes[:-1]]
    elif timing.input_is_current:
        before = [observation.inputs[np.newaxis], *spikes[:-1]]
    else:
        raise ValueError(
            "rule 'bptt': input_trace = None with spikes as input: give the raster (T, B, n_0)"
        )
    by_logits = observation.error / (batch * steps)
    by_spikes = np.broadcast_to(timing.kappa * by_logits, traces[-1].shape)
    by_membrane = timing.beta * by_logits
    found: Gradients = []
    for layer in range(len(weights) - 1, -1, -1):
        driven = layer == 0 and timing.input_is_current
        arriving = None
        if timing.reset == "hard" and not settings.detach_reset:
            arriving = traces[layer] if driven else traces[layer] + before[layer] @ weights[layer]
        by_u, by_arrival = _backward(
            settings, timing, traces[layer], spikes[layer], by_spikes, by_membrane, arriving
        )
        if driven:
            found.insert(0, held_current(timing.decay) * _summed(before[0], by_u))
        else:
            found.insert(0, _summed(before[layer], by_arrival))
        if layer:
            by_spikes = by_arrival @ weights[layer].T
            by_membrane = np.zeros(1, by_u.dtype)
    return found


def _backward(
    settings: Settings,
    timing: Timing,
    u: Matrix,
    s: Matrix,
    by_spikes: Matrix,
    by_membrane: Matrix,
    arriving: Matrix | None,
) -> tuple[Matrix, Matrix]:
    """Derivatives of the loss by one layer's membranes and by what arrives, `(T, B, n)` each."""
    slope = surrogates.derivative(settings.surrogate, u - 1, settings.steepness)
    by_u, by_arrival = np.empty_like(u), np.empty_like(u)
    by_v = np.zeros_like(u[0])
    for t in range(len(u) - 1, -1, -1):
        by_s = by_spikes[t]
        if not settings.detach_reset:
            by_s = by_s - (by_v if arriving is None else by_v * arriving[t])
        by_arrival[t] = by_v if timing.reset == "soft" else by_v * (1 - s[t])
        by_u[t] = by_arrival[t] + by_s * slope[t] + by_membrane
        by_v = timing.decay * by_u[t]
    return by_u, by_arrival


def _summed(before: Matrix, after: Matrix) -> Matrix:
    """Sum over steps and samples of the outer products, `(n_pre, n_post)`."""
    if len(before) < len(after):  # one step that stands for all: a constant input
        after = after.sum(axis=0, keepdims=True)
    flat = before.reshape(-1, before.shape[-1])
    return np.asarray(flat.T @ after.reshape(-1, after.shape[-1]), dtype=after.dtype)
