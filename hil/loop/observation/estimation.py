"""Rates of hidden layers, estimated from the first to the last, and held against the output.

What flows into a layer is computed from the stimulus, or from the estimates of the layer below,
through the weights that the device stores. At the output, spikes and membranes are both visible:
there every estimator is held against the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drivers import DeviceInfo, Network, Stimulus
from hil.learning.eligibility import split_delays
from hil.learning.nominal_neuron import NominalNeuron, integrate_held_current
from hil.learning.rate_estimators import Estimator, LayerReading, RateEstimate, Sampled
from hil.learning.rule import Route
from hil.loop.mapping import find_wirings

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
    share = np.float32(integrate_held_current(decay))
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
    """Charge that the estimated spikes of a layer bring to the next one, or to itself.

    Of what a layer sends itself, each synapse adds as much variance as the mean neuron would: near
    enough to what each does, at the cost of one product instead of three.
    """
    rate, through = below.rate, route.wiring.forward
    if route.source == route.target:
        add = partial(_add_mean, route.wiring.sum_squares(weights))
    else:
        add = partial(through, values=weights**2)
    if info.neuron.spikes_per_run is not None:  # its activity tells times
        rate = np.minimum(rate, np.float32(info.neuron.spikes_per_run / steps))
    arrived = 1.0 - 1.0 / steps if info.timing.layer == "next_step" else 1.0
    even = info.neuron.assumed_reset == "soft" or info.timing.layer == "end_of_step"
    varied = rate * (1 - rate)
    regular = np.float32(EVEN if even else TOGETHER)
    spread = np.sqrt(regular * add(np.maximum(varied, 0)))
    trace = None
    if below.spikes is not None:
        events = below.spikes.reshape(-1, below.spikes.shape[-1])
        trace = _arrivals(events, weights, route, len(below.spikes))
        if info.timing.layer == "next_step":
            trace = _delay(trace, 1)
    mean = np.float32(arrived) * through(rate, weights) if trace is None else trace.mean(axis=0)
    return LayerDrive(mean, spread, add(below.doubt), trace)


def _add_mean(squares: Matrix, variance: Matrix) -> Matrix:
    """Variance `(B, n)` that the mean one of `(B, n_pre)` brings by sums of squares `(n,)`."""
    mean: Matrix = variance.mean(axis=1, keepdims=True)
    return mean * squares


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
            np.sqrt(first.spread**2 + other.spread**2),
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


SETTLING = 2  # rounds in which a layer's estimate and what it sends itself come to agree
NOTHING = np.zeros(0, np.float32)
UNKNOWN = LayerDrive(NOTHING, NOTHING, NOTHING)


@dataclass(frozen=True, eq=False)
class LayerSamples:
    """Samples of one layer by a probe, in thresholds; None where it was not asked for.

    Attributes:
        sampled: Whether before or after the reset of their step.
        every: Steps between two samples.
        mean: Time mean `(B, n)`.
        samples: Every sample `(S, B, n)`.
        last: The last one `(B, n)`.
    """

    sampled: Sampled
    every: int
    mean: Matrix | None
    samples: Matrix | None = None
    last: Matrix | None = None


def build_nominal_neuron(
    info: DeviceInfo, decay: float, layer: int, steps: int, spikes_in: bool
) -> NominalNeuron:
    """Build the nominal neuron of a layer from what the device states.

    Args:
        info: The device's own statement.
        decay: Fraction of the membrane left after a step without input, by the settings in use.
        layer: Number of the layer, 1 being the first.
        steps: Steps of a run.
        spikes_in: Whether the input is spikes; a current acts in its own step.
    """
    first = info.timing.input if spikes_in else "same_step"
    arrival = (first if layer == 1 else info.timing.layer) or "same_step"
    waits = [first != "same_step" and first is not None]
    waits += [info.timing.layer in ("end_of_step", "next_step")] * (layer - 1)
    return NominalNeuron(
        decay=decay,
        reset=info.neuron.assumed_reset,
        arrival=arrival,
        clears_events=info.timing.hard_reset_clears_events is not False,
        most=info.neuron.spikes_per_step,
        most_in_run=info.neuron.spikes_per_run,
        refractory=info.neuron.refractory or 0,
        steps=steps,
        idle=sum(waits) - (arrival == "end_of_step"),
    )


@dataclass(frozen=True)
class _Layer:
    """A layer as the host takes it: its neuron, and the projections that lead into it."""

    neuron: NominalNeuron
    below: list[tuple[int, Route]]
    loops: list[tuple[int, Route]]


class RateEstimation:
    """Estimates the rates of a network's layers, batch by batch."""

    def __init__(
        self, info: DeviceInfo, decay: float, network: Network, spikes_in: bool, steps: int
    ):
        """Take for nominal what a device states.

        Args:
            info: The device's own statement.
            decay: Fraction of the membrane left after a step without input.
            network: The network.
            spikes_in: Whether the input is spikes.
            steps: Steps of a run.
        """
        self._info, self._decay = info, decay
        # What is left after a step of an event that comes back to its layer; None: drive tells. It
        # acts in the next step at the earliest: before its test, where others act in their own.
        kept = {"end_of_step": decay, "same_step": 1.0}
        self._left = kept.get(info.timing.layer or "")
        routes = [
            Route(p.source, p.target, delay=p.delay, wiring=wiring)
            for p, wiring in zip(network.projections, find_wirings(network), strict=True)
        ]
        self._layers = [
            _Layer(
                build_nominal_neuron(info, decay, number, steps, spikes_in),
                [(p, r) for p, r in enumerate(routes) if r.target == number and r.source < number],
                [(p, r) for p, r in enumerate(routes) if r.target == r.source == number],
            )
            for number in range(1, network.depth + 1)
        ]

    def estimate(
        self,
        stimulus: Stimulus,
        inputs: Matrix,
        stored: Sequence[Matrix],
        seen: Sequence[LayerSamples],
        estimator: Estimator,
        candidates: Sequence[Estimator],
    ) -> tuple[list[RateEstimate], dict[str, Matrix]]:
        """Estimate all hidden layers, and the output by each candidate.

        Args:
            stimulus: What was shown.
            inputs: Its mean by step, `(B, n_in)`.
            stored: Stored weights of each projection.
            seen: What was read of each layer; the output's may be missing.
            estimator: Estimates the hidden layers.
            candidates: Estimators to hold against the output, where that was read.

        Returns:
            An estimate of each hidden layer, and rates of the output `(B, C)` by candidate.
        """
        estimates: list[RateEstimate] = []
        for samples, layer in zip(seen, self._layers, strict=False):
            is_output = layer is self._layers[-1]
            users = candidates if is_output else (estimator,)
            drives: list[LayerDrive] = []
            readings = {user.reading for user in users if user.needs_drive}
            traced = "samples" in readings
            if readings:
                inflow = (stimulus, inputs, stored, estimates, traced)
                drives = [self._drive(p, route, *inflow) for p, route in layer.below]
            reading = _reading(layer.neuron, samples, add_drives(drives) if drives else UNKNOWN)
            if is_output:
                return estimates, {user.name: user.estimate(reading).rate for user in users}
            own = estimator.estimate(reading)
            rounds = 1 if own.spikes is not None else SETTLING
            # What it sends itself follows from the estimate; spikes settle at once: they are few.
            for _ in range(rounds if layer.loops and drives else 0):
                before = [*estimates, own]
                sent = [
                    self._drive(p, route, stimulus, inputs, stored, before, traced)
                    for p, route in layer.loops
                ]
                if not layer.neuron.late and self._left is not None:
                    sent = [drive.after_a_step(self._left) for drive in sent]
                drive = add_drives([*drives, *sent])
                own = estimator.estimate(_reading(layer.neuron, samples, drive))
            estimates.append(own)
        return estimates, {}

    def _drive(
        self,
        projection: int,
        route: Route,
        stimulus: Stimulus,
        inputs: Matrix,
        stored: Sequence[Matrix],
        estimates: Sequence[RateEstimate],
        traced: bool,
    ) -> LayerDrive:
        """Give what a projection brings to its target."""
        weights = stored[projection]
        if route.source == 0:
            return drive_of_stimulus(stimulus, inputs, weights, self._decay, traced, route)
        below = estimates[route.source - 1]
        return drive_of_layer(below, weights, self._info, stimulus.steps, route)


