"""Learning step by step: traces of what came before, times what is to be changed after.

    dW = mean over samples b and steps t of  trace(pre)[t - lag - delay, b]^T delta[t, b]

The trace of presynaptic activity x is its low-pass `r_t = d r_{t-1} + (1 - d) x_t`, whose time mean
is that of x but for what is left at the end: where it is constant, time means are what remains.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hil.learning.rule import Gradients, Matrix, Observation, Route


def low_passed(activity: Matrix, decay: float) -> Matrix:
    """The trace of activity.

    Args:
        activity: `(T, B, n)`.
        decay: Share that is left of it after a step, 0 to below 1.

    Returns:
        Same shape and type: an activity of 1 at every step nears 1.
    """
    trace, kept = np.empty(activity.shape, activity.dtype), activity.dtype.type(decay)
    now = np.zeros(activity.shape[1:], activity.dtype)
    for t, arriving in enumerate(activity):
        now = kept * now + (1 - kept) * arriving
        trace[t] = now
    return trace


def gradients_in_time(
    deltas: Sequence[Matrix], observation: Observation, decay: float
) -> Gradients:
    """Gradients of all projections, from deltas step by step.

    Args:
        deltas: `(T, B, n_l)` of each layer 1 to L, or `(1, B, n_l)` for one that stays the same.
        observation: With traces and spikes.
        decay: That of the presynaptic traces.
    """
    steps, batch = observation.traces[0].shape[:2]
    share = observation.error.dtype.type(1 / (steps * batch))
    weighted = [np.broadcast_to(delta * share, (steps, *delta.shape[1:])) for delta in deltas]
    before = [observation.inputs[np.newaxis]]
    if observation.input_trace is not None:
        before = [low_passed(observation.input_trace, decay)]
    before += [low_passed(raster, decay) for raster in observation.spikes]
    return [
        joined(before[route.source], weighted[route.target - 1], route, route.lag)
        for route in observation.connections
    ]


def joined(before: Matrix, after: Matrix, route: Route, lag: int) -> Matrix:
    """Sum over steps and samples of what was before, times what came of it later.

    Args:
        before: `(T, B, n_pre)`, or `(1, B, n_pre)` where it is the same at each step.
        after: `(T, B, n_post)`.
        route: Its delay is added to the lag, synapse by synapse where it has one for each.
        lag: Steps between the two.

    Returns:
        `(n_pre, n_post)`.
    """
    total: Matrix | None = None
    for delay, synapses in delays(route):
        shift = min(lag + delay, len(after))
        early, late = before[: len(before) - shift], after[shift:]
        if len(before) < len(after):
            early, late = before, late.sum(axis=0, keepdims=True)
        found = early.reshape(-1, before.shape[-1]).T @ late.reshape(-1, after.shape[-1])
        found = found if synapses is None else found * synapses
        total = found if total is None else total + found
    assert total is not None
    return total


def delays(route: Route) -> list[tuple[int, Matrix | None]]:
    """Each delay of a route with the synapses that have it, 1 or 0 `(n_pre, n_post)`; None: all."""
    if isinstance(route.delay, int):
        return [(route.delay, None)]
    return [(int(d), (route.delay == d).astype(np.float32)) for d in np.unique(route.delay)]
