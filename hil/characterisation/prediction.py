"""Errors of a model's predictions of a device, on weights and inputs that it was not made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network, Probe, Stimulus
from hil.partial_runs import (
    CURRENTS,
    choose_kind,
    find_nearest_full_scale,
)

Matrix = NDArray[np.float32]
# Weights that are stored, in the standard deviations of those that are drawn.
FULL_SCALE = 4.0


@dataclass(frozen=True)
class Extent:
    """Amount that is shown to a device and its models.

    Attributes:
        seed: Which weights and inputs.
        sets: Sets of weights, each with inputs of its own.
        batch: Inputs of a set.
        writes: Times that the weights are written and shown, each with its own programming noise;
            the rates are means over them, since no model can foresee what a write leaves to chance.
        steps: Steps of a run.
    """

    seed: int
    sets: int
    batch: int
    writes: int
    steps: int = 50


# Writes that the rates of a model are means over: what it predicts is what it does on average, and
# its own noise is no part of that.
PREDICTED = 16
HELD_OUT = Extent(seed=1, sets=2, batch=100, writes=4)


@dataclass(frozen=True)
class Rates:
    """Spikes per step in answer to a set.

    Attributes:
        output: `(SETS * B, n_L)`.
        hidden: `(SETS * B, n_l)` for each hidden layer that shows its spikes.
    """

    output: NDArray[np.float64]
    hidden: tuple[NDArray[np.float64], ...]

    def split(self, sets: int) -> list[Rates]:
        """Split into those of each set of weights."""
        layers = [np.split(layer, sets) for layer in (self.output, *self.hidden)]
        return [Rates(output, tuple(hidden)) for output, *hidden in zip(*layers, strict=True)]


@dataclass(frozen=True)
class RateError:
    """Mean absolute difference of rates, in spikes per step.

    Attributes:
        output: Of the output neurons.
        hidden: Of the hidden neurons; None where the device does not show their spikes.
    """

    output: float
    hidden: float | None

    @property
    def total(self) -> float:
        """Error of all that is shown, the output and the hidden layers alike."""
        return self.output if self.hidden is None else (self.output + self.hidden) / 2


@dataclass(frozen=True)
class PredictionSet:
    """Weights, inputs and probes that a device and its models are shown alike.

    Attributes:
        layers: Sizes of the network, the input first.
        scales: Full scale of each projection.
        sets: Weights of each projection, and the input, of each set.
        probes: What shows hidden spikes.
        writes: As in `Extent`.
    """

    layers: tuple[int, ...]
    scales: tuple[float, ...]
    sets: Sequence[tuple[list[Matrix], Stimulus]]
    probes: tuple[Probe, ...]
    writes: int


def draw_prediction_set(
    like: Device, layers: tuple[int, ...], extent: Extent = HELD_OUT
) -> PredictionSet:
    """Draw weights `N(0, 1/n_pre)` and inputs, uniform in [0, 1].

    Args:
        like: The device that is modelled; its limits, stimuli and probes are used for all.
        layers: Sizes of the network, the input first.
        extent: How much; the same set for every device that takes it.
    """
    info, depth = like.info, len(layers) - 1
    rng = np.random.default_rng(extent.seed)
    batch, steps = min(extent.batch, info.capacity.batch), min(extent.steps, info.capacity.steps)
    scales = [
        find_nearest_full_scale(info, p, FULL_SCALE / np.sqrt(n_pre))
        for p, n_pre in enumerate(layers[:-1])
    ]
    probes = []
    for layer in range(1, depth):
        offer = info.offer("spikes", layer, depth)
        if offer is not None and offer.neurons is None:
            reduce = next((r for r in ("mean", "none") if r in offer.reductions), None)
            if reduce is not None:
                probes.append(Probe(layer, "spikes", reduce=reduce))
    kind = choose_kind(info, *CURRENTS, "spikes")
    sets = []
    for _ in range(extent.sets):
        weights = [
            (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
            for shape in pairwise(layers)
        ]
        x = rng.random((batch, layers[0]), dtype=np.float32)
        values: NDArray[Any] = np.broadcast_to(x, (steps, *x.shape))
        if kind == "spikes":
            values = rng.random((steps, *x.shape)) < x
        sets.append((weights, Stimulus.of(kind, values)))
    return PredictionSet(layers, tuple(scales), sets, tuple(probes), extent.writes)


def map_network(
    device: Device,
    test_set: PredictionSet,
    settings: Mapping[str, float] | None = None,
    room: float = 1.0,
) -> None:
    """Map the network of a set on a device.

    Args:
        device: The device or model.
        test_set: What will be shown to it.
        settings: Nominal settings by name.
        room: Full scales, in those of the set.
    """
    scales = tuple(room * scale for scale in test_set.scales)
    device.configure(Network.feed_forward(test_set.layers, scales, dict(settings or {})))


def measure_rates(
    device: Device, test_set: PredictionSet, gains: Sequence[float] = (), trial: int = 0
) -> tuple[Rates, list[list[Matrix]]]:
    """Show a set to a device that its network is mapped on.

    Args:
        device: The device or model that answers.
        test_set: What is shown.
        gains: Factor of the weights of each projection; 1 where there is none.
        trial: Chooses the noise of the runs.

    Returns:
        Its rates, and what it stored of the weights of each set.
    """
    layers, kept = [], []
    for number, (weights, stimulus) in enumerate(test_set.sets):
        answers = []
        for write in range(test_set.writes):
            stored = []
            for p, matrix in enumerate(weights):
                scaled = matrix * np.float32(gains[p] if gains else 1.0)
                device.write_weights(p, np.zeros_like(scaled))
                stored.append(device.write_weights(p, scaled))
            run = (len(test_set.sets) * trial + number) * test_set.writes + write
            readout = device.run(stimulus, test_set.probes, trial=run)
            rates = [readout.counts / stimulus.steps]
            for probe in test_set.probes:
                samples = readout.samples[probe].astype(np.float64)
                rates.append(samples if probe.reduce == "mean" else samples.mean(axis=0))
            answers.append(rates)
        layers.append([np.mean(rates, axis=0) for rates in zip(*answers, strict=True)])
        kept.append(stored)
    output, *hidden = map(np.concatenate, zip(*layers, strict=True))
    return Rates(output, tuple(hidden)), kept


def predict_rates(model: Device, test_set: PredictionSet, trial: int = 0) -> Rates:
    """Predict the rates of a set by a model: its mean rates over `PREDICTED` writes.

    Args:
        model: The model, not mapped yet.
        test_set: What is shown.
        trial: Chooses the noise of the runs.
    """
    map_network(model, test_set)
    return measure_rates(model, replace(test_set, writes=PREDICTED), trial=trial)[0]


def compare_rates(predicted: Rates, measured: Rates) -> RateError:
    """Compare predicted rates with measured ones."""
    hidden = None
    if measured.hidden:
        distances = [
            np.abs(p - m).ravel() for p, m in zip(predicted.hidden, measured.hidden, strict=True)
        ]
        hidden = float(np.concatenate(distances).mean())
    return RateError(float(np.abs(predicted.output - measured.output).mean()), hidden)
