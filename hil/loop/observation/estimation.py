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

from drivers import DeviceInfo, Projection, Stimulus
from hil.learning.nominal_neuron import NominalNeuron
from hil.learning.rate_estimator import Estimator, LayerReading, RateEstimate, Sampled
from hil.learning.rule import Route
from hil.loop.observation.drive import Drive, of_layer, of_stimulus, together

Matrix = NDArray[np.float32]
SETTLING = 4  # rounds in which a layer's estimate and what it sends itself come to agree


@dataclass(frozen=True, eq=False)
class LayerSamples:
    """What a probe gave of one layer, in thresholds; None where it was not asked for.

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


@dataclass(frozen=True)
class Nominal:
    """What the host takes for nominal of a device, from its `info` and the settings in use.

    Attributes:
        info: The device's own statement.
        decay: Fraction of the membrane left after a step without input.
    """

    info: DeviceInfo
    decay: float

    @property
    def left_of_loop(self) -> float | None:
        """What is left after a step of an event that comes back to its layer; None: drive tells.

        It acts in the next step at the earliest: before its test, where others act in their own.
        """
        return {"end_of_step": self.decay, "same_step": 1.0}.get(self.info.timing.layer or "")

    def neuron(self, layer: int, steps: int, spikes_in: bool) -> NominalNeuron:
        """The neuron of a layer, 1 being the first.

        Args:
            layer: Which layer.
            steps: Steps of a run.
            spikes_in: Whether the input is spikes; a current acts in its own step.
        """
        first = self.info.timing.input if spikes_in else "same_step"
        arrival = (first if layer == 1 else self.info.timing.layer) or "same_step"
        waits = [first != "same_step" and first is not None]
        waits += [self.info.timing.layer in ("end_of_step", "next_step")] * (layer - 1)
        return NominalNeuron(
            decay=self.decay,
            reset=self.info.neuron.assumed_reset,
            arrival=arrival,
            clears_events=self.info.timing.hard_reset_clears_events is not False,
            most=self.info.neuron.spikes_per_step,
            refractory=self.info.neuron.refractory or 0,
            steps=steps,
            idle=sum(waits) - (arrival == "end_of_step"),
        )


def estimated(
    nominal: Nominal,
    stimulus: Stimulus,
    projections: Sequence[Projection],
    stored: Sequence[Matrix],
    layers: Sequence[LayerSamples],
    estimator: Estimator,
    candidates: Sequence[Estimator],
) -> tuple[list[RateEstimate], dict[str, Matrix]]:
    """Estimates of all hidden layers, and by each candidate of the output.

    Args:
        nominal: What is taken for nominal.
        stimulus: What was shown.
        projections: Those of the network; into a layer come some of layers before it, and of
            itself.
        stored: Stored weights of each projection.
        layers: What was read of each layer; the output's may be missing.
        estimator: Estimates the hidden layers.
        candidates: Estimators to hold against the output, where that was read.

    Returns:
        An estimate of each hidden layer, and rates of the output `(B, C)` by candidate.
    """
    found: list[RateEstimate] = []
    at_output: dict[str, Matrix] = {}
    depth = max(projection.target for projection in projections)
    for number, seen in enumerate(layers, start=1):
        output = number == depth
        users = [*candidates] if output else [estimator]
        needed = any(user.needs_drive for user in users)
        traced = any(user.needs_drive and user.reading == "samples" for user in users)
        neuron = nominal.neuron(number, stimulus.steps, stimulus.kind == "spikes")
        into = [*zip(projections, stored, strict=True)] if needed else []
        into = [(p, matrix) for p, matrix in into if p.target == number]
        drives = [
            _drive(nominal, stimulus, p, matrix, found, traced)
            for p, matrix in into
            if p.source < number
        ]
        loops = [(p, matrix) for p, matrix in into if p.source == number]
        reading = _reading(neuron, seen, together(drives) if drives else None)
        if output:
            at_output = {user.name: user.estimate(reading).rate for user in users}
            continue
        own = estimator.estimate(reading)
        # What it sends itself follows from the estimate; spikes settle at once, since they are few.
        for _ in range((1 if own.spikes is not None else SETTLING) if loops else 0):
            sent = [
                _drive(nominal, stimulus, p, matrix, [*found, own], traced) for p, matrix in loops
            ]
            if not neuron.late and (left := nominal.left_of_loop) is not None:
                sent = [drive.after_a_step(left) for drive in sent]
            own = estimator.estimate(_reading(neuron, seen, together([*drives, *sent])))
        found.append(own)
    return found, at_output


def _drive(
    nominal: Nominal,
    stimulus: Stimulus,
    projection: Projection,
    weights: Matrix,
    found: Sequence[RateEstimate],
    traced: bool,
) -> Drive:
    """What a projection brings to its target."""
    route = Route(projection.source, projection.target, delay=projection.delay)
    if projection.source == 0:
        return of_stimulus(stimulus, weights, nominal.decay, traced, route)
    return of_layer(found[projection.source - 1], weights, nominal.info, stimulus.steps, route)


def _reading(neuron: NominalNeuron, seen: LayerSamples, drive: Drive | None) -> LayerReading:
    none = np.zeros(0, np.float32)
    drive = drive or Drive(none, none, none)
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
class Fit:
    """How estimates of output rates go with the measured ones: sums over neurons and samples.

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
        for name, rates in estimates.items():
            x = rates.astype(np.float64).ravel()
            terms = (x.size, x.sum(), y.sum(), x @ x, y @ y, x @ y)
            before = self.sums.get(name, [0.0] * len(terms))
            self.sums[name] = [float(a + b) for a, b in zip(before, terms, strict=True)]

    def correlations(self) -> dict[str, float]:
        """Pearson's correlation by estimator, where both sides varied."""
        found = {}
        for name, (n, x, y, xx, yy, xy) in self.sums.items():
            spread = (xx - x * x / n) * (yy - y * y / n)
            if spread > 1e-12 * max(xx * yy, 1e-12):
                found[name] = (xy - x * y / n) / math.sqrt(spread)
        return found
