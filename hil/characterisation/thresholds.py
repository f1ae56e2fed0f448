"""Thresholds and resets of a layer: random subsets of its input are driven until it fires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hil.characterisation import estimators
from hil.characterisation.bench import Bench, View
from hil.characterisation.estimators import Array, Estimate
from hil.characterisation.relay import Stage, capacity, lay, reach, relays
from hil.characterisation.synapses import DECAY, Membranes

# The strongest drive, in the one that just makes the usual neuron fire.
STRONGEST = 6.0
# Samples of a sweep, and its repetitions, each with weights of its own.
SAMPLES = 96
SCALES = (0.55, 0.75, 1.0, 1.3)
# Least spread that a threshold is taken to have, in thresholds: what the model does not explain.
BLUR = 0.01
# Samples after a spike from which the reset is read.
AFTER = 3


@dataclass(frozen=True)
class Thresholds:
    """What made a layer of n neurons fire.

    Attributes:
        threshold: Membrane at which a neuron fires, as read above its offset, `(n,)` in nominal
            thresholds; without membranes, in nominal events.
        reset: Where a spike resets the membrane to, `(n,)` in the neuron's own thresholds above
            rest; None where not every step is sampled.
        fired: Who fired at all, `(n,)`; None where the device shows neither spikes nor membranes.
        largest: Largest membrane that was reached without firing, `(n,)`, as threshold.
    """

    threshold: Estimate
    reset: Estimate | None
    fired: NDArray[np.bool_]
    largest: Array


def measure(
    bench: Bench, layer: int, stages: Sequence[Stage], membranes: Membranes | None
) -> Thresholds | None:
    """Measure the thresholds of a layer.

    Args:
        bench: The bench.
        layer: Layer of neurons, 1 to L.
        stages: The layers before it.
        membranes: What is known of its membranes; nominal where None.

    Returns:
        What was found; None where the device shows neither spikes nor membranes of the layer.
    """
    info, (n_pre, size) = bench.device.info, bench.layers[layer - 1 : layer + 1]
    if membranes is None:
        decay = np.full(size, info.decay or DECAY)
        gain, bias, offset = np.ones((n_pre, size)), np.zeros(size), np.zeros(size)
    else:
        decay, offset, bias = membranes.decay, membranes.offset.value, membranes.bias.value
        gain = np.nan_to_num(membranes.gain.value)
    # Pre-neurons that could not be driven one by one are driven by nobody.
    channels = capacity(bench, stages)
    pre = stages[-1].live if stages else np.arange(n_pre)
    targets = [pre[i::channels] for i in range(channels)] if stages else []
    chains = relays(bench, stages, targets)
    reaches = reach(chains) if stages else np.eye(n_pre, dtype=bool)
    channels = channels if stages else n_pre
    steps = bench.steps(float(np.median(decay)))
    shape = estimators.response(decay, steps, replace(bench.drive(layer), late=False))
    charged = estimators.charging(decay, steps)
    at_once = reaches.sum(axis=0)[:, None] * gain * shape[-1]
    pre, full = _drivers(bench, layer, chains, pre, at_once)

    sigma = np.full(size, BLUR)
    if membranes is not None and membranes.membrane_noise is not None:
        sigma = np.maximum(BLUR, np.nan_to_num(membranes.membrane_noise))
    rng = np.random.default_rng(0)  # the same subsets for every device
    below, above, fired, resets = [], [], [], []
    for scale in SCALES:
        weights = np.zeros((n_pre, size), np.float32)
        weights[pre] = full * scale
        stored = bench.device.write_weights(layer - 1, weights)
        active = np.zeros((SAMPLES, bench.layers[0]), bool)
        order = rng.permuted(np.tile(np.arange(channels), (SAMPLES, 1)), axis=1)
        some = np.linspace(0, channels, SAMPLES).round().astype(int)
        active[np.arange(SAMPLES)[:, None], order] = np.arange(channels) < some[:, None]
        view = bench.look(layer, active, steps)
        drive = (active @ reaches).astype(float) @ (gain * stored)
        expected = shape[:, None] * drive + (charged * bias)[:, None]
        brackets = _brackets(bench, layer, view, expected, offset)
        if brackets is None:
            return None
        below.append(brackets[0])
        above.append(brackets[1])
        fired.append(brackets[2])
        if membranes is not None and bench.samples_every_step(layer):
            resets.append(_after(bench, layer, view, expected, offset, decay, drive))
    threshold = estimators.fit_threshold(
        np.concatenate(below), np.concatenate(above), np.concatenate(fired), sigma
    )
    reset = None
    if resets:
        reset = _reset(np.concatenate(resets), threshold.value, info.reset == "hard")
    ever = np.asarray(np.concatenate(fired).any(axis=0))
    return Thresholds(threshold, reset, ever, np.concatenate(below).max(axis=0))


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
        lay(bench, chains, full * max(SCALES))
        weakest = np.zeros(reached.shape, np.float32)
        weakest[pre] = full * min(SCALES)
        if pre.size < 2 or bench.device.write_weights(layer - 1, weakest).any():
            return pre, full
        pre = pre[::2]


def _first(
    bench: Bench, layer: int, view: View, expected: Array, offset: Array
) -> NDArray[np.int64] | None:
    """Step of the first spike `(B, n)`, T where there is none, or None where none can be told."""
    if view.raster is not None:
        return estimators.first_spikes(view.raster)
    if view.membrane is None or not bench.samples_every_step(layer):
        return None
    found = estimators.falls(view.membrane - offset.astype(np.float32), expected.astype(np.float32))
    late = bench.after_reset(layer)
    return np.where(found < len(expected), found + late, found)


def _brackets(
    bench: Bench, layer: int, view: View, expected: Array, offset: Array
) -> tuple[Array, Array, NDArray[np.bool_]] | None:
    """Expected membranes just below and just above each neuron's threshold, and who fired."""
    steps = len(expected)
    first = _first(bench, layer, view, expected, offset)
    if first is not None:
        fired = first < steps
        under = np.where(fired, first - 1, steps - 1)
        return _at(expected, under), _at(expected, np.minimum(first, steps - 1)), fired
    if view.counts is not None:
        fired = view.counts > 0
        return np.where(fired, 0.0, expected[-1]), expected[-1], fired
    sampling = bench.sampling(layer, steps)
    offer = bench.device.info.offer("membrane", layer, bench.depth)
    if view.membrane is None or sampling is None or offer is None or "none" not in offer.reductions:
        return None
    taken = sampling.argmax(axis=1)
    seen = expected[taken]
    fall = estimators.falls(view.membrane - offset.astype(np.float32), seen.astype(np.float32))
    fired = fall < len(taken)
    late = bench.after_reset(layer)
    last, then = (taken[np.minimum(fall + k, len(taken) - 1)] + late - 1 for k in (0, 1))
    return _at(expected, np.where(fired, last, taken[-1] - 1)), _at(expected, then), fired


