"""The survey of a device: every measurement in its order, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from drivers import Device, Identity
from hil.characterisation import converter, lines, storage, synapses, thresholds
from hil.characterisation.bench import Bench
from hil.characterisation.converter import Converter
from hil.characterisation.estimators import Array, Estimate
from hil.characterisation.relay import Stage
from hil.characterisation.storage import Storage
from hil.characterisation.synapses import Membranes
from hil.characterisation.thresholds import Thresholds

# Told what is measured next.
Watch = Callable[[str], None]
# Times that a survey tells for each layer of neurons, and for the whole device.
LAYER_STAGES, DEVICE_STAGES = 3, 2


def unwatched(stage: str) -> None:
    """Let nobody know."""


@dataclass(frozen=True)
class Neurons:
    """A layer of n neurons and the projection to it. What was not measured is None.

    A neuron's own threshold is the unit of what is inside it: only ratios to it can be told from
    outside, since neither its volts nor the gain of its readout are known by themselves.

    Attributes:
        threshold_over_gain: `(n,)` in nominal thresholds: the weight whose event fires it, for a
            synapse that is the mean of its synapses.
        time_constant: `(n,)` in seconds.
        readout_gain: `(n,)`: membrane sample at the neuron's threshold less that at rest, in
            nominal thresholds. It is the product of the channel's gain and the threshold.
        readout_offset: `(n,)` in nominal thresholds: sample right after reset, without input.
        bias: `(n,)` in the neuron's thresholds above rest.
        reset: `(n,)` in the neuron's thresholds above rest.
        synapse_gain: `(n_pre, n)`, beside the mean of the neuron's synapses.
        dead: `(n,)`, who never fires.
        tonic: `(n,)`, who fires without input.
    """

    threshold_over_gain: Estimate
    time_constant: Estimate | None
    readout_gain: Estimate | None
    readout_offset: Estimate | None
    bias: Estimate | None
    reset: Estimate | None
    synapse_gain: Estimate | None
    dead: NDArray[np.bool_]
    tonic: NDArray[np.bool_]


@dataclass(frozen=True)
class Survey:
    """A device, as measured.

    Attributes:
        identity: Which device.
        layers: Sizes of the network that was mapped on it, the input first.
        dt: Length of a step, in seconds.
        reset: What a spike does to the membrane.
        nominal_time_constant: In seconds; None where the maker does not say.
        neurons: Each layer of neurons; None for one that shows neither spikes nor membranes.
        membrane_noise: Standard deviation of a membrane at rest, in thresholds.
        readout_noise: Standard deviation of the noise of a sample, in nominal thresholds, without
            the rounding of the converter.
        programming_noise: Standard deviation of a programmed weight, in full scales.
        spike_loss: Share of the output's spikes that do not reach the host.
        hidden_spike_loss: The same of the hidden layers.
        converter: Of the membranes.
        storage: Of the first projection.
        skipped: What could not be measured, and why.
    """

    identity: Identity
    layers: tuple[int, ...]
    dt: float
    reset: str
    nominal_time_constant: float | None
    neurons: tuple[Neurons | None, ...]
    membrane_noise: Estimate | None
    readout_noise: Estimate | None
    programming_noise: float | None
    spike_loss: Estimate | None
    hidden_spike_loss: Estimate | None
    converter: Converter | None
    storage: Storage
    skipped: Mapping[str, str] = field(default_factory=dict)


def survey(
    device: Device,
    layers: Sequence[int],
    settings: Mapping[str, float] | None = None,
    trims: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    trial: int = 0,
    watch: Watch = unwatched,
) -> Survey:
    """Measure a device through its contract alone. It is configured anew many times.

    Args:
        device: The open device.
        layers: Sizes of the network to map on it, the input first.
        settings: Nominal settings under which it is measured.
        trims: Settings of each neuron under which it is measured.
        trial: Number of the first run; others see other noise.
        watch: Is told what is measured next.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
    """
    bench = Bench(device, tuple(layers), trims or {}, settings or {}, trial)
    info = device.info
    bench.map([bench.scale(p, 1.0) for p in range(bench.depth)])
    stages: list[Stage] = []
    found: list[Neurons | None] = []
    seen: list[tuple[Membranes | None, Thresholds | None]] = []
    losses: list[tuple[float, float, float] | None] = []
    skipped: dict[str, str] = {}
    for layer in range(1, bench.depth + 1):
        if stages and not stages[-1].live.size:
            skipped[f"layers {layer} and above"] = "no neuron before them fires"
            break
        watch(f"layer {layer}: synapses and membranes")
        membranes = synapses.measure(bench, layer, stages)
        watch(f"layer {layer}: thresholds")
        fired = thresholds.measure(bench, layer, stages, membranes)
        seen.append((membranes, fired))
        found.append(_neurons(membranes, fired, info.dt))
        stages.append(_stage(bench, layer, membranes, fired))
        watch(f"layer {layer}: lost spikes")
        losses.append(lines.measure(bench, layer, stages) if fired is not None else None)
        _explain(skipped, bench, layer, membranes, fired)
    found += [None] * (bench.depth - len(found))
    # Gains were found from the events that arrived.
    lost = next((loss[0] for loss in losses if loss is not None), 0.0)
    found = [
        _arrived(n, lost) if n is not None and (i > 0 or not bench.currents) else n
        for i, n in enumerate(found)
    ]
    watch("converter")
    read = None
    first = seen[0][0]
    if first is not None and "none" in info.offer("membrane", 1, bench.depth).reductions:  # type: ignore[union-attr]
        read = converter.measure(bench)
        if read is None:
            skipped["converter"] = "samples show no codes within the range that membranes reach"
    else:
        skipped["converter"] = "the first layer gives no membrane samples one by one"
    known = [(m, t) for m, t in seen if m is not None and t is not None]
    if not any(m.membrane_noise is not None for m, _ in known):
        skipped["membrane and readout noise"] = "no layer gives a membrane sample of every step"
    hidden = [loss for loss in losses[:-1] if loss is not None]
    if bench.depth > 1 and not hidden:
        skipped["hidden spike loss"] = "hidden spikes are not shown, or not at every step"
    watch("storage of weights")
    output = losses[-1] if len(losses) == bench.depth else None
    if output is None:
        skipped["spike loss"] = "the output cannot be made to fire in every step"
    return Survey(
        info.identity,
        bench.layers,
        info.dt,
        info.reset,
        None if not info.decay else -info.dt / float(np.log(info.decay)),
        tuple(found),
        _membrane_noise(known),
        _readout_noise(known, read),
        first.programming_noise if first is not None else None,
        None if output is None else _share(output),
        None if not hidden else _share(hidden[0]),
        read,
        storage.measure(bench, first),
        skipped,
    )


def _neurons(membranes: Membranes | None, fired: Thresholds | None, dt: float) -> Neurons | None:
    if membranes is None:
        return None if fired is None else _by_spikes(fired)
    size = membranes.dead.size
    if fired is None:
        # Without a sign of spikes, a threshold is taken to read as nominal.
        dead, threshold = membranes.dead, Estimate(np.ones(size), np.zeros(size))
    else:
        dead = membranes.dead | (~fired.fired & ~(fired.largest > 0))
        threshold = _reached(fired)
    level = np.where(dead, np.nan, threshold.value)
    tau, bias = membranes.time_constant, membranes.bias
    value = np.where(dead, np.nan, membranes.gain.value)
    half = np.where(dead, np.nan, membranes.gain.half)
    counted = np.maximum(np.isfinite(value).sum(axis=0), 1)
    per_event = np.where(dead, np.nan, np.nansum(value, axis=0) / counted)
    blur = np.sqrt(np.nansum(half**2, axis=0)) / counted / per_event
    ratio = level / per_event
    return Neurons(
        Estimate(ratio, np.abs(ratio) * np.hypot(threshold.half / level, blur)),
        Estimate(tau.value * dt, tau.half * dt),
        None if fired is None else Estimate(level, np.where(dead, np.nan, threshold.half)),
        membranes.offset,
        Estimate(bias.value / level, bias.half / level),
        None if fired is None else fired.reset,
        Estimate(value / per_event, half / per_event),
        dead,
        membranes.tonic,
    )


def _by_spikes(fired: Thresholds) -> Neurons:
    ratio = Estimate(np.where(fired.fired, fired.threshold.value, np.nan), fired.threshold.half)
    silent = np.zeros(fired.fired.size, bool)
    return Neurons(ratio, None, None, None, None, None, None, ~fired.fired, silent)


def _reached(fired: Thresholds) -> Estimate:
    """Thresholds; of a neuron that never fired, the largest membrane that it was brought to."""
    found = fired.threshold
    value = np.where(np.isfinite(found.value), found.value, fired.largest)
    return Estimate(value, found.half)


def _arrived(neurons: Neurons, lost: float) -> Neurons:
    ratio = neurons.threshold_over_gain
    arrived = Estimate(ratio.value * (1 - lost), ratio.half * (1 - lost))
    return replace(neurons, threshold_over_gain=arrived)


def _stage(
    bench: Bench, layer: int, membranes: Membranes | None, fired: Thresholds | None
) -> Stage:
    n_pre, size = bench.layers[layer - 1 : layer + 1]
    if fired is None:
        return Stage(np.ones((n_pre, size)), np.arange(size))
    if membranes is None:
        return Stage(np.tile(fired.threshold.value, (n_pre, 1)), np.flatnonzero(fired.fired))
    gain = membranes.gain.value
    needed = np.divide(
        np.broadcast_to(fired.threshold.value, gain.shape),
        gain,
        out=np.full(gain.shape, np.nan),
        where=gain > 0,
    )
    return Stage(needed, np.flatnonzero(~membranes.dead & ~membranes.tonic & fired.fired))


def _explain(
    skipped: dict[str, str],
    bench: Bench,
    layer: int,
    membranes: Membranes | None,
    fired: Thresholds | None,
) -> None:
    if membranes is None:
        skipped[f"layer {layer}: time constant, bias, reset, readout, synapses"] = (
            "its membranes are not shown"
        )
    elif fired is not None and fired.reset is None:
        skipped[f"layer {layer}: reset"] = "its membranes are not sampled at every step"
    if fired is None:
        skipped[f"layer {layer}: threshold, dead neurons"] = (
            "neither its spikes nor its membranes show when it fires; taken as nominal"
        )


def _share(loss: tuple[float, float, float]) -> Estimate:
    value, low, high = loss
    return Estimate(np.asarray(value), np.asarray((high - low) / 2))


def _pooled(values: Sequence[Array]) -> Estimate | None:
    """Median over neurons, with the interval of a median of normal values."""
    found = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    if found.size < 2:
        return None
    half = 1.96 * 1.2533 * found.std(ddof=1) / np.sqrt(found.size)
    return Estimate(np.asarray(np.median(found)), np.asarray(half))


def _membrane_noise(known: Sequence[tuple[Membranes, Thresholds]]) -> Estimate | None:
    return _pooled(
        [m.membrane_noise / t.threshold.value for m, t in known if m.membrane_noise is not None]
    )


def _readout_noise(
    known: Sequence[tuple[Membranes, Thresholds]], read: Converter | None
) -> Estimate | None:
    # Rounding to a step adds the variance of a uniform number: step^2 / 12.
    rounding = 0.0 if read is None else read.step**2 / 12
    return _pooled(
        [
            np.sqrt(np.maximum(m.readout_noise**2 - rounding, 0))
            for m, _ in known
            if m.readout_noise is not None
        ]
    )
