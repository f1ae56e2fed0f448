"""Thresholds and resets of a layer: random subsets of its input are driven until it fires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hil.characterisation import estimators
from hil.characterisation.bench import Indices, LayerBench, LayerRecording, Matrix
from hil.characterisation.estimators import Array, MeasuredValue
from hil.characterisation.measurements.membranes import MembraneMeasurement

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
# Share of a mean membrane that a spike takes at least, in thresholds, for it to be seen.
SEEN = 0.03


@dataclass(frozen=True)
class ThresholdMeasurement:
    """Thresholds and resets of a layer of n neurons.

    Attributes:
        threshold: Membrane at which a neuron fires, as read above its offset, `(n,)` in nominal
            thresholds; without membranes, in nominal events.
        reset: Where a spike resets the membrane to, `(n,)` in the neuron's own thresholds above
            rest; None where not every step is sampled.
        fired: Which neurons fired at all, `(n,)`.
        largest: Largest membrane that was reached without firing, `(n,)`, as threshold.
    """

    threshold: MeasuredValue
    reset: MeasuredValue | None
    fired: NDArray[np.bool_]
    largest: Array


@dataclass(frozen=True)
class MembraneModel:
    """Constants from which the membranes of a layer of n neurons are computed.

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


@dataclass(frozen=True)
class Sweep:
    """One recording of a layer, and its membranes as they would be without any spike.

    Attributes:
        recording: The recording.
        tested: Computed membranes at the test of the threshold of each step, `(T, B, n)` above
            the readout at reset.
        sampled: As the device samples them.
        drive: Charge of each step in which events are sent, `(B, n)`.
    """

    recording: LayerRecording
    tested: Array
    sampled: Array
    drive: Array


@dataclass(frozen=True)
class Brackets:
    """Computed membranes around the first spike of each neuron in each sample of a batch.

    Attributes:
        below: In the last step without a spike, `(B, n)`.
        above: In the step of the first spike, where there is one, `(B, n)`.
        fired: Whether there is one, `(B, n)`.
    """

    below: Array
    above: Array
    fired: NDArray[np.bool_]


def measure(
    layer: LayerBench, membranes: MembraneMeasurement | None
) -> ThresholdMeasurement | None:
    """Measure the thresholds of a layer.

    Args:
        layer: The layer.
        membranes: What was measured of its membranes; nominal where None.

    Returns:
        The thresholds; None where the device shows neither spikes nor membranes of the layer.
    """
    bench, (n_pre, size) = layer.bench, layer.shape
    model = _build_model(layer, membranes)
    # Pre-neurons that cannot be driven one by one stay without input.
    channels = layer.channels if layer.before else n_pre
    relays = layer.relays_to_all()
    reaches = layer.reach(relays)
    timing = layer.charge_timing
    at_test = replace(timing, is_late=False)
    steps = _choose_length(layer, model, reaches.sum(axis=0))
    shape = estimators.response(model.decay, steps, at_test)
    sampled_shape = estimators.response(model.decay, steps, timing)
    resting = (estimators.charging_curve(model.decay, steps) * model.bias)[:, None]
    at_once = reaches.sum(axis=0)[:, None] * model.gain * shape[-1]
    pre, full = _choose_drivers(layer, relays, at_once)

    rng = np.random.default_rng(0)  # the same subsets for every device
    brackets, resets = [], []
    for scale in SCALES:
        weights = np.zeros((n_pre, size), np.float32)
        weights[pre] = full * scale * rng.uniform(*UNLIKE, (pre.size, size))
        stored = layer.write(weights)
        active = _draw_subsets(rng, channels, bench.layers[0])
        recording = layer.record(active, steps)
        drive = (active @ reaches).astype(float) @ (model.gain * stored)
        sweep = Sweep(
            recording=recording,
            tested=shape[:, None] * drive + resting,
            sampled=sampled_shape[:, None] * drive + resting,
            drive=drive,
        )
        around = bracket_thresholds(layer, sweep, model)
        if around is None:
            return None
        brackets.append(around)
        if membranes is not None and layer.is_sampled_every_step:
            resets.append(_read_resets(layer, sweep, model))
    below, above, fired = (
        np.concatenate([getattr(each, name) for each in brackets])
        for name in ("below", "above", "fired")
    )
    threshold = estimators.fit_threshold(below, above, fired, model.sigma)
    is_hard = bench.reset == "hard"
    return ThresholdMeasurement(
        threshold=threshold,
        reset=_average_resets(np.concatenate(resets), threshold.value, is_hard) if resets else None,
        fired=np.asarray(fired.any(axis=0)),
        largest=below.max(axis=0),
    )