def _reading(neuron: NominalNeuron, seen: LayerSamples, drive: LayerDrive) -> LayerReading:
    return LayerReading(
        neuron=neuron,
        sampled=seen.sampled,
        every=seen.every,
        mean=seen.mean,
        samples=seen.samples,
        last=seen.last,
        drive=drive.mean,
        spread=drive.spread,
        doubt=drive.doubt,
        drive_trace=drive.trace,
    )


Sums = Annotated[list[Annotated[float, Field(le=1e30)]], Field(min_length=6, max_length=6)]


@dataclass
class EstimatorFit:
    """Fit of estimated output rates to measured ones: sums over neurons and samples.

    Attributes:
        sums: By estimator: number, sum of x, of y, of x^2, of y^2, of x y; y the measured rate.
    """

    sums: dict[str, Sums] = field(default_factory=dict)

    def add(self, estimates: Mapping[str, Matrix], measured: Matrix) -> None:
        """Add a batch.

        Args:
            estimates: Rates `(B, C)` by estimator.
            measured: Measured rates `(B, C)`.
        """
        y = measured.astype(np.float64).ravel()
        total, squares = y.sum(), y @ y
        for name, rates in estimates.items():
            x = rates.astype(np.float64).ravel()
            terms = (x.size, x.sum(), total, x @ x, squares, x @ y)
            before = self.sums.get(name, [0.0] * len(terms))
            self.sums[name] = [float(a + b) for a, b in zip(before, terms, strict=True)]

    def correlations(self) -> dict[str, float]:
        """Pearson's correlation by estimator, where both sides varied."""
        correlations = {}
        for name, (n, x, y, xx, yy, xy) in self.sums.items():
            spread = (xx - x * x / n) * (yy - y * y / n)
            if spread > 1e-12 * max(xx * yy, 1e-12):
                correlations[name] = (xy - x * y / n) / math.sqrt(spread)
        return correlations
