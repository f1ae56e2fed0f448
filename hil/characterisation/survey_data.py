"""What a survey says of a device and of each of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers import Identity
from hil.characterisation.estimators import Estimate
from hil.characterisation.measurements.adc import MeasuredADC
from hil.characterisation.measurements.storage import Storage
from hil.characterisation.timing_data import MeasuredTiming

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


@dataclass(frozen=True)
class MeasuredNeurons:
    """What was measured of a layer of n neurons and of the projection to it; None: not measured.

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
    """What was measured of a device.

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
    differences: tuple[str, ...]
    nominal_time_constant: float | None
    neurons: tuple[MeasuredNeurons | None, ...]
    membrane_noise: Estimate | None
    readout_noise: Estimate | None
    programming_noise: float | None
    programming_noise_relative: float | None
    spike_loss: Estimate | None
    hidden_spike_loss: Estimate | None
    adc: MeasuredADC | None
    storage: Storage
    skipped: Mapping[str, str] = field(default_factory=dict)
