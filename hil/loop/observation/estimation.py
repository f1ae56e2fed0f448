"""Rates of hidden layers, estimated from the first to the last, and held against the output.

What flows into a layer is computed from the stimulus, or from the estimates of the layer below,
through the weights that the device stores. At the output, spikes and membranes are both visible:
there every estimator is held against the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers import DeviceInfo, Network, Stimulus
from hil.learning.nominal_neuron import NominalNeuron
from hil.learning.rate_estimators import Estimator, LayerReading, RateEstimate, Sampled
from hil.learning.rule import Route
from hil.loop.mapping import find_wirings
from hil.loop.observation.drive import LayerDrive, add_drives, drive_of_layer, drive_of_stimulus

Matrix = NDArray[np.float32]
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
                given = (stimulus, inputs, stored, estimates, traced)
                drives = [self._drive(p, route, *given) for p, route in layer.below]
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


@dataclass
class EstimatorFit:
    """Fit of estimated output rates to measured ones: sums over neurons and samples.

    Attributes:
        sums: By estimator: number, sum of x, of y, of x^2, of y^2, of x y; y the measured rate.
    """

    sums: dict[str, list[float]] = field(default_factory=dict)

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
