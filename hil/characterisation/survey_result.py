"""Everything that a survey says of a device and of each of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drivers import Identity
from hil.characterisation.estimators import MeasuredValue, shrink_to_median
from hil.characterisation.measurements.adc import MeasuredADC
from hil.characterisation.measurements.membranes import MembraneMeasurement
from hil.characterisation.measurements.storage import MeasuredStorage
from hil.characterisation.measurements.thresholds import ThresholdMeasurement
from hil.characterisation.timing import Difference, MeasuredTiming

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

    def without_loss(self, lost: float) -> MeasuredNeurons:
        """Correct thresholds that count the events that arrived, when a share of them was lost."""
        ratio = self.threshold_over_gain
        arrived = MeasuredValue(ratio.value * (1 - lost), ratio.half * (1 - lost))
        return replace(self, threshold_over_gain=arrived)

    def repeatable(self) -> MeasuredNeurons:
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
