"""How well a model of a device predicts it, on weights and inputs that it was not made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network, Probe, Stimulus

Matrix = NDArray[np.float32]
# Weights that are stored, in the standard deviations of those that are drawn.
FULL_SCALE = 4.0


@dataclass(frozen=True)
class Extent:
    """How much is shown to a device and its models.

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
FORESEEN = 16
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
        """Of all that is shown, the output and the hidden layers alike."""
        return self.output if self.hidden is None else (self.output + self.hidden) / 2


@dataclass(frozen=True)
class Shown:
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


def drawn(like: Device, layers: tuple[int, ...], extent: Extent = HELD_OUT) -> Shown:
    """Random weights `N(0, 1/n_pre)` and random inputs, uniform in [0, 1].

    Args:
        like: The device that is modelled; its limits, stimuli and probes are used for all.
        layers: Sizes of the network, the input first.
        extent: How much; the same set for every device that takes it.
    """
    info = like.info
    rng = np.random.default_rng(extent.seed)
    batch, steps = min(extent.batch, info.capacity.batch), min(extent.steps, info.capacity.steps)
    scales = []
    for p, n_pre in enumerate(layers[:-1]):
        allowed = info.weight_format(p)
        scale = FULL_SCALE / np.sqrt(n_pre)
        scales.append(float(np.clip(scale, allowed.minimum_full_scale, allowed.maximum_full_scale)))
    probes = []
    for layer in range(1, len(layers) - 1):
        offer = info.offer("spikes", layer, len(layers) - 1)
        if offer is not None and offer.neurons is None:
            kind = next((r for r in ("mean", "none") if r in offer.reductions), None)
            if kind is not None:
                probes.append(Probe(layer, "spikes", reduce=kind))
    sets = []
    for _ in range(extent.sets):
        weights = [
            (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
            for shape in pairwise(layers)
        ]
        x = rng.random((batch, layers[0]), dtype=np.float32)
        sets.append((weights, _stimulus(x, steps, info.offers.stimuli, rng)))
    return Shown(layers, tuple(scales), sets, tuple(probes), extent.writes)


def configure(
    device: Device,
    shown: Shown,
    settings: Mapping[str, float] | None = None,
    room: float = 1.0,
) -> None:
    """Map the network of a set on a device.

    Args:
        device: The device or model.
        shown: What will be shown to it.
        settings: Nominal settings by name.
        room: Full scales, in those of the set.
    """
    scales = tuple(room * scale for scale in shown.scales)
    device.configure(Network.feed_forward(shown.layers, scales, dict(settings or {})))


def answer(
    device: Device, shown: Shown, gains: Sequence[float] = (), trial: int = 0
) -> tuple[Rates, list[list[Matrix]]]:
    """Show a set to a device that its network is mapped on.

    Args:
        device: The device or model that answers.
        shown: What is shown.
        gains: Factor of the weights of each projection; 1 where there is none.
        trial: Chooses the noise of the runs.

    Returns:
        Its rates, and what it stored of the weights of each set.
    """
    outputs, hidden, kept = [], [], []
    for number, (weights, stimulus) in enumerate(shown.sets):
        answers = []
        for write in range(shown.writes):
            stored = []
            for p, matrix in enumerate(weights):
                scaled = matrix * np.float32(gains[p] if gains else 1.0)
                device.write_weights(p, np.zeros_like(scaled))
                stored.append(device.write_weights(p, scaled))
            run = (len(shown.sets) * trial + number) * shown.writes + write
            readout = device.run(stimulus, shown.probes, trial=run)
            seen = [readout.samples[p].astype(np.float64) for p in shown.probes]
            answers.append(
                [readout.counts / stimulus.steps]
                + [
                    s if p.reduce == "mean" else s.mean(axis=0)
                    for p, s in zip(shown.probes, seen, strict=True)
                ]
            )
        output, *rest = (np.mean(rates, axis=0) for rates in zip(*answers, strict=True))
        outputs.append(output)
        hidden.append(rest)
        kept.append(stored)
    joined = tuple(map(np.concatenate, zip(*hidden, strict=True)))
    return Rates(np.concatenate(outputs), joined), kept


def foreseen(model: Device, shown: Shown, trial: int = 0) -> Rates:
    """What a model predicts for a set: its mean rates over `FORESEEN` writes.

    Args:
        model: The model, not mapped yet.
        shown: What is shown.
        trial: Chooses the noise of the runs.
    """
    configure(model, shown)
    return answer(model, replace(shown, writes=FORESEEN), trial=trial)[0]


def error(predicted: Rates, measured: Rates) -> RateError:
    """How far predicted rates are from measured ones."""
    hidden = None
    if measured.hidden:
        apart = [
            np.abs(p - m).ravel() for p, m in zip(predicted.hidden, measured.hidden, strict=True)
        ]
        hidden = float(np.concatenate(apart).mean())
    return RateError(float(np.abs(predicted.output - measured.output).mean()), hidden)


def _stimulus(
    x: NDArray[np.float32], steps: int, kinds: tuple[str, ...], rng: np.random.Generator
) -> Stimulus:
    if "current" in kinds:
        return Stimulus.current(x, steps=steps)
    if "current_trace" in kinds:
        return Stimulus.current_trace(np.broadcast_to(x, (steps, *x.shape)))
    fired = rng.random((steps, *x.shape)) < x
    return Stimulus.spikes(fired.reshape(-1, x.shape[1]).astype(np.float32), steps=steps)
