"""The survey of a device: every measurement in its order, layer by layer, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drivers import Device, DeviceInfo, Identity
from hil.characterisation import timing as timings
from hil.characterisation.bench import Bench, DrivableLayer, LayerBench
from hil.characterisation.estimators import Array, MeasuredValue, shrink_to_median
from hil.characterisation.measurements import adc, membranes, spike_loss, storage, thresholds
from hil.characterisation.measurements.adc import MeasuredADC
from hil.characterisation.measurements.membranes import MembraneMeasurement
from hil.characterisation.measurements.spike_loss import SpikeLoss
from hil.characterisation.measurements.storage import MeasuredStorage
from hil.characterisation.measurements.thresholds import ThresholdMeasurement
from hil.characterisation.timing import Difference, MeasuredTiming
from hil.partial_runs import check_capacity

# Measured quantities of a layer, in the order of the record.
QUANTITIES = (
    "threshold_over_gain",
    "time_constant",
    "readout_gain",
    "readout_offset",
    "bias",
    "reset",
    "synapse_gain",
)
# Storage of a twin's weights: with so many bits, on the measured grid, or exactly.
StorageForm = int | Literal["grid", "exact"]


@dataclass(frozen=True)
class MeasuredNeurons:
    """A layer of n neurons as measured, and the projection to it; None: not measured.

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
        dead: `(n,)`, which neurons never fire.
        tonic: `(n,)`, which neurons fire without input.
    """

    threshold_over_gain: MeasuredValue
    dead: NDArray[np.bool_]
    tonic: NDArray[np.bool_]
    time_constant: MeasuredValue | None = None
    readout_gain: MeasuredValue | None = None
    readout_offset: MeasuredValue | None = None
    bias: MeasuredValue | None = None
    reset: MeasuredValue | None = None
    synapse_gain: MeasuredValue | None = None

    def correct_loss(self, lost: float) -> MeasuredNeurons:
        """Correct thresholds that count the events that arrived, when a share of them was lost."""
        ratio = self.threshold_over_gain
        arrived = MeasuredValue(ratio.value * (1 - lost), ratio.half * (1 - lost))
        return replace(self, threshold_over_gain=arrived)

    def remove_errors(self) -> MeasuredNeurons:
        """Neurons that differ by what would be found again, and not by errors of measurement."""
        shrunk: dict[str, Any] = {}
        for name in QUANTITIES:
            value: MeasuredValue | None = getattr(self, name)
            if value is not None:
                shrunk[name] = MeasuredValue(shrink_to_median(value), value.half)
        return replace(self, **shrunk)


@dataclass(frozen=True)
class Survey:
    """A device as measured.

    Attributes:
        identity: Which device.
        layers: Sizes of the network that was mapped on it, the input first.
        dt: Length of a step, in seconds.
        reset: What a spike does to the membrane.
        timing: When events act and membranes are sampled.
        differences: What the device states otherwise than it was measured.
        nominal_time_constant: In seconds; None where the maker states none.
        neurons: Each layer of neurons; None for one that shows neither spikes nor membranes.
        membrane_noise: Standard deviation of a membrane at rest, in thresholds.
        readout_noise: Standard deviation of the noise of a sample, in nominal thresholds, without
            the rounding of the ADC.
        programming_noise: Standard deviation of a programmed weight near 0, in full scales.
        programming_noise_relative: Further such noise, in proportion to the weight.
        spike_loss: Share of the output's spikes that do not reach the host.
        hidden_spike_loss: The same of the hidden layers.
        adc: Of the membranes; None where its codes could not be told.
        storage: Of the first projection.
        skipped: What could not be measured, and why.
    """

    identity: Identity
    layers: tuple[int, ...]
    dt: float
    reset: str
    timing: MeasuredTiming
    differences: tuple[Difference, ...]
    nominal_time_constant: float | None
    neurons: tuple[MeasuredNeurons | None, ...]
    membrane_noise: MeasuredValue | None
    readout_noise: MeasuredValue | None
    programming_noise: float | None
    programming_noise_relative: float | None
    spike_loss: MeasuredValue | None
    hidden_spike_loss: MeasuredValue | None
    adc: MeasuredADC | None
    storage: MeasuredStorage
    skipped: Mapping[str, str] = field(default_factory=dict)

    def nonidealities(self, storage: StorageForm) -> dict[str, float]:
        """Noise, storage and converter, by the names that a chip file gives them.

        Args:
            storage: How weights are stored.
        """
        stated: dict[str, float] = {}
        for name, measured in (
            ("membrane_noise", self.membrane_noise),
            ("adc_noise", self.readout_noise),
            ("spike_loss", self.spike_loss or self.hidden_spike_loss),
        ):
            if measured is not None:
                stated[name] = round(min(float(measured.value), 1.0), 6)
        for name, noise, most in (
            ("programming_noise", self.programming_noise, 0.5),
            ("programming_noise_relative", self.programming_noise_relative, 1.0),
        ):
            if noise is not None and storage != "exact":
                stated[name] = round(min(noise, most), 6)
        if isinstance(storage, int) and storage:
            stated["weight_bits"] = storage
        if self.adc is not None:
            stated["adc_bits"] = self.adc.bits
            stated["adc_minimum"] = min(self.adc.minimum, 0.0)
            stated["adc_maximum"] = max(self.adc.maximum, 0.1)
        return stated


def combine_measurements(
    membranes: MembraneMeasurement | None, fired: ThresholdMeasurement | None, dt: float
) -> MeasuredNeurons | None:
    """Combine the measurements of a layer into its neurons.

    Args:
        membranes: Its membranes; None where the device does not show them.
        fired: Its thresholds; None where the device does not show when it fires.
        dt: Length of a step, in seconds.

    Returns:
        The neurons; None where the device shows nothing of the layer.
    """
    if membranes is None:
        if fired is None:
            return None
        ratio = np.where(fired.fired, fired.threshold.value, np.nan)
        half, tonic = fired.threshold.half, np.zeros(fired.fired.size, bool)
        return MeasuredNeurons(MeasuredValue(ratio, half), dead=~fired.fired, tonic=tonic)
    size = membranes.dead.size
    # Without a sign of spikes, a threshold is taken to read as nominal.
    dead, reached, blur = membranes.dead, np.ones(size), np.zeros(size)
    if fired is not None:
        dead = dead | (~fired.fired & ~(fired.largest > 0))
        # Of a neuron that never fired, the largest membrane that it was brought to.
        threshold = fired.threshold
        reached = np.where(np.isfinite(threshold.value), threshold.value, fired.largest)
        blur = threshold.half
    level = np.where(dead, np.nan, reached)
    tau, bias = membranes.time_constant, membranes.bias
    value = np.where(dead, np.nan, membranes.gain.value)
    half = np.where(dead, np.nan, membranes.gain.half)
    count = np.maximum(np.isfinite(value).sum(axis=0), 1)
    per_event = np.where(dead, np.nan, np.nansum(value, axis=0) / count)
    spread = np.sqrt(np.nansum(half**2, axis=0)) / count / per_event
    ratio = level / per_event
    return MeasuredNeurons(
        threshold_over_gain=MeasuredValue(ratio, np.abs(ratio) * np.hypot(blur / level, spread)),
        dead=dead,
        tonic=membranes.tonic,
        time_constant=MeasuredValue(tau.value * dt, tau.half * dt),
        readout_gain=(
            None if fired is None else MeasuredValue(level, np.where(dead, np.nan, blur))
        ),
        readout_offset=membranes.offset,
        bias=MeasuredValue(bias.value / level, bias.half / level),
        reset=None if fired is None else fired.reset,
        synapse_gain=MeasuredValue(value / per_event, half / per_event),
    )


# Called with the name of each measurement before it starts.
Watch = Callable[[str], None]
# Calls of it for each layer of neurons, and for the whole device.
LAYER_STAGES, DEVICE_STAGES = 3, 3


def ignore_stage(stage: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class LayerMeasurements:
    """Measurements of one layer.

    Attributes:
        membranes: None where the device does not show them.
        thresholds: None where the device does not show when it fires.
        loss: Spikes lost on the way to the host; None where it cannot be told.
    """

    membranes: MembraneMeasurement | None
    thresholds: ThresholdMeasurement | None
    loss: SpikeLoss | None


@dataclass
class Measurements:
    """Measurements of the layers so far, in their order.

    Attributes:
        layers: Of each layer.
        skipped: What could not be measured, and why.
    """

    layers: list[LayerMeasurements] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> list[tuple[MembraneMeasurement, ThresholdMeasurement]]:
        """Layers of which both membranes and thresholds were measured."""
        pairs = [(layer.membranes, layer.thresholds) for layer in self.layers]
        return [(m, t) for m, t in pairs if m is not None and t is not None]


def survey(
    device: Device,
    layers: Sequence[int],
    settings: Mapping[str, float] | None = None,
    trims: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    trial: int = 0,
    watch: Watch = ignore_stage,
    timing: MeasuredTiming | None = None,
) -> Survey:
    """Measure a device through its contract alone. It is configured anew many times.

    Args:
        device: The open device.
        layers: Sizes of the network to map on it, the input first.
        settings: Nominal settings under which it is measured.
        trims: Settings of each neuron under which it is measured.
        trial: Number of the first run; others see other noise.
        watch: Called with the name of each measurement before it starts.
        timing: Its timing, where that was measured before.

    Raises:
        DeviceError: When the device cannot hold the network, or fails.
    """
    info = device.info
    check_capacity(device, layers)
    watch("timing")
    timing = timing or timings.measure(device, trial)
    bench = Bench(device, tuple(layers), timing.fill_from(info), trims or {}, settings or {}, trial)
    bench.map()
    results = _measure_layers(bench, watch)
    first, skipped = results.layers[0].membranes, results.skipped
    watch("ADC")
    converter = _measure_adc(LayerBench(bench), first, skipped)
    losses = [layer.loss for layer in results.layers]
    output = losses.pop() if len(losses) == bench.depth else None
    hidden = next((loss for loss in losses if loss is not None), None)
    if not any(m.membrane_noise is not None for m, _ in results.complete):
        skipped["membrane and readout noise"] = "no layer gives a membrane sample of every step"
    if bench.depth > 1 and hidden is None:
        skipped["hidden spike loss"] = "hidden spikes are not shown, or not at every step"
    if output is None:
        skipped["spike loss"] = "the output cannot be made to fire in every step"
    watch("storage of weights")
    stored = storage.measure(LayerBench(bench), first)
    # Where weights near 0 tell nothing, the noise of the largest ones is taken to be that of all.
    noise = stored.noise or (None if first is None else (first.programming_noise, 0.0))
    return Survey(
        identity=info.identity,
        layers=bench.layers,
        dt=info.timing.dt,
        reset=bench.reset,
        timing=bench.measured,
        differences=timing.differences(info),
        nominal_time_constant=_nominal_time_constant(info),
        neurons=_combine_layers(bench, results),
        membrane_noise=_pool_membrane_noise(results.complete),
        readout_noise=_pool_readout_noise(results.complete, converter),
        programming_noise=noise and noise[0],
        programming_noise_relative=noise and noise[1],
        spike_loss=_to_value(output),
        hidden_spike_loss=_to_value(hidden),
        adc=converter,
        storage=stored,
        skipped=skipped,
    )


def _nominal_time_constant(info: DeviceInfo) -> float | None:
    """Take what the maker states, in seconds; None where nothing is stated, or lasts, or leaks."""
    if info.neuron.decay is None or not 0 < info.neuron.decay < 1:
        return None
    return -info.timing.dt / float(np.log(info.neuron.decay))


def _measure_layers(bench: Bench, watch: Watch) -> Measurements:
    """Measure layer after layer, up to the first that cannot be driven."""
    results = Measurements()
    before: list[DrivableLayer] = []
    for number in range(1, bench.depth + 1):
        if before and not before[-1].live.size:
            results.skipped[f"layers {number} and above"] = "no neuron before them fires"
            break
        layer = LayerBench(bench, tuple(before))
        watch(f"layer {number}: synapses and membranes")
        shown = membranes.measure(layer)
        watch(f"layer {number}: thresholds")
        fired = thresholds.measure(layer, shown)
        before.append(_make_drivable(layer, shown, fired))
        watch(f"layer {number}: lost spikes")
        lost = None if fired is None else spike_loss.measure(layer, before[-1])
        results.layers.append(LayerMeasurements(shown, fired, lost))
        if shown is None:
            what = f"layer {number}: time constant, bias, reset, readout, synapses"
            results.skipped[what] = "its membranes are not shown"
        elif fired is not None and fired.reset is None:
            reason = "its membranes are not sampled at every step"
            results.skipped[f"layer {number}: reset"] = reason
        if fired is None:
            results.skipped[f"layer {number}: threshold, dead neurons"] = (
                "neither its spikes nor its membranes show when it fires; taken as nominal"
            )
    return results


def _make_drivable(
    layer: LayerBench, shown: MembraneMeasurement | None, fired: ThresholdMeasurement | None
) -> DrivableLayer:
    """Take of a layer's measurements what driving the next one needs to know."""
    n_pre, size = layer.shape
    if fired is None:
        return DrivableLayer(np.ones((n_pre, size)), np.arange(size))
    threshold = np.tile(fired.threshold.value, (n_pre, 1))
    if shown is None:
        return DrivableLayer(threshold, np.flatnonzero(fired.fired))
    gain, unknown = shown.gain.value, np.full((n_pre, size), np.nan)
    needed = np.divide(threshold, gain, out=unknown, where=gain > 0)
    return DrivableLayer(needed, np.flatnonzero(~shown.dead & ~shown.tonic & fired.fired))


