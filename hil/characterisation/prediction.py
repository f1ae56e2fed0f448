"""How well a model of a device predicts it, on weights and inputs that it was not made from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Network, Probe, Stimulus

SETS = 2
BATCH = 100
STEPS = 50
# Times that the weights are written and shown, each with its own programming noise; the rates are
# means over them, since no model can foresee what a write leaves to chance.
WRITES = 4
# Weights that are stored, in the standard deviations of those that are drawn.
FULL_SCALE = 4.0


@dataclass(frozen=True)
class Rates:
    """Spikes per step in answer to the held-out set.

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


def answer(device: Device, layers: tuple[int, ...], like: Device, trial: int = 0) -> Rates:
    """Show the held-out set: random weights `N(0, 1/n_pre)`, random inputs, uniform in [0, 1].

    Args:
        device: The device or model that answers.
        layers: Sizes of the network, the input first.
        like: The device that is modelled; its limits, stimuli and probes are used for both.
        trial: Chooses the noise of the runs; the set is always the same.
    """
    info = like.info
    rng = np.random.default_rng(1)  # the same set for every device
    batch, steps = min(BATCH, info.capacity.batch), min(STEPS, info.capacity.steps)
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
    device.configure(Network.feed_forward(layers, tuple(scales)))
    outputs, hidden = [], []
    for number in range(SETS):
        weights = [rng.standard_normal(shape) / np.sqrt(shape[0]) for shape in pairwise(layers)]
        x = rng.random((batch, layers[0]), dtype=np.float32)
        stimulus = _stimulus(x, steps, info.offers.stimuli, rng)
        answers = []
        for write in range(WRITES):
            for p, matrix in enumerate(weights):
                device.write_weights(p, np.zeros_like(matrix))
                device.write_weights(p, matrix)
            run = (SETS * trial + number) * WRITES + write
            readout = device.run(stimulus, probes, trial=run)
            shown = [readout.samples[p].astype(np.float64) for p in probes]
            answers.append(
                [readout.counts / steps]
                + [
                    s if p.reduce == "mean" else s.mean(axis=0)
                    for p, s in zip(probes, shown, strict=True)
                ]
            )
        output, *rest = (np.mean(rates, axis=0) for rates in zip(*answers, strict=True))
        outputs.append(output)
        hidden.append(rest)
    return Rates(np.concatenate(outputs), tuple(map(np.concatenate, zip(*hidden, strict=True))))


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
