"""Back-propagation through time with a surrogate gradient, on recorded traces.

The forward pass is the device's; the backward pass runs through the host's ideal neuron with the
recorded membranes in it (in-the-loop surrogate gradients: Cramer et al. 2022, PNAS 119,
e2109194119), through recurrent and delayed projections as well. Per step t and layer, with decay d
and c = (1 - d) / -ln d:

    u_t = d v_{t-1} (+ c x_t W for a current x into the first layer)     recorded
    s_t = [u_t >= 1]
    v_t = u_t + p_t W - s_t            soft reset; p: spikes of the layers that project here, or of
                                       the input, as many steps ago as they are delayed
    v_t = (u_t + p_t W) (1 - s_t)      hard reset
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hil.learning import surrogates
from hil.learning.eligibility import correlate, split_delays
from hil.learning.nominal_neuron import integrate_held_current
from hil.learning.optimisers import Optimiser
from hil.learning.rule import (
    Gradients,
    HostModel,
    Matrix,
    Observation,
    Route,
    Rule,
    RuleFamily,
    State,
    stateless,
)


class Settings(BaseModel):
    """Assumptions about the spike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surrogate: surrogates.Name = "fast_sigmoid"
    steepness: float = Field(5.0, gt=0, le=1e3, description="Steepness, per threshold.")
    detach_reset: bool = Field(True, description="No gradient through the reset.")


SPARSE = 0.08  # share of inputs that are events, below which a product of events is the faster


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""

    def update(
        state: State, observation: Observation, weights: Sequence[Matrix]
    ) -> tuple[Gradients, State]:
        return gradients(settings, observation, weights), state

    return Rule("bptt", init=stateless, update=update, needs_traces=True)


RULE = RuleFamily(build, Settings)


def gradients(settings: Settings, observation: Observation, weights: Sequence[Matrix]) -> Gradients:
    """Gradients of the batch's mean loss by every projection.

    Args:
        settings: The surrogate.
        observation: With traces, and the host's nominal neuron and readout.
        weights: Shadow weights.

    Returns:
        For each projection, in the shape of its weights.

    Raises:
        ValueError: When the input is spikes and the observation does not show them.
    """
    model = observation.require_model("bptt")
    seen = dict(enumerate(observation.spikes))
    if observation.output_spikes is not None:
        seen[len(observation.traces) - 1] = observation.output_spikes
    spikes = [
        seen[layer] if layer in seen else (u >= 1).astype(u.dtype)
        for layer, u in enumerate(observation.traces)
    ]
    if observation.input_trace is not None:
        before = [observation.input_trace, *spikes[:-1]]
    elif model.input_is_current:
        before = [observation.inputs[np.newaxis], *spikes[:-1]]
    else:
        raise ValueError(
            "rule 'bptt': input_trace = None with spikes as input: give the raster (T, B, n_0)"
        )
    routes = observation.connections
    arriving = None
    if model.reset == "hard" and not settings.detach_reset:
        arriving = [u.copy() for u in observation.traces]
        for route, matrix in zip(routes, weights, strict=True):
            if not (route.source == 0 and model.input_is_current):
                _add_arrivals(arriving[route.target - 1], before[route.source], route, matrix)
    by_u, by_arrival = _backward(settings, model, observation, spikes, weights, arriving)
    by_weights: Gradients = []
    events = observation.input_events
    if events is not None and events.nnz < SPARSE * np.prod(events.shape):
        before[0] = events
    for route in routes:
        layer, driven = route.target - 1, route.source == 0 and model.input_is_current
        after = by_u[layer] if driven else by_arrival[layer]
        total = correlate(before[route.source], after, route, 0)
        by_weights.append(integrate_held_current(model.decay) * total if driven else total)
    return by_weights


def _backward(
    settings: Settings,
    model: HostModel,
    observation: Observation,
    spikes: Sequence[Matrix],
    weights: Sequence[Matrix],
    arriving: Sequence[Matrix] | None,
) -> tuple[list[Matrix], list[Matrix]]:
    """Derivatives of the loss by membranes and by what arrives, `(T, B, n_l)` of each layer."""
    traces = observation.traces
    most = [model.most_in_run] * (len(traces) - 1)
    most.append(1 if model.reads_times else model.most_in_run)
    # Further spikes do not come, or are not read.
    spent = [
        None if limit is None else np.cumsum(fired, axis=0) - fired >= limit
        for fired, limit in zip(spikes, most, strict=True)
    ]
    by_u, by_arrival = [np.empty_like(u) for u in traces], [np.empty_like(u) for u in traces]
    by_v = [np.zeros_like(u[0]) for u in traces]
    steps = len(traces[0])
    at_output = observation.error / np.float32(steps * len(traces[0][0]))
    # What a spike is worth: as much in every step, or as many steps as it leaves of the run.
    left = [steps - t if model.reads_times else 1 for t in range(steps)]
    leaving = _list_outgoing(observation.connections, weights)
    for t in range(steps - 1, -1, -1):
        for layer, derivative in enumerate(by_v):
            soft = model.reset == "soft"
            by_arrival[layer][t] = derivative if soft else derivative * (1 - spikes[layer][t])
        for layer, trace in enumerate(traces):
            slope = surrogates.derivative(settings.surrogate, trace[t] - 1, settings.steepness)
            if (over := spent[layer]) is not None:
                slope *= ~over[t]
            by_s = _by_spikes(by_arrival, t, leaving.get(layer + 1, []))
            if layer == len(traces) - 1:
                by_s = by_s + np.float32(model.kappa * left[t]) * at_output
            if not settings.detach_reset:
                scale = 1 if arriving is None else arriving[layer][t]
                by_s = by_s - by_v[layer] * scale
            by_u[layer][t] = by_arrival[layer][t] + by_s * slope
            if layer == len(traces) - 1:
                by_u[layer][t] += model.beta * at_output
            by_v[layer] = model.decay * by_u[layer][t]
    return by_u, by_arrival


Leaving = dict[int, list[tuple[int, int, Any]]]


def _list_outgoing(routes: Sequence[Route], weights: Sequence[Matrix]) -> Leaving:
    """List where the spikes of each layer go: layer, delay and weights, `(n_post, n_pre)`."""
    leaving: Leaving = {}
    for route, matrix in zip(routes, weights, strict=True):
        for delay, synapses in split_delays(route):
            own = matrix if synapses is None else matrix * synapses
            transposed = route.wiring.operand(own).T
            leaving.setdefault(route.source, []).append((route.target - 1, delay, transposed))
    return leaving


def _by_spikes(
    by_arrival: Sequence[Matrix], t: int, leaving: Sequence[tuple[int, int, Any]]
) -> Matrix:
    """Derivative of the loss by the spikes of a layer in step t, `(B, n)`, or 0."""
    total: Matrix = np.zeros(1, np.float32)
    for target, delay, matrix in leaving:
        if t + delay < len(by_arrival[target]):
            total = total + by_arrival[target][t + delay] @ matrix
    return total


def _add_arrivals(total: Matrix, before: Matrix, route: Route, weights: Matrix) -> None:
    """Add what a projection brings to the end of each step, to `(T, B, n_post)`."""
    for delay, synapses in split_delays(route):
        through = weights if synapses is None else weights * synapses
        late = min(delay, len(total))
        total[late:] += route.wiring.forward(before[: len(total) - late], through)