def _measure_adc(
    layer: LayerBench, first: MembraneMeasurement | None, skipped: dict[str, str]
) -> MeasuredADC | None:
    """Measure the ADC of the first layer; where it cannot be, the reason goes to `skipped`."""
    if first is None or layer.reduction != "none":
        skipped["ADC"] = "the first layer gives no membrane samples one by one"
        return None
    converter = adc.measure(layer)
    if converter is None:
        skipped["ADC"] = "samples show no codes within the range that membranes reach"
    return converter


def _combine_layers(bench: Bench, results: Measurements) -> tuple[MeasuredNeurons | None, ...]:
    """Combine what was measured, corrected for the events that were lost on the way to neurons."""
    # Gains were found from the events that arrived.
    losses = (layer.loss for layer in results.layers)
    lost = next((loss.share for loss in losses if loss is not None), 0.0)
    neurons: list[MeasuredNeurons | None] = []
    for layer in results.layers:
        own = combine_measurements(layer.membranes, layer.thresholds, bench.device.info.timing.dt)
        if own is not None and (neurons or not bench.has_currents):
            own = own.correct_loss(lost)
        neurons.append(own)
    return (*neurons, *[None] * (bench.depth - len(neurons)))


def _to_value(loss: SpikeLoss | None) -> MeasuredValue | None:
    if loss is None:
        return None
    return MeasuredValue(np.asarray(loss.share), np.asarray((loss.high - loss.low) / 2))


def _pool_neurons(values: Sequence[Array]) -> MeasuredValue | None:
    """Median over neurons, with the interval of a median of normal values."""
    finite = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    if finite.size < 2:
        return None
    half = 1.96 * 1.2533 * finite.std(ddof=1) / np.sqrt(finite.size)
    return MeasuredValue(np.asarray(np.median(finite)), np.asarray(half))


def _pool_membrane_noise(
    complete: Sequence[tuple[MembraneMeasurement, ThresholdMeasurement]],
) -> MeasuredValue | None:
    return _pool_neurons(
        [m.membrane_noise / t.threshold.value for m, t in complete if m.membrane_noise is not None]
    )


def _pool_readout_noise(
    complete: Sequence[tuple[MembraneMeasurement, ThresholdMeasurement]],
    converter: MeasuredADC | None,
) -> MeasuredValue | None:
    # Rounding to a step adds the variance of a uniform number: step^2 / 12.
    rounding = 0.0 if converter is None else converter.step**2 / 12
    return _pool_neurons(
        [
            np.sqrt(np.maximum(m.readout_noise**2 - rounding, 0))
            for m, _ in complete
            if m.readout_noise is not None
        ]
    )
