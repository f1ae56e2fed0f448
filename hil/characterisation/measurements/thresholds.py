"""Thresholds and resets of a layer: random subsets of its input are driven until it fires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hil.characterisation import estimators
from hil.characterisation.bench import Bench, LayerRecording
from hil.characterisation.estimators import Array, Estimate
from hil.characterisation.measurements.first_spikes import (
    Expected,
    around_threshold,
    at_step,
    first_spikes,
    joined,
)
from hil.characterisation.measurements.synapses import MembraneMeasurement
from hil.characterisation.relay import MeasuredLayer, capacity, reach, relays, write_relays

# The strongest drive, in the one that just makes the usual neuron fire.
STRONGEST = 6.0
# Samples of a sweep, and its repetitions, each with weights of its own: unlike ones, so that the
# drives of a neuron are as many as its samples and not as many as there are inputs.
SAMPLES = 96
SCALES = (0.4, 0.6, 0.9, 1.3)
UNLIKE = (0.5, 1.5)
# Steps of a sweep at least, beside one for each layer.
SHORTEST = 8
# Least spread that a threshold is taken to have, in thresholds: what the model does not explain.
BLUR = 0.01
# Samples after a spike from which the reset is read.
AFTER = 3


@dataclass(frozen=True)
class Thresholds:
    """Thresholds and resets of a layer of n neurons.

    Attributes:
        threshold: Membrane at which a neuron fires, as read above its offset, `(n,)` in nominal
            thresholds; without membranes, in nominal events.
        reset: Where a spike resets the membrane to, `(n,)` in the neuron's own thresholds above
            rest; None where not every step is sampled.
        fired: Which neurons fired at all, `(n,)`.
        largest: Largest membrane that was reached without firing, `(n,)`, as threshold.
    """

    threshold: Estimate
    reset: Estimate | None
    fired: NDArray[np.bool_]
    largest: Array


@dataclass(frozen=True)
class MembraneModel:
    """What the membranes of a layer of n neurons are computed from.

    Attributes:
        decay: What a step leaves of a membrane, `(n,)`.
        gain: What an event of weight 1 adds, `(n_pre, n)`.
        offset: The readout at reset, `(n,)`.
        bias: Where a bias holds the membrane above that, `(n,)`.
        sigma: Standard deviation of the membrane, `(n,)`, at least `BLUR`.
    """

    decay: Array
    gain: Array
    offset: Array
    bias: Array
    sigma: Array


def measure(
    bench: Bench,
    layer: int,
    measured: Sequence[MeasuredLayer],
    membranes: MembraneMeasurement | None,
) -> Thresholds | None:
    """Measure the thresholds of a layer.

    Args:
        bench: The bench.
        layer: Layer of neurons, 1 to L.
        measured: The layers before it.
        membranes: What was measured of its membranes; nominal where None.

    Returns:
        The thresholds; None where the device shows neither spikes nor membranes of the layer.
    """
    n_pre, size = bench.layers[layer - 1 : layer + 1]
    model = _model(bench, layer, membranes)
    # Pre-neurons that cannot be driven one by one stay without input.
    channels = capacity(bench, measured) if measured else n_pre
    pre = measured[-1].live if measured else np.arange(n_pre)
    targets = [pre[i::channels] for i in range(channels)] if measured else []
    chains = relays(bench, measured, targets)
    reaches = reach(chains) if measured else np.eye(n_pre, dtype=bool)
    timed = bench.drive(layer)
    steps = _length(bench, layer, model, reaches[:, pre].sum(axis=0), pre)
    shape = estimators.response(model.decay, steps, replace(timed, late=False))
    visible = estimators.response(model.decay, steps, timed)
    charged = estimators.charging(model.decay, steps)
    at_once = reaches.sum(axis=0)[:, None] * model.gain * shape[-1]
    pre, full = _drivers(bench, layer, chains, pre, at_once)

    rng = np.random.default_rng(0)  # the same subsets for every device
    sweeps, resets = [], []
    for scale in SCALES:
        weights = np.zeros((n_pre, size), np.float32)
        weights[pre] = full * scale * rng.uniform(*UNLIKE, (pre.size, size))
        stored = bench.device.write_weights(layer - 1, weights)
        active = _subsets(rng, channels, bench.layers[0])
        recording = bench.record(layer, active, steps)
        drive = (active @ reaches).astype(float) @ (model.gain * stored)
        resting = (charged * model.bias)[:, None]
        expected = Expected(shape[:, None] * drive + resting, visible[:, None] * drive + resting)
        brackets = around_threshold(bench, layer, recording, expected, model.offset, model.decay)
        if brackets is None:
            return None
        sweeps.append(brackets)
        if membranes is not None and bench.samples_every_step(layer):
            resets.append(_after(bench, layer, recording, expected, model, drive))
    found = joined(sweeps)
    threshold = estimators.fit_threshold(found.below, found.above, found.fired, model.sigma)
    left = np.concatenate(resets) if resets else None
    return Thresholds(
        threshold=threshold,
        reset=None if left is None else _reset(left, threshold.value, bench.reset == "hard"),
        fired=np.asarray(found.fired.any(axis=0)),
        largest=found.below.max(axis=0),
    )


def _model(bench: Bench, layer: int, membranes: MembraneMeasurement | None) -> MembraneModel:
    """The measured membranes; nominal ones where there is no measurement."""
    n_pre, size = bench.layers[layer - 1 : layer + 1]
    sigma = np.full(size, BLUR)
    if membranes is None:
        return MembraneModel(
            decay=np.full(size, bench.decay),
            gain=np.ones((n_pre, size)),
            offset=np.zeros(size),
            bias=np.zeros(size),
            sigma=sigma,
        )
    if membranes.membrane_noise is not None:
        sigma = np.maximum(BLUR, np.nan_to_num(membranes.membrane_noise))
    return MembraneModel(
        decay=membranes.decay,
        gain=np.nan_to_num(membranes.gain.value),
        offset=membranes.offset.value,
        bias=membranes.bias.value,
        sigma=sigma,
    )


def _length(
    bench: Bench, layer: int, model: MembraneModel, reached: Array, pre: NDArray[np.int64]
) -> int:
    """Steps of a sweep: few enough for its weakest weights to be levels that the device stores."""
    steps = bench.steps(float(np.median(model.decay)))
    levels = bench.device.info.weight_format(layer - 1).levels
    timed = replace(bench.drive(layer), late=False)
    while levels is not None and steps > SHORTEST + layer:
        at_end = estimators.response(model.decay, steps, timed)[-1]
        full = STRONGEST / max(float(np.median(reached @ model.gain[pre] * at_end)), 1e-6)
        largest = bench.scale(layer - 1, full * max(SCALES) * UNLIKE[1])
        if largest / max(levels // 2, 1) <= full * min(SCALES):
            break
        steps = max(steps // 2, SHORTEST + layer)
    return steps


def _subsets(rng: np.random.Generator, channels: int, inputs: int) -> NDArray[np.bool_]:
    """Random subsets of the first channels, from none to all of them, `(SAMPLES, inputs)`."""
    active = np.zeros((SAMPLES, inputs), bool)
    order = rng.permuted(np.tile(np.arange(channels), (SAMPLES, 1)), axis=1)
    sizes = np.linspace(0, channels, SAMPLES).round().astype(int)
    active[np.arange(SAMPLES)[:, None], order] = np.arange(channels) < sizes[:, None]
    return active


def _drivers(
    bench: Bench,
    layer: int,
    chains: Sequence[NDArray[np.float32]],
    pre: NDArray[np.int64],
    reached: Array,
) -> tuple[NDArray[np.int64], float]:
    """Map the network with as many of the neurons before a layer as its weights can tell apart.

    A device whose smallest weight is large fires the layer with few of them.

    Args:
        bench: The bench.
        layer: The layer.
        chains: Relays to the layer before it.
        pre: Neurons before it, or inputs, that can be driven.
        reached: What each moves each neuron by with a weight of 1, `(n_pre, n)`.

    Returns:
        Those to use, and the weight of the strongest drive with all of them active.
    """
    while True:
        full = STRONGEST / max(float(np.median(reached[pre].sum(axis=0))), 1e-6)
        write_relays(bench, chains, full * max(SCALES) * UNLIKE[1])
        weakest = np.zeros(reached.shape, np.float32)
        weakest[pre] = full * min(SCALES) * UNLIKE[1]
        if pre.size < 2 or bench.device.write_weights(layer - 1, weakest).any():
            return pre, full
        pre = pre[::2]


def _after(
    bench: Bench,
    layer: int,
    recording: LayerRecording,
    expected: Expected,
    model: MembraneModel,
    drive: Array,
) -> Array:
    """What the first spike took from a membrane (soft) or left of it (hard), `(B, n)` as read."""
    assert recording.membrane is not None
    first = first_spikes(bench, layer, recording, expected, model.offset)
    assert first is not None
    steps, late = len(expected.tested), int(bench.after_reset(layer))
    read = recording.membrane - model.offset
    hard = bench.reset == "hard"
    kept = at_step(expected.tested, np.minimum(first, steps - 1))
    timed = bench.drive(layer)
    cleared = timed.arrival == "end_of_step" and bench.clears
    if timed.sent is not None and cleared:
        kept = kept + drive * timed.sent[np.minimum(first, steps - 1)]
    overlap, power = np.zeros(first.shape), np.zeros(first.shape)
    free = np.ones(first.shape, bool)
    for k in range(1, AFTER + 1):
        step = first + k - late
        inside = step < steps
        held = np.minimum(step, steps - 1)
        if recording.raster is not None and k > 1:
            free &= (
                at_step(recording.raster.astype(float), np.minimum(first + k - 1, steps - 1)) == 0
            )
        ahead = at_step(expected.shown, held)
        shape = model.decay ** (k - late)
        rest = at_step(read, held) - (ahead - shape * kept if hard else ahead)
        use = inside & free
        overlap += np.where(use, rest * shape, 0.0)
        power += np.where(use, shape**2, 0.0)
    left: Array = np.divide(overlap, power, out=np.full(first.shape, np.nan), where=power > 0)
    return left


def _reset(left: Array, threshold: Array, hard: bool) -> Estimate:
    """Resets in thresholds above rest, from what `_after` gives: median and interval."""
    share = left / threshold if hard else 1 + left / threshold
    count = np.maximum(np.isfinite(share).sum(axis=0), 1)
    # Spikes that were missed or guessed wrongly make a few values that mean nothing.
    known = np.isfinite(share).any(axis=0)
    quantiles = np.nanquantile(np.where(known, share, 0.0), (0.159, 0.5, 0.841), axis=0)
    low, middle, high = np.where(known, quantiles, np.nan)
    return Estimate(middle, 1.96 * 1.253 * (high - low) / 2 / np.sqrt(count))
