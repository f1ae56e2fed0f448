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

from drivers import DeviceInfo, Stimulus
from hil.learning.nominal_neuron import NominalNeuron, held_current
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, Sampled

Matrix = NDArray[np.float32]
# Variance of a drive from step to step, in that of independent events: soft resets space spikes
# out; hard ones let the neurons of a layer fire together.
EVEN, TOGETHER = 0.5, 2.0


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

    def neuron(self, layer: int, steps: int, spikes_in: bool) -> NominalNeuron:
        """The neuron of a layer, 1 being the first.

        Args:
            layer: Which layer.
            steps: Steps of a run.
            spikes_in: Whether the input is spikes; a current acts in its own step.
        """
        first = self.info.timing.input if spikes_in else "same_step"
        arrival = first if layer == 1 else self.info.timing.layer
        waits = [first != "same_step" and first is not None]
        waits += [self.info.timing.layer in ("end_of_step", "next_step")] * (layer - 1)
        late = arrival == "end_of_step"
        return NominalNeuron(
            decay=self.decay,
            steps=steps,
            reset=self.info.neuron.reset,
            late=late,
            idle=sum(waits) - late,
            most=self.info.neuron.spikes_per_step,
            refractory=self.info.neuron.refractory or 0,
            spares_events=self.info.timing.hard_reset_clears_events is False,
        )


@dataclass
class Drive:
    """What flows into a layer, as `LayerReading` has it."""

    mean: Matrix
    spread: Matrix
    doubt: Matrix
    trace: Matrix | None = None


def of_stimulus(stimulus: Stimulus, weights: Matrix, decay: float, traced: bool) -> Drive:
    """Charge that a stimulus brings to the first layer.

    Args:
        stimulus: The stimulus.
        weights: Stored weights `(n_in, n)`.
        decay: A constant current of 1 counts (1 - d) / -ln d, since it leaks while it flows.
        traced: Whether to give the charge of each step.
    """
    data = stimulus.data
    certain = np.zeros((stimulus.batch, weights.shape[1]), np.float32)
    share = np.float32(held_current(decay))
    if stimulus.kind == "current":
        return Drive(share * (data @ weights), certain, certain)
    steps, batch = stimulus.steps, stimulus.batch
    if stimulus.kind == "current_trace" or traced:
        if stimulus.kind == "current_trace":
            data, weights = data.reshape(steps * batch, -1), share * weights
        trace = np.asarray(data @ weights).reshape(steps, batch, -1)
        return Drive(trace.mean(axis=0), trace.std(axis=0), certain, trace)
    counts = mean_input(stimulus)
    varied = np.maximum(counts * (1 - counts), 0) @ weights**2
    return Drive(counts @ weights, np.sqrt(varied), certain)


def of_layer(below: Estimate, weights: Matrix, info: DeviceInfo, steps: int) -> Drive:
    """Charge that the estimated spikes of a layer bring to the next one."""
    squares = weights**2
    arrived = 1.0 - 1.0 / steps if info.timing.layer == "next_step" else 1.0
    even = info.neuron.reset == "soft" or info.timing.layer == "end_of_step"
    varied = below.rate * (1 - below.rate)
    spread = np.sqrt(np.float32(EVEN if even else TOGETHER) * (np.maximum(varied, 0) @ squares))
    trace = None
    if below.spikes is not None:
        flat = below.spikes.reshape(-1, below.spikes.shape[-1]) @ weights
        trace = flat.reshape(*below.spikes.shape[:2], -1)
        if info.timing.layer == "next_step":
            trace = np.concatenate([np.zeros_like(trace[:1]), trace[:-1]])
    mean = np.float32(arrived) * (below.rate @ weights) if trace is None else trace.mean(axis=0)
    return Drive(mean, spread, below.doubt @ squares, trace)


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


def estimated(
    nominal: Nominal,
    stimulus: Stimulus,
    stored: Sequence[Matrix],
    layers: Sequence[LayerSamples],
    estimator: Estimator,
    candidates: Sequence[Estimator],
) -> tuple[list[Estimate], dict[str, Matrix]]:
    """Estimates of all hidden layers, and by each candidate of the output.

    Args:
        nominal: What is taken for nominal.
        stimulus: What was shown.
        stored: Stored weights of each projection.
        layers: What was read of each layer; the output's may be missing.
        estimator: Estimates the hidden layers.
        candidates: Estimators to hold against the output, where that was read.

    Returns:
        An estimate of each hidden layer, and rates of the output `(B, C)` by candidate.
    """
    found: list[Estimate] = []
    at_output: dict[str, Matrix] = {}
    info, steps = nominal.info, stimulus.steps
    for number, seen in enumerate(layers, start=1):
        output = number == len(stored)
        users = [*candidates] if output else [estimator]
        drive = None
        if any(user.needs_drive for user in users):
            traced = any(user.sampled == "after_reset" for user in users)
            drive = (
                of_stimulus(stimulus, stored[0], nominal.decay, traced)
                if number == 1
                else of_layer(found[-1], stored[number - 1], info, steps)
            )
        reading = _reading(nominal.neuron(number, steps, stimulus.kind == "spikes"), seen, drive)
        if output:
            at_output = {user.name: user.estimate(reading).rate for user in users}
        else:
            found.append(estimator.estimate(reading))
    return found, at_output


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
