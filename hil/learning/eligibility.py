"""Eligibility: traces of what came before, times what is to be changed after, step by step.

    dW = mean over samples b and steps t of  trace(pre)[t - lag - delay, b]^T delta[t, b]

The trace of presynaptic activity x is its low-pass `r_t = d r_{t-1} + (1 - d) x_t`, whose time mean
is that of x but for what is left at the end: where it is constant, time means are what remains.

A spike of a layer that projects to itself acts on its neurons later as well. `return_error` adds
what their error says of it, by a matrix R in place of that projection's transposed weights:

    delta_t = h_t * (direct_t + q_(t + lag + delay) R)        q_t = delta_t + d q_(t+1)

With R = W^T and h the neuron's slope that is back-propagation through time; with any R and h it is
feedback alignment (Lillicrap et al. 2016, Nat. Commun. 7, 13276) through time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hil.learning.rule import Gradients, Matrix, Observation, Route

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def low_pass(activity: Matrix, decay: float) -> Matrix:
    """Make the trace of activity.

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


def eligibility_gradients(
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
    source, routes, begin = observation.input_trace, observation.connections, 0
    events = [*(() if source is None else (source,)), *observation.spikes]
    if observation.earlier:  # what came before the batch has a part in what comes of it
        past = len(observation.earlier[0])
        reach = min(max(int(route.lag + np.max(route.delay)) for route in routes), past)
        events = [np.concatenate(pair) for pair in zip(observation.earlier, events, strict=True)]
        weighted = [np.pad(delta, ((reach, 0), (0, 0), (0, 0))) for delta in weighted]
        begin = past - reach
    before = [low_pass(each, decay)[begin:] for each in events]
    if source is None:
        before = [observation.inputs[np.newaxis], *before]
    return [
        correlate(before[route.source], weighted[route.target - 1], route, route.lag)
        for route in routes
    ]


RETURN = 2.0  # what returns is at most so many times as large as what came directly
TINY = np.float32(1e-30)


def return_error(direct: Matrix, slope: Matrix, way: Matrix, route: Route, decay: float) -> Matrix:
    """The deltas of a layer that projects to itself, with what returns from later steps.

    What returns could grow from step to step; in each sample it is held to `RETURN` times the
    length of what came directly.

    Args:
        direct: Error as it came from the output, `(T, B, n)`, or `(1, B, n)` where it is the same
            at each step.
        slope: What the error of a neuron is multiplied by, `(T, B, n)`.
        way: R, `(n, n)`: from each neuron that a synapse leads to, to the one it comes from.
        route: The projection; with its lag and delays.
        decay: That of the traces.

    Returns:
        `(T, B, n)`.
    """
    steps = len(slope)
    most = np.float32(RETURN) * np.linalg.norm(direct, axis=2)
    direct, most = np.broadcast_to(direct, slope.shape), np.broadcast_to(most, slope.shape[:2])
    masks = [(d, route.wiring.mask(s)) for d, s in split_delays(route)]
    branches = [(d, way if mask is None else way * mask.T) for d, mask in masks]
    deltas, gone = np.empty(slope.shape, slope.dtype), np.zeros(slope.shape, slope.dtype)
    for t in range(steps - 1, -1, -1):
        back = np.zeros(slope.shape[1:], slope.dtype)
        for delay, matrix in branches:
            if t + route.lag + delay < steps:
                back += gone[t + route.lag + delay] @ matrix
        size = np.linalg.norm(back, axis=1)
        back *= (most[t] / (np.maximum(size, most[t]) + TINY))[:, np.newaxis]
        deltas[t] = slope[t] * (direct[t] + back)
        gone[t] = deltas[t] + (decay * gone[t + 1] if t + 1 < steps else 0)
    return deltas


def correlate(before: Matrix | csr_matrix, after: Matrix, route: Route, lag: int) -> Matrix:
    """Sum over steps and samples of what was before, times what came of it later.

    Args:
        before: `(T, B, n_pre)`, or `(1, B, n_pre)` where it is the same at each step; or events,
            `(T * B, n_pre)`.
        after: `(T, B, n_post)`.
        route: Its delay is added to the lag, synapse by synapse where it has one for each.
        lag: Steps between the two.

    Returns:
        In the shape of its weights.
    """
    batch, total = after.shape[1], None
    rows = before.reshape(-1, before.shape[-1]) if isinstance(before, np.ndarray) else before
    for delay, synapses in split_delays(route):
        late = after[min(lag + delay, len(after)) :]
        if rows.shape[0] < len(after) * batch:
            late = late.sum(axis=0, keepdims=True)
        early = rows[: len(late) * batch]
        part = route.wiring.correlate(early, late.reshape(-1, after.shape[-1]))
        part = part if synapses is None else part * synapses
        total = part if total is None else total + part
    assert total is not None
    return total


def split_delays(route: Route) -> list[tuple[int, Matrix | None]]:
    """Give each delay of a route and its synapses, 1 or 0, as weights; None for all."""
    if isinstance(route.delay, int):
        return [(route.delay, None)]
    return [(int(d), (route.delay == d).astype(np.float32)) for d in np.unique(route.delay)]
