"""The survey of a device: every measurement in its order, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers import Device, DeviceInfo
from hil.characterisation import layer_results
from hil.characterisation.bench import Bench
from hil.characterisation.estimators import Array, Estimate
from hil.characterisation.measurements import adc, spike_loss, storage, synapses, thresholds, timing
from hil.characterisation.measurements.adc import MeasuredADC
from hil.characterisation.measurements.spike_loss import SpikeLoss
from hil.characterisation.measurements.synapses import MembraneMeasurement
from hil.characterisation.measurements.thresholds import Thresholds
from hil.characterisation.relay import MeasuredLayer
from hil.characterisation.survey_data import MeasuredNeurons, Survey
from hil.characterisation.timing_data import MeasuredTiming

# Called with the name of each measurement before it starts.
Watch = Callable[[str], None]
# Calls of it for each layer of neurons, and for the whole device.
LAYER_STAGES, DEVICE_STAGES = 3, 3


def unwatched(stage: str) -> None:
    """Report nothing."""


@dataclass
class Measurements:
    """Measurements of the layers so far, in their order.

    Attributes:
        membranes: Of each layer; None where the device does not show them.
        thresholds: Of each layer; None where the device does not show when it fires.
        losses: Spikes lost between each layer and the host; None where it cannot be told.
        skipped: What could not be measured, and why.
    """

    membranes: list[MembraneMeasurement | None] = field(default_factory=list)
    thresholds: list[Thresholds | None] = field(default_factory=list)
    losses: list[SpikeLoss | None] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> list[tuple[MembraneMeasurement, Thresholds]]:
        """Layers of which both membranes and thresholds were measured."""
        return [
            (m, t)
            for m, t in zip(self.membranes, self.thresholds, strict=True)
            if m is not None and t is not None
        ]


def survey(
    device: Device,
    layers: Sequence[int],
    settings: Mapping[str, float] | None = None,
    trims: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    trial: int = 0,
    watch: Watch = unwatched,
    timed: MeasuredTiming | None = None,
) -> Survey:
    """Measure a device through its contract alone. It is configured anew many times.

    Args:
        device: The open device.
        layers: Sizes of the network to map on it, the input first.
        settings: Nominal settings under which it is measured.
        trims: Settings of each neuron under which it is measured.
        trial: Number of the first run; others see other noise.
        watch: Called with the name of each measurement before it starts.
        timed: Its timing, where that was measured before.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
    """
    info = device.info
    watch("timing")
    timed = timed or timing.measure(device, trial)
    known = timed.over(info)
    bench = Bench(device, tuple(layers), known, trims or {}, settings or {}, trial)
    bench.map([bench.scale(p, 1.0) for p in range(bench.depth)])
    results = _measure_layers(bench, watch)
    first, skipped = results.membranes[0], results.skipped
    watch("ADC")
    read = _measure_adc(bench, first, skipped)
    hidden = [loss for loss in results.losses[:-1] if loss is not None]
    output = results.losses[-1] if len(results.losses) == bench.depth else None
    skipped |= _not_told(bench, results, hidden, output)
    watch("storage of weights")
    stored = storage.measure(bench, first)
    # Where weights near 0 tell nothing, the noise of the largest ones is taken to be that of all.
    written = stored.noise or (None if first is None else (first.programming_noise, 0.0))
    return Survey(
        identity=info.identity,
        layers=bench.layers,
        dt=info.timing.dt,
        reset=bench.reset,
        timing=bench.measured,
        differences=tuple(timed.differences(info)),
        nominal_time_constant=_time_constant(info),
        neurons=_neurons(bench, results),
        membrane_noise=_membrane_noise(results.complete),
        readout_noise=_readout_noise(results.complete, read),
        programming_noise=None if written is None else written[0],
        programming_noise_relative=None if written is None else written[1],
        spike_loss=_estimate(output),
        hidden_spike_loss=_estimate(hidden[0] if hidden else None),
        adc=read,
        storage=stored,
        skipped=skipped,
    )


def _not_told(
    bench: Bench, results: Measurements, hidden: Sequence[SpikeLoss], output: SpikeLoss | None
) -> dict[str, str]:
    """What of noise and lost spikes could not be told, and why."""
    skipped = {}
    if not any(m.membrane_noise is not None for m, _ in results.complete):
        skipped["membrane and readout noise"] = "no layer gives a membrane sample of every step"
    if bench.depth > 1 and not hidden:
        skipped["hidden spike loss"] = "hidden spikes are not shown, or not at every step"
    if output is None:
        skipped["spike loss"] = "the output cannot be made to fire in every step"
    return skipped


def _time_constant(info: DeviceInfo) -> float | None:
    """What the maker states, in seconds; None where nothing is stated, nothing lasts or leaks."""
    if info.neuron.decay is None or not 0 < info.neuron.decay < 1:
        return None
    return -info.timing.dt / float(np.log(info.neuron.decay))


def _measure_layers(bench: Bench, watch: Watch) -> Measurements:
    """Measure layer after layer, up to the first that cannot be driven."""
    results = Measurements()
    measured: list[MeasuredLayer] = []
    for layer in range(1, bench.depth + 1):
        if measured and not measured[-1].live.size:
            results.skipped[f"layers {layer} and above"] = "no neuron before them fires"
            break
        watch(f"layer {layer}: synapses and membranes")
        membranes = synapses.measure(bench, layer, measured)
        watch(f"layer {layer}: thresholds")
        fired = thresholds.measure(bench, layer, measured, membranes)
        measured.append(layer_results.for_relays(bench, layer, membranes, fired))
        watch(f"layer {layer}: lost spikes")
        lost = spike_loss.measure(bench, layer, measured) if fired is not None else None
        results.membranes.append(membranes)
        results.thresholds.append(fired)
        results.losses.append(lost)
        results.skipped |= layer_results.not_measured(layer, membranes, fired)
    return results


def _measure_adc(
    bench: Bench, first: MembraneMeasurement | None, skipped: dict[str, str]
) -> MeasuredADC | None:
    """The ADC of the first layer; where it cannot be measured, the reason goes to `skipped`."""
    offer = bench.device.info.offer("membrane", 1, bench.depth)
    if first is None or offer is None or "none" not in offer.reductions:
        skipped["ADC"] = "the first layer gives no membrane samples one by one"
        return None
    read = adc.measure(bench)
    if read is None:
        skipped["ADC"] = "samples show no codes within the range that membranes reach"
    return read


def _neurons(bench: Bench, results: Measurements) -> tuple[MeasuredNeurons | None, ...]:
    """The neurons of each layer, corrected for the events that were lost on the way to them."""
    # Gains were found from the events that arrived.
    lost = next((loss.share for loss in results.losses if loss is not None), 0.0)
    neurons: list[MeasuredNeurons | None] = []
    for membranes, fired in zip(results.membranes, results.thresholds, strict=True):
        layer = layer_results.combined(membranes, fired, bench.device.info.timing.dt)
        if layer is not None and (neurons or not bench.currents):
            layer = layer_results.without_loss(layer, lost)
        neurons.append(layer)
    return (*neurons, *[None] * (bench.depth - len(neurons)))


def _estimate(loss: SpikeLoss | None) -> Estimate | None:
    if loss is None:
        return None
    return Estimate(np.asarray(loss.share), np.asarray((loss.high - loss.low) / 2))


def _pooled(values: Sequence[Array]) -> Estimate | None:
    """Median over neurons, with the interval of a median of normal values."""
    known = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    if known.size < 2:
        return None
    half = 1.96 * 1.2533 * known.std(ddof=1) / np.sqrt(known.size)
    return Estimate(np.asarray(np.median(known)), np.asarray(half))


def _membrane_noise(complete: Sequence[tuple[MembraneMeasurement, Thresholds]]) -> Estimate | None:
    return _pooled(
        [m.membrane_noise / t.threshold.value for m, t in complete if m.membrane_noise is not None]
    )


def _readout_noise(
    complete: Sequence[tuple[MembraneMeasurement, Thresholds]], read: MeasuredADC | None
) -> Estimate | None:
    # Rounding to a step adds the variance of a uniform number: step^2 / 12.
    rounding = 0.0 if read is None else read.step**2 / 12
    return _pooled(
        [
            np.sqrt(np.maximum(m.readout_noise**2 - rounding, 0))
            for m, _ in complete
            if m.readout_noise is not None
        ]
    )
