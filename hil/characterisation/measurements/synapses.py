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
from hil.characterisation.bench import Bench
from hil.characterisation.estimators import Array, Drive, Estimate, Samples
from hil.characterisation.measurements import baseline as baselines
from hil.characterisation.measurements.baseline import Baseline, mean, until_first_spike
from hil.characterisation.relay import MeasuredLayer, capacity, reach, relays, write_relays

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


@dataclass(frozen=True)
class MembraneMeasurement:
    """What was measured of a layer of n neurons through its membranes.

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

    gain: Estimate
    decay: Array
    time_constant: Estimate
    offset: Estimate
    bias: Estimate
    dead: NDArray[np.bool_]
    tonic: NDArray[np.bool_]
    membrane_noise: Array | None
    readout_noise: Array | None
    programming_noise: float
    weight: float


def measure(
    bench: Bench, layer: int, measured: Sequence[MeasuredLayer]
) -> MembraneMeasurement | None:
    """Measure a layer through its membranes.

    Args:
        bench: The bench.
        layer: Layer of neurons, 1 to L.
        measured: The layers before it.

    Returns:
        The measurement; None where the device does not show the membranes of this layer.
    """
    usual = bench.decay
    steps, drive = bench.steps(usual), bench.drive(layer)
    sampling = bench.sampling(layer, steps)
    if sampling is None:
        return None
    weight = -DEPTH / float(estimators.response(np.array([usual]), steps, drive)[-1, 0])
    blocks = _blocks(bench, layer, measured)
    # By the membranes of the first block the others are analysed.
    active, chains = _one_by_one(bench, blocks[0], measured)
    weight, baseline, driven = _first_block(
        bench, layer, blocks[0], active, chains, sampling, weight
    )
    time_constant, dead = _time_constants(driven, sampling, drive, baseline.tonic)
    decay = np.exp(-1 / time_constant.value)
    responds = np.isfinite(decay)
    decay = np.where(responds, decay, np.median(decay[responds]) if responds.any() else usual)
    shape = sampling @ estimators.response(decay, steps, drive)
    gains = np.full((WRITES, *bench.layers[layer - 1 : layer + 1]), np.nan)
    gains[:, blocks[0]] = driven.gains(shape)
    gains[:, _unreached(blocks[0], chains)] = np.nan
    still = ~(dead | baseline.tonic)
    programming_noise = driven.scatter(shape, baseline, still)
    for block in blocks[1:]:
        active, chains = _one_by_one(bench, block, measured)
        write_relays(bench, chains, abs(weight))
        driven = _driven(bench, layer, block, active, sampling, weight, baseline)
        gains[:, block] = driven.gains(shape)
        gains[:, _unreached(block, chains)] = np.nan

    offset, bias = _rest(baseline, sampling, decay, time_constant)
    membrane_noise, readout_noise = _noise(bench, layer, baseline, decay, still)
    return MembraneMeasurement(
        gain=estimators.from_repeats(gains),
        decay=decay,
        time_constant=time_constant,
        offset=offset,
        bias=bias,
        dead=dead,
        tonic=baseline.tonic,
        membrane_noise=membrane_noise,
        readout_noise=readout_noise,
        programming_noise=programming_noise / bench.scale(layer - 1, abs(weight)),
        weight=abs(weight),
    )


@dataclass(frozen=True)
class Driven:
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
        """What an event of weight 1 adds, by each write, `(WRITES, B, n)`."""
        amplitudes = [
            estimators.amplitudes(y, m, shape) for y, m in zip(self.moved, self.masks, strict=True)
        ]
        return np.stack(amplitudes) / self.stored[:, None, None]

    def scatter(self, shape: Array, baseline: Baseline, still: NDArray[np.bool_]) -> float:
        """Standard deviation of a weight from write to write, beside what noise blurs."""
        gains = self.gains(shape)[:, :, still]
        blur = estimators.amplitudes(
            baseline.samples - baseline.bases.mean(axis=0), baseline.mask, shape
        )[:, still]
        moves = (gains - gains.mean(axis=0)) * self.stored[:, None, None]
        scattered = (moves**2).sum(axis=0) / (WRITES - 1) - blur.var(axis=0)
        power = float((gains.mean(axis=0) ** 2).sum())
        return float(np.sqrt(max(float(scattered.sum()) / power, 0.0))) if power > 0 else 0.0


def _blocks(bench: Bench, layer: int, measured: Sequence[MeasuredLayer]) -> list[NDArray[np.int64]]:
    """Neurons before a layer that can be driven, in blocks of those that fit in one run."""
    pre = measured[-1].live if measured else np.arange(bench.layers[layer - 1])
    room = capacity(bench, measured)
    return [pre[i : i + room] for i in range(0, pre.size, room)]


def _one_by_one(
    bench: Bench, block: NDArray[np.int64], measured: Sequence[MeasuredLayer]
) -> tuple[NDArray[np.bool_], list[NDArray[np.float32]]]:
    """Inputs `(B, n_in)` that drive one neuron of a block in each sample, and their relays."""
    active = np.zeros((block.size, bench.layers[0]), bool)
    active[np.arange(block.size), np.arange(block.size) if measured else block] = True
    return active, relays(bench, measured, [np.array([j]) for j in block]) if measured else []


def _first_block(
    bench: Bench,
    layer: int,
    block: NDArray[np.int64],
    active: NDArray[np.bool_],
    chains: Sequence[NDArray[np.float32]],
    sampling: Array,
    weight: float,
) -> tuple[float, Baseline, Driven]:
    """Drive the first block, with a weight that brings membranes about `DEPTH` away from rest.

    Returns:
        That weight, the layer without input and with it.
    """
    for attempt in range(TRIES):
        write_relays(bench, chains, abs(weight))
        baseline = baselines.measure(bench, layer, active, sampling, WRITES)
        driven = _driven(bench, layer, block, active, sampling, weight, baseline)
        moved = float(np.sign(weight) * np.median(driven.moved[0][-1]))
        if 0.5 * DEPTH < moved < 1.5 * DEPTH or attempt == TRIES - 1:
            break
        if weight < 0 and moved < STUCK * DEPTH and attempt == 0:
            weight = -weight
        else:
            weight *= float(np.clip(DEPTH / max(moved, 1e-3), 0.1, 10))
    return weight, baseline, driven


def _noise(
    bench: Bench, layer: int, baseline: Baseline, decay: Array, still: NDArray[np.bool_]
) -> tuple[Array | None, Array | None]:
    """Standard deviations of membrane and readout noise `(n,)`; None unless every step is shown."""
    if not bench.samples_every_step(layer):
        return None, None
    correlated, white = estimators.separate_noise(baseline.samples, decay)
    membrane = np.where(still, np.sqrt(np.maximum(correlated, 0)), np.nan)
    return membrane, np.where(baseline.tonic, np.nan, np.sqrt(np.maximum(white, 0)))


def _unreached(
    block: NDArray[np.int64], chains: Sequence[NDArray[np.float32]]
) -> NDArray[np.int64]:
    """Neurons of a block that no synapse is strong enough to drive."""
    if not chains:
        return block[:0]
    unreached: NDArray[np.int64] = block[~reach(chains)[np.arange(block.size), block]]
    return unreached


def _driven(
    bench: Bench,
    layer: int,
    block: NDArray[np.int64],
    active: NDArray[np.bool_],
    sampling: Array,
    weight: float,
    baseline: Baseline,
) -> Driven:
    moved, masks, stored = [], [], []
    for write in range(WRITES):
        # Two weights in turn: a device programs only the cells that change.
        matrix = np.zeros(bench.layers[layer - 1 : layer + 1], np.float32)
        matrix[block] = weight * (1.0 if write % 2 == 0 else 0.9)
        kept = bench.device.write_weights(layer - 1, matrix)
        recording = bench.record(layer, active, sampling.shape[1])
        assert recording.membrane is not None
        masks.append(baseline.counting(until_first_spike(bench, layer, recording, sampling)))
        moved.append(recording.membrane - baseline.bases[write])
        stored.append(float(kept[block[0], 0]))
    return Driven(moved, masks, np.array(stored))


def _rest(
    baseline: Baseline, sampling: Array, decay: Array, time_constant: Estimate
) -> tuple[Estimate, Estimate]:
    """Offset and bias; before a spike, a bias is known only as well as the decay."""
    steps = sampling.shape[1]
    later = np.exp(-1 / (time_constant.value + time_constant.half))
    (offset, bias), (_, slow) = (
        estimators.rest(baseline.samples, baseline.mask, sampling @ estimators.charging(d, steps))
        for d in (decay, np.where(np.isfinite(later), later, decay))
    )
    return offset, Estimate(bias.value, np.hypot(bias.half, slow.value - bias.value))


def _time_constants(
    driven: Driven, sampling: Array, drive: Drive, tonic: NDArray[np.bool_]
) -> tuple[Estimate, NDArray[np.bool_]]:
    """Time constants in steps, NaN for dead neurons, and which are dead."""
    means = [mean(y, m) for y, m in zip(driven.moved, driven.masks, strict=True)]
    decays = np.stack([estimators.fit_decay(y, w, sampling, drive) for y, w in means])
    reached = np.median(np.abs([np.where(w > 0, y, 0.0)[-1] for y, w in means]), axis=0)
    dead = ~(reached > RESPONSE * np.median(reached)) & ~tonic
    decays[:, dead] = np.nan
    return estimators.from_repeats(-1 / np.log(decays)), dead


def amplitudes_of(bench: Bench, membranes: MembraneMeasurement) -> Array:
    """What the weights now on the device make each input move the first layer by, `(B, n)`.

    Args:
        bench: The bench.
        membranes: What is known of the first layer.

    Returns:
        For the first B inputs, as read, in nominal thresholds for each event.
    """
    steps = bench.steps(bench.decay)
    sampling = bench.sampling(1, steps)
    assert sampling is not None
    active = np.eye(bench.layers[0], dtype=bool)[: bench.batch]
    samples = bench.record(1, active, steps).membrane
    assert samples is not None
    charged = sampling @ estimators.charging(membranes.decay, steps)
    base = membranes.offset.value + charged * membranes.bias.value
    shape = sampling @ estimators.response(membranes.decay, steps, bench.drive(1))
    return estimators.amplitudes(samples - base[:, None].astype(np.float32), None, shape)
