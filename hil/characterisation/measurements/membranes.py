"""Synapses and membranes of a layer: gains, time constants, offsets, biases and noise.

One neuron of the layer before is driven at a time, through negative weights: the membrane goes
down, far from any threshold, and nothing in this measurement fires unless it fires by itself. A
membrane that cannot go below its rest is driven up, less far than its threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.characterisation import estimators
from hil.characterisation.bench import Indices, LayerBench, LayerRecording, Matrix
from hil.characterisation.estimators import Array, ChargeTiming, MeasuredValue, Samples

# How far from rest the membranes are brought, in nominal thresholds; so that the most
# sensitive ones stay within a converter.
DEPTH = 0.5
# Writes of the same projection, each programming every cell anew, and as many runs without input,
# so that each write is compared with one of its own.
WRITES = 5
# Attempts to find the weights that bring membranes there.
TRIES = 4
# A membrane that goes by no more than this share of it cannot go below rest: it is driven up.
STUCK = 0.05
# A neuron whose membrane moves by less than this share of the usual is dead.
RESPONSE = 0.15
# A neuron is tonic when it fires in so large a share of runs without input.
TONIC = 0.5
# Share of samples that have to be without a spike for their mean to count.
ENOUGH_COUNT = 0.9
# A membrane that falls by so much in a step, in nominal thresholds, was reset.
FALL = 0.5


@dataclass(frozen=True)
class MembraneMeasurement:
    """A layer of n neurons as measured through its membranes.

    Attributes:
        gain: What an event of weight 1 adds, as read, `(n_pre, n)` in nominal thresholds.
        decay: What a step leaves of a membrane, `(n,)`.
        time_constant: In steps, `(n,)`.
        offset: The readout at reset, `(n,)` in nominal thresholds.
        bias: Where a bias holds the membrane above that, as read, `(n,)`.
        dead: Which neurons' membranes do not move, `(n,)`.
        tonic: Which neurons fire without input, `(n,)`.
        membrane_noise: Standard deviation of the membrane at rest, as read, `(n,)`; None where
            not every step is sampled.
        readout_noise: Standard deviation of the noise of one sample, `(n,)`, or None.
        programming_noise: Standard deviation of a programmed weight, in full scales.
        weight: |weight| of the synapses through which all this was measured.
    """

    gain: MeasuredValue
    decay: Array
    time_constant: MeasuredValue
    offset: MeasuredValue
    bias: MeasuredValue
    dead: NDArray[np.bool_]
    tonic: NDArray[np.bool_]
    membrane_noise: Array | None
    readout_noise: Array | None
    programming_noise: float
    weight: float


@dataclass(frozen=True)
class Baseline:
    """Membranes of a layer of n neurons without input, from R repeated runs.

    Other recordings are compared with it.

    Attributes:
        samples: Membrane samples of all runs, `(K, B, n)`.
        mask: 1 where no spike came before a sample, so that it counts, `(K, B, n)`; None for all.
        bases: Mean of the counting samples of each run, `(R, K, 1, n)`.
        is_valid: Where enough samples count for that mean, `(K, 1, n)`; None for all.
        tonic: Which neurons fire without input, `(n,)`.
    """

    samples: Samples
    mask: Samples | None
    bases: Samples
    is_valid: NDArray[np.bool_] | None
    tonic: NDArray[np.bool_]

    def mask_of(self, unspiked: Samples | None) -> Samples | None:
        """Mark samples of another run that can be compared, `(K, B or 1, n)`; None for all.

        Args:
            unspiked: 1 for samples of that run that no spike came before, `(K, B, n)`; None for
                all.
        """
        if self.is_valid is None:
            return unspiked
        valid = self.is_valid.astype(np.float32)
        return valid if unspiked is None else unspiked * valid


@dataclass(frozen=True)
class DrivenResponses:
    """Responses of a layer while one neuron before it is driven at a time.

    Attributes:
        moved: Samples less the baseline, `(K, B, n)` for each write.
        masks: 1 where a sample counts, the same shapes; None for all.
        stored: The weight of each write, as stored, `(WRITES,)`.
    """

    moved: list[Samples]
    masks: list[Samples | None]
    stored: Array

    def gains(self, shape: Array) -> Array:
        """Charge of an event of weight 1, by each write, `(WRITES, B, n)`."""
        amplitudes = [
            estimators.fit_amplitudes(y, m, shape)
            for y, m in zip(self.moved, self.masks, strict=True)
        ]
        return np.stack(amplitudes) / self.stored[:, None, None]

    def scatter(self, shape: Array, baseline: Baseline, still: NDArray[np.bool_]) -> float:
        """Standard deviation of a weight from write to write, beside what noise blurs."""
        gains = self.gains(shape)[:, :, still]
        resting = baseline.samples - baseline.bases.mean(axis=0)
        blur = estimators.fit_amplitudes(resting, baseline.mask, shape)[:, still]
        moves = (gains - gains.mean(axis=0)) * self.stored[:, None, None]
        scattered = (moves**2).sum(axis=0) / (WRITES - 1) - blur.var(axis=0)
        power = float((gains.mean(axis=0) ** 2).sum())
        return float(np.sqrt(max(float(scattered.sum()) / power, 0.0))) if power > 0 else 0.0


def measure(layer: LayerBench) -> MembraneMeasurement | None:
    """Measure a layer through its membranes.

    Args:
        layer: The layer.

    Returns:
        The measurement; None where the device does not show the membranes of this layer.
    """
    bench, timing = layer.bench, layer.charge_timing
    usual = bench.decay
    steps = bench.settling_steps(usual)
    sampling = layer.sampling(steps)
    if sampling is None:
        return None
    weight = -DEPTH / float(estimators.response(np.array([usual]), steps, timing)[-1, 0])
    room, sources = layer.channels, layer.sources
    blocks = [sources[i : i + room] for i in range(0, sources.size, room)]
    # By the membranes of the first block the others are analysed.
    active, relays = _drive_one_by_one(layer, blocks[0])
    weight, baseline, driven = _measure_first_block(
        layer, blocks[0], active, relays, sampling, weight
    )
    time_constant, dead = _fit_time_constants(driven, sampling, timing, baseline.tonic)
    decay = np.exp(-1 / time_constant.value)
    responds = np.isfinite(decay)
    decay = np.where(responds, decay, np.median(decay[responds]) if responds.any() else usual)
    shape = sampling @ estimators.response(decay, steps, timing)
    gains = np.full((WRITES, *layer.shape), np.nan)
    _enter_gains(gains, layer, blocks[0], relays, driven.gains(shape))
    still = ~(dead | baseline.tonic)
    programming_noise = driven.scatter(shape, baseline, still)
    for block in blocks[1:]:
        active, relays = _drive_one_by_one(layer, block)
        layer.map(relays, abs(weight))
        driven = _measure_driven(layer, block, active, sampling, weight, baseline)
        _enter_gains(gains, layer, block, relays, driven.gains(shape))

    offset, bias = _fit_rest(baseline, sampling, decay, time_constant)
    membrane_noise, readout_noise = None, None
    if layer.is_sampled_every_step:
        correlated, white = estimators.separate_noise(baseline.samples, decay)
        membrane_noise = np.where(still, np.sqrt(np.maximum(correlated, 0)), np.nan)
        readout_noise = np.where(baseline.tonic, np.nan, np.sqrt(np.maximum(white, 0)))
    return MembraneMeasurement(
        gain=estimators.average_repeats(gains),
        decay=decay,
        time_constant=time_constant,
        offset=offset,
        bias=bias,
        dead=dead,
        tonic=baseline.tonic,
        membrane_noise=membrane_noise,
        readout_noise=readout_noise,
        programming_noise=programming_noise / bench.scale(layer.number - 1, abs(weight)),
        weight=abs(weight),
    )


def _drive_one_by_one(layer: LayerBench, block: Indices) -> tuple[NDArray[np.bool_], list[Matrix]]:
    """Inputs `(B, n_in)` that drive one neuron of a block in each sample, and their relays."""
    active = np.zeros((block.size, layer.bench.layers[0]), bool)
    active[np.arange(block.size), np.arange(block.size) if layer.before else block] = True
    return active, layer.relays_to([np.array([j]) for j in block])


def _enter_gains(
    gains: Array, layer: LayerBench, block: Indices, relays: Sequence[Matrix], measured: Array
) -> None:
    """Enter the gains of a block; NaN for neurons that no synapse is strong enough to drive."""
    gains[:, block] = measured
    if relays:
        gains[:, block[~layer.reach(relays)[np.arange(block.size), block]]] = np.nan


def _measure_first_block(
    layer: LayerBench,
    block: Indices,
    active: NDArray[np.bool_],
    relays: Sequence[Matrix],
    sampling: Array,
    weight: float,
) -> tuple[float, Baseline, DrivenResponses]:
    """Drive the first block, with a weight that brings membranes about `DEPTH` away from rest.

    Returns:
        That weight, the layer without input and with it.
    """
    for attempt in range(TRIES):
        layer.map(relays, abs(weight))
        baseline = _measure_baseline(layer, active, sampling)
        driven = _measure_driven(layer, block, active, sampling, weight, baseline)
        moved = float(np.sign(weight) * np.median(driven.moved[0][-1]))
        if 0.5 * DEPTH < moved < 1.5 * DEPTH or attempt == TRIES - 1:
            break
        if weight < 0 and moved < STUCK * DEPTH and attempt == 0:
            weight = -weight
        else:
            weight *= float(np.clip(DEPTH / max(moved, 1e-3), 0.1, 10))
    return weight, baseline, driven


def _measure_baseline(layer: LayerBench, active: NDArray[np.bool_], sampling: Array) -> Baseline:
    """Record a layer whose incoming weights are zero, as often as weights are written.

    Args:
        layer: The layer, mapped, which shows its membranes.
        active: `(B, n_in)`, inputs that are driven.
        sampling: `(K, T)`, from steps to samples.
    """
    recording = layer.record(active, sampling.shape[1], WRITES)
    samples = recording.membrane
    assert samples is not None
    mask, is_valid = _mask_until_spike(layer, recording, sampling), None
    if mask is not None:
        # Samples before a spike that are few are those of late spikes, and low.
        is_valid = mask.mean(axis=1, keepdims=True) > ENOUGH_COUNT
        mask = mask * is_valid.astype(np.float32)
    parts = [slice(r * len(active), (r + 1) * len(active)) for r in range(WRITES)]
    bases = [_masked_mean(samples[:, p], None if mask is None else mask[:, p])[0] for p in parts]
    if recording.counts is not None:
        has_fired = recording.counts > 0
    else:
        first = _first_spikes(layer, recording)
        has_fired = np.zeros(samples.shape[1:], bool) if first is None else first < len(samples)
    return Baseline(
        samples=samples,
        mask=mask,
        bases=np.stack(bases)[:, :, None].astype(np.float32),
        is_valid=is_valid,
        tonic=np.asarray(has_fired.mean(axis=0) > TONIC),
    )


def _measure_driven(
    layer: LayerBench,
    block: Indices,
    active: NDArray[np.bool_],
    sampling: Array,
    weight: float,
    baseline: Baseline,
) -> DrivenResponses:
    moved, masks, stored = [], [], []
    for write in range(WRITES):
        # Two weights in turn: a device programs only the cells that change.
        matrix = np.zeros(layer.shape, np.float32)
        matrix[block] = weight * (1.0 if write % 2 == 0 else 0.9)
        kept = layer.write(matrix)
        recording = layer.record(active, sampling.shape[1])
        assert recording.membrane is not None
        masks.append(baseline.mask_of(_mask_until_spike(layer, recording, sampling)))
        moved.append(recording.membrane - baseline.bases[write])
        stored.append(float(kept[block[0], 0]))
    return DrivenResponses(moved, masks, np.array(stored))


def _masked_mean(samples: Samples, mask: Samples | None) -> tuple[Array, Array]:
    """Mean over the batch `(K, n)`, and how much each value counts."""
    if mask is None:
        return samples.mean(axis=1, dtype=np.float64), np.ones(samples.shape[::2])
    mask = np.broadcast_to(mask, samples.shape)
    count = mask.sum(axis=1, dtype=np.float64)
    total = (samples * mask).sum(axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0), count


def _mask_until_spike(
    layer: LayerBench, recording: LayerRecording, sampling: Array
) -> Samples | None:
    """1 for samples that no spike came before, `(K, B, n)`; None where there was no spike."""
    first, steps = _first_spikes(layer, recording), sampling.shape[1]
    if first is None and recording.counts is not None:
        first = np.where(recording.counts > 0, 0, steps)
    if first is None or not (first < steps).any():
        return None
    # A sample holds nothing later than the last step that has a part in it.
    last = steps - 1 - np.argmax(sampling[:, ::-1] > 0, axis=1) + layer.is_sampled_after_reset
    return np.asarray(last[:, None, None] <= first, np.float32)


def _first_spikes(layer: LayerBench, recording: LayerRecording) -> Indices | None:
    """Step of the first spike `(B, n)`, T where there is none, or None where none can be told."""
    if recording.raster is not None:
        return estimators.first_spikes(recording.raster)
    if recording.membrane is None or not layer.is_sampled_every_step:
        return None
    fall = estimators.first_spikes(np.diff(recording.membrane, axis=0) < -FALL)
    return np.where(fall < len(recording.membrane) - 1, fall, len(recording.membrane))


def _fit_rest(
    baseline: Baseline, sampling: Array, decay: Array, time_constant: MeasuredValue
) -> tuple[MeasuredValue, MeasuredValue]:
    """Offset and bias; before a spike, a bias is known only as well as the decay."""
    steps = sampling.shape[1]
    later = np.exp(-1 / (time_constant.value + time_constant.half))
    (offset, bias), (_, slow) = (
        estimators.fit_rest(
            baseline.samples, baseline.mask, sampling @ estimators.charging_curve(d, steps)
        )
        for d in (decay, np.where(np.isfinite(later), later, decay))
    )
    return offset, MeasuredValue(bias.value, np.hypot(bias.half, slow.value - bias.value))


def _fit_time_constants(
    driven: DrivenResponses, sampling: Array, timing: ChargeTiming, tonic: NDArray[np.bool_]
) -> tuple[MeasuredValue, NDArray[np.bool_]]:
    """Time constants in steps, NaN for dead neurons, and which are dead."""
    means = [_masked_mean(y, m) for y, m in zip(driven.moved, driven.masks, strict=True)]
    decays = np.stack([estimators.fit_decay(y, w, sampling, timing) for y, w in means])
    reached = np.median(np.abs([np.where(w > 0, y, 0.0)[-1] for y, w in means]), axis=0)
    dead = ~(reached > RESPONSE * np.median(reached)) & ~tonic
    decays[:, dead] = np.nan
    return estimators.average_repeats(-1 / np.log(decays)), dead