def _build_model(layer: LayerBench, membranes: MembraneMeasurement | None) -> MembraneModel:
    """Model the measured membranes; nominal ones where there is no measurement."""
    n_pre, size = layer.shape
    sigma = np.full(size, BLUR)
    if membranes is None:
        zeros, decay = np.zeros(size), np.full(size, layer.bench.decay)
        return MembraneModel(decay, np.ones((n_pre, size)), zeros, zeros, sigma)
    if membranes.membrane_noise is not None:
        sigma = np.maximum(BLUR, np.nan_to_num(membranes.membrane_noise))
    return MembraneModel(
        decay=membranes.decay,
        gain=np.nan_to_num(membranes.gain.value),
        offset=membranes.offset.value,
        bias=membranes.bias.value,
        sigma=sigma,
    )


def _choose_length(layer: LayerBench, model: MembraneModel, reached: Array) -> int:
    """Steps of a sweep: few enough for its weakest weights to be levels that the device stores.

    Args:
        layer: The layer.
        model: Its membranes.
        reached: How many inputs make each neuron before it fire, `(n_pre,)`.
    """
    bench, projection, shortest = layer.bench, layer.number - 1, SHORTEST + layer.number
    pre = layer.sources
    steps = bench.settling_steps(float(np.median(model.decay)))
    levels = bench.device.info.weight_format(projection).levels
    timing = replace(layer.charge_timing, is_late=False)
    while levels is not None and steps > shortest:
        at_end = estimators.response(model.decay, steps, timing)[-1]
        moved = reached[pre] @ model.gain[pre] * at_end
        full = STRONGEST / max(float(np.median(moved)), 1e-6)
        largest = bench.scale(projection, full * max(SCALES) * UNLIKE[1])
        if largest / max(levels // 2, 1) <= full * min(SCALES):
            break
        steps = max(steps // 2, shortest)
    return steps


def _choose_drivers(
    layer: LayerBench, relays: Sequence[Matrix], at_once: Array
) -> tuple[Indices, float]:
    """Map the network with as many of the neurons before a layer as its weights can tell apart.

    A device whose smallest weight is large fires the layer with few of them.

    Args:
        layer: The layer.
        relays: To the layer before it.
        at_once: What each moves each neuron by with a weight of 1, `(n_pre, n)`.

    Returns:
        Those to use, and the weight of the strongest drive with all of them active.
    """
    pre = layer.sources
    while True:
        full = STRONGEST / max(float(np.median(at_once[pre].sum(axis=0))), 1e-6)
        layer.map(relays, full * max(SCALES) * UNLIKE[1])
        weakest = np.zeros(at_once.shape, np.float32)
        weakest[pre] = full * min(SCALES) * UNLIKE[1]
        if pre.size < 2 or layer.write(weakest).any():
            return pre, full
        pre = pre[::2]


def _draw_subsets(rng: np.random.Generator, channels: int, inputs: int) -> NDArray[np.bool_]:
    """Draw subsets of the first channels, from none to all of them, `(SAMPLES, inputs)`."""
    active = np.zeros((SAMPLES, inputs), bool)
    order = rng.permuted(np.tile(np.arange(channels), (SAMPLES, 1)), axis=1)
    sizes = np.linspace(0, channels, SAMPLES).round().astype(int)
    active[np.arange(SAMPLES)[:, None], order] = np.arange(channels) < sizes[:, None]
    return active


def bracket_thresholds(layer: LayerBench, sweep: Sweep, model: MembraneModel) -> Brackets | None:
    """Bracket thresholds by a sweep; None where the device does not show which neurons fired."""
    tested, recording = sweep.tested, sweep.recording
    first = _first_spikes(layer, sweep, model)
    if first is not None:
        fired = first < len(tested)
        under = np.where(fired, first - 1, len(tested) - 1)
        above = _at_step(tested, np.minimum(first, len(tested) - 1))
        return Brackets(_at_step(tested, under), above, fired)
    if recording.counts is not None:
        fired = recording.counts > 0
        return Brackets(np.where(fired, 0.0, tested[-1]), tested[-1], fired)
    sampling = layer.sampling(len(tested))
    if recording.membrane is None or sampling is None:
        return None
    read = recording.membrane - model.offset.astype(np.float32)
    is_late = layer.is_sampled_after_reset
    if layer.reduction == "mean":
        return _bracket_by_mean(read[-1], sweep, sampling[-1], model.decay, is_late=is_late)
    step = sampling.argmax(axis=1)
    fall = estimators.detect_falls(read, sweep.sampled[step].astype(np.float32))
    fired = fall < len(step)
    last, then = (step[np.minimum(fall + k, len(step) - 1)] + is_late - 1 for k in (0, 1))
    below = _at_step(tested, np.where(fired, last, step[-1] - 1 + is_late))
    return Brackets(below, _at_step(tested, then), fired)


def _first_spikes(layer: LayerBench, sweep: Sweep, model: MembraneModel) -> Indices | None:
    """Step of the first spike `(B, n)`, T where there is none, or None where none can be told."""
    recording = sweep.recording
    if recording.raster is not None:
        return estimators.first_spikes(recording.raster)
    if recording.membrane is None or not layer.is_sampled_every_step:
        return None
    above = recording.membrane - model.offset.astype(np.float32)
    fall = estimators.detect_falls(above, sweep.sampled.astype(np.float32))
    return np.where(fall < len(above), fall + layer.is_sampled_after_reset, fall)


def _bracket_by_mean(
    mean: Array, sweep: Sweep, sampling: Array, decay: Array, *, is_late: bool
) -> Brackets:
    """Bracket by means, which tell only of a spike so early that what it took is seen.

    Args:
        mean: Mean membranes above the readout at reset, `(B, n)`.
        sweep: What they would be without any spike.
        sampling: From steps to the mean, `(T,)`.
        decay: What a step leaves of a membrane, `(n,)`.
        is_late: Whether membranes are sampled after the reset.
    """
    steps = len(sweep.tested)
    without = np.tensordot(sampling, sweep.sampled, axes=1)
    fired = mean < without - SEEN - estimators.MODEL_ERROR * SEEN * np.abs(without)
    # What a spike of each step takes from the mean, of a threshold of 1.
    taken, lost = np.zeros(steps), 0.0
    usual = float(np.median(decay))
    for step in range(steps - 1, -1, -1):
        taken[step] = lost = usual * lost + (sampling[step] if is_late else 0.0)
        if not is_late:
            lost = lost + sampling[step] * usual
    last = int(np.flatnonzero(taken >= SEEN)[-1]) if (taken >= SEEN).any() else 0
    reached = sweep.tested[last]
    return Brackets(np.where(fired, 0.0, reached), reached, fired)


def _at_step(values: Array, step: Indices) -> Array:
    """Take values `(B, n)` of a `(T, B, n)` at a step for each; 0 before the first step."""
    taken = np.take_along_axis(values, np.maximum(step, 0)[None], axis=0)[0]
    return np.where(step < 0, 0.0, taken)


def _read_resets(layer: LayerBench, sweep: Sweep, model: MembraneModel) -> Array:
    """Read what the first spike took from a membrane (soft) or left of it (hard), `(B, n)`."""
    recording = sweep.recording
    assert recording.membrane is not None
    first = _first_spikes(layer, sweep, model)
    assert first is not None
    steps, late = len(sweep.tested), int(layer.is_sampled_after_reset)
    read = recording.membrane - model.offset
    is_hard = layer.bench.reset == "hard"
    at_spike = np.minimum(first, steps - 1)
    kept = _at_step(sweep.tested, at_spike)
    timing = layer.charge_timing
    if timing.sent is not None and timing.arrival == "end_of_step" and layer.bench.is_event_cleared:
        kept = kept + sweep.drive * timing.sent[at_spike]
    overlap, power = np.zeros(first.shape), np.zeros(first.shape)
    is_free = np.ones(first.shape, bool)
    for k in range(1, AFTER + 1):
        step = first + k - late
        within = np.minimum(step, steps - 1)
        if recording.raster is not None and k > 1:
            before = np.minimum(first + k - 1, steps - 1)
            is_free &= _at_step(recording.raster.astype(float), before) == 0
        ahead = _at_step(sweep.sampled, within)
        shape = model.decay ** (k - late)
        rest = _at_step(read, within) - (ahead - shape * kept if is_hard else ahead)
        use = (step < steps) & is_free
        overlap += np.where(use, rest * shape, 0.0)
        power += np.where(use, shape**2, 0.0)
    left: Array = np.divide(overlap, power, out=np.full(first.shape, np.nan), where=power > 0)
    return left


def _average_resets(left: Array, threshold: Array, is_hard: bool) -> MeasuredValue:
    """Resets in thresholds above rest, from what was read of each sample: median and interval."""
    share = left / threshold if is_hard else 1 + left / threshold
    count = np.maximum(np.isfinite(share).sum(axis=0), 1)
    # Spikes that were missed or guessed wrongly make a few values that mean nothing.
    is_read = np.isfinite(share).any(axis=0)
    quantiles = np.nanquantile(np.where(is_read, share, 0.0), (0.159, 0.5, 0.841), axis=0)
    low, middle, high = np.where(is_read, quantiles, np.nan)
    return MeasuredValue(middle, 1.96 * 1.253 * (high - low) / 2 / np.sqrt(count))
