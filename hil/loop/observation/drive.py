"""Charge that flows into a layer: of the stimulus, of the layer below, and of the layer itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers import DeviceInfo, Stimulus
from hil.learning.eligibility import split_delays
from hil.learning.nominal_neuron import held_current
from hil.learning.rate_estimators import RateEstimate
from hil.learning.rule import Route

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix = NDArray[np.float32]
# Variance of a drive from step to step, in that of independent events: soft resets space spikes
# out; hard ones let the neurons of a layer fire together.
EVEN, TOGETHER = 0.5, 2.0
FIRST = Route(0, 1)


@dataclass
class LayerDrive:
    """Charge that flows into a layer, as `LayerReading` has it."""

    mean: Matrix
    spread: Matrix
    doubt: Matrix
    trace: Matrix | None = None

    def after_a_step(self, decay: float) -> LayerDrive:
        """Give what is left of it a step later, beside what arrives in that step itself."""
        kept, trace = np.float32(decay), self.trace
        if trace is not None:
            trace = kept * _delay(trace, 1)
        return LayerDrive(kept * self.mean, kept * self.spread, kept**2 * self.doubt, trace)


def drive_of_stimulus(
    stimulus: Stimulus,
    inputs: Matrix,
    weights: Matrix,
    decay: float,
    traced: bool,
    route: Route = FIRST,
) -> LayerDrive:
    """Charge that a stimulus brings to a layer.

    Args:
        stimulus: The stimulus.
        inputs: Its mean by step, `(B, n_in)`.
        weights: Stored weights.
        decay: A constant current of 1 counts (1 - d) / -ln d, since it leaks while it flows.
        traced: Whether to give the charge of each step.
        route: How it is delayed, which shows step by step alone.
    """
    data, through = stimulus.data, route.wiring.forward
    share = np.float32(held_current(decay))
    if stimulus.kind == "current":
        mean = share * through(data, weights)
        certain = np.zeros_like(mean)
        return LayerDrive(mean, certain, certain)
    if stimulus.kind == "current_trace" or traced:
        current = stimulus.kind == "current_trace"
        events = data.reshape(-1, data.shape[-1])
        trace = _arrivals(events, share * weights if current else weights, route, stimulus.steps)
        mean = trace.mean(axis=0)
        return LayerDrive(mean, trace.std(axis=0), np.zeros_like(mean), trace)
    varied = through(np.maximum(inputs * (1 - inputs), 0), weights**2)
    return LayerDrive(through(inputs, weights), np.sqrt(varied), np.zeros_like(varied))


def drive_of_layer(
    below: RateEstimate, weights: Matrix, info: DeviceInfo, steps: int, route: Route = FIRST
) -> LayerDrive:
    """Charge that the estimated spikes of a layer bring to the next one, or to itself."""
    squares, rate, through = weights**2, below.rate, route.wiring.forward
    if info.neuron.spikes_per_run is not None:  # its activity tells times
        rate = np.minimum(rate, np.float32(info.neuron.spikes_per_run / steps))
    arrived = 1.0 - 1.0 / steps if info.timing.layer == "next_step" else 1.0
    even = info.neuron.assumed_reset == "soft" or info.timing.layer == "end_of_step"
    varied = rate * (1 - rate)
    regular = np.float32(EVEN if even else TOGETHER)
    spread = np.sqrt(regular * through(np.maximum(varied, 0), squares))
    trace = None
    if below.spikes is not None:
        events = below.spikes.reshape(-1, below.spikes.shape[-1])
        trace = _arrivals(events, weights, route, len(below.spikes))
        if info.timing.layer == "next_step":
            trace = _delay(trace, 1)
    mean = np.float32(arrived) * through(rate, weights) if trace is None else trace.mean(axis=0)
    return LayerDrive(mean, spread, through(below.doubt, squares), trace)


def _arrivals(events: Matrix | csr_matrix, weights: Matrix, route: Route, steps: int) -> Matrix:
    """Charge `(T, B, n)` of events or currents `(T * B, n_pre)` through a projection."""
    parts = []
    for delay, synapses in split_delays(route):
        arrived = route.wiring.forward(events, weights if synapses is None else weights * synapses)
        parts.append(_delay(arrived.reshape(steps, len(arrived) // steps, -1), delay))
    return parts[0] if len(parts) == 1 else np.asarray(sum(parts))


def _delay(trace: Matrix, delay: int) -> Matrix:
    """Values `(T, B, n)` some steps later."""
    if delay == 0:
        return trace
    late = np.zeros_like(trace)
    late[delay:] = trace[:-delay]
    return late


def add_drives(drives: Sequence[LayerDrive]) -> LayerDrive:
    """Add all that flows into a layer."""
    first, *others = drives
    for other in others:
        trace = None
        if other.trace is not None:
            trace = other.trace + (first.mean if first.trace is None else first.trace)
        first = LayerDrive(
            first.mean + other.mean,
            np.hypot(first.spread, other.spread),
            first.doubt + other.doubt,
            trace if trace is not None or first.trace is None else first.trace + other.mean,
        )
    return first


def mean_input(stimulus: Stimulus) -> Matrix:
    """Mean input per step, `(B, n_in)`."""
    if stimulus.kind == "current":
        assert isinstance(stimulus.data, np.ndarray)
        return stimulus.data
    if stimulus.kind == "current_trace":
        return np.asarray(stimulus.data.mean(axis=0), np.float32)
    from scipy.sparse import csr_matrix

    rows = np.arange(stimulus.steps * stimulus.batch)
    summing = csr_matrix(
        (np.full(rows.size, 1 / stimulus.steps, np.float32), (rows % stimulus.batch, rows)),
        shape=(stimulus.batch, rows.size),
    )
    return np.asarray((summing @ stimulus.data).toarray(), np.float32)