def _at(expected: Array, step: NDArray[np.int64]) -> Array:
    """Values `(B, n)` of a `(T, B, n)` at a step for each; 0 before the first step."""
    found = np.take_along_axis(expected, np.maximum(step, 0)[None], axis=0)[0]
    return np.where(step < 0, 0.0, found)


def _after(
    bench: Bench,
    layer: int,
    view: View,
    expected: Array,
    offset: Array,
    decay: Array,
    drive: Array,
) -> Array:
    """What the first spike took from a membrane (soft) or left of it (hard), `(B, n)` as read."""
    assert view.membrane is not None
    first = _first(bench, layer, view, expected, offset)
    assert first is not None
    steps, late = len(expected), int(bench.after_reset(layer))
    read = view.membrane - offset
    hard = bench.device.info.reset == "hard"
    kept = _at(expected, np.minimum(first, steps - 1))
    arrives = bench.drive(layer)
    if arrives.start is not None:
        # A hard reset clears what arrived in its step, too.
        kept = kept + drive * ((first - arrives.start) % arrives.period == 0)
    overlap, power = np.zeros(first.shape), np.zeros(first.shape)
    free = np.ones(first.shape, bool)
    for k in range(1, AFTER + 1):
        step = first + k - late
        inside = step < steps
        held = np.minimum(step, steps - 1)
        if view.raster is not None and k > 1:
            free &= _at(view.raster.astype(float), np.minimum(first + k - 1, steps - 1)) == 0
        ahead = _at(expected, held)
        shape = decay ** (k - late)
        rest = _at(read, held) - (ahead - shape * kept if hard else ahead)
        use = inside & free
        overlap += np.where(use, rest * shape, 0.0)
        power += np.where(use, shape**2, 0.0)
    found: Array = np.divide(overlap, power, out=np.full(first.shape, np.nan), where=power > 0)
    return found


def _reset(found: Array, threshold: Array, hard: bool) -> Estimate:
    share = found / threshold if hard else 1 + found / threshold
    count = np.maximum(np.isfinite(share).sum(axis=0), 1)
    # Spikes that were missed or guessed wrongly make a few values that mean nothing.
    known = np.isfinite(share).any(axis=0)
    quantiles = np.nanquantile(np.where(known, share, 0.0), (0.159, 0.5, 0.841), axis=0)
    low, middle, high = np.where(known, quantiles, np.nan)
    return Estimate(middle, 1.96 * 1.253 * (high - low) / 2 / np.sqrt(count))
