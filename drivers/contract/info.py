"""The facts that a device states about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Quantity = Literal["spikes", "membrane"]
Reduction = Literal["none", "mean", "last"]
Layers = Literal["any", "hidden", "output"]
StimulusKind = Literal["current", "current_trace", "spikes"]
Arrival = Literal["same_step", "end_of_step", "next_step"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which physical (or emulated) device this is.

    Attributes:
        name: What kind of device, e.g. `emulator:mixed-signal`.
        serial: Which one of its kind.
        firmware: Version of what runs on it.
        protocol: Version of the protocol spoken with it; empty when there is none.
    """

    name: str
    serial: str = ""
    firmware: str = ""
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """A nominal setting that `Network.settings` may choose for all neurons.

    Attributes:
        name: Its name.
        unit: Its physical unit, e.g. `s` or `V`; empty when dimensionless.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        default: Value used when the network does not name it.
        meaning: What it does, in one sentence.
        per_neuron: Whether `Network.trims` may choose it for each neuron.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    meaning: str
    per_neuron: bool = False


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """What one projection can store.

    Weights are in units of the nominal threshold: an event through a weight of 1 moves an ideal
    membrane from rest to threshold, and a constant current of 1 injects as much per time step.

    Attributes:
        minimum_full_scale: Smallest |weight| that can be chosen to be the largest stored one.
        maximum_full_scale: Largest |weight| that can be chosen so.
        levels: Number of distinct stored values, spread evenly and symmetrically over
            [-full scale, full scale]; None when stored weights are continuous.
    """

    minimum_full_scale: float
    maximum_full_scale: float
    levels: int | None = None

    def quantise(self, weights: NDArray[np.float32], full_scale: float) -> NDArray[np.float32]:
        """Clip to the full scale and round to the nearest level.

        Args:
            weights: Any shape, in nominal thresholds.
            full_scale: The largest storable |weight|, in nominal thresholds.

        Returns:
            The stored values, same shape, float32.
        """
        stored: NDArray[np.float32] = np.clip(
            weights, -np.float32(full_scale), np.float32(full_scale)
        )
        if self.levels is not None:
            step = np.float32(2.0 * full_scale / (self.levels - 1))
            stored /= step
            # An even number of levels has none at zero: its grid lies half a step off.
            if self.levels % 2 == 0:
                np.floor(stored, out=stored)
                np.clip(stored, -(self.levels // 2), self.levels // 2 - 1, out=stored)
                stored += np.float32(0.5)
            else:
                np.rint(stored, out=stored)
            stored *= step
        return stored


@dataclass(frozen=True, slots=True)
class ProbeOffer:
    """One quantity that the device lets the host observe.

    Attributes:
        quantity: `spikes` or `membrane`.
        layers: Where: `output`, `hidden` or `any` layer of neurons.
        reductions: Which of `none` (every sample), `mean` and `last` it offers.
        every: Shortest interval between two samples, in steps.
        neurons: How many neurons of a layer at once; None for all.
        sampled: Whether a membrane sample is taken before or after the reset of that step.
    """

    quantity: Quantity
    layers: Layers = "any"
    reductions: tuple[Reduction, ...] = ("none", "mean", "last")
    every: int = 1
    neurons: int | None = None
    sampled: Literal["before_reset", "after_reset"] = "before_reset"


@dataclass(frozen=True, slots=True)
class Membrane:
    """The nominal membrane scale, for reading samples in units of the threshold.

    Attributes:
        unit: Physical unit of the samples, e.g. `V` or `LSB`.
        rest: Nominal resting value.
        threshold: Nominal threshold at the default settings.
    """

    unit: str = "V"
    rest: float = 0.0
    threshold: float = 1.0

    def in_thresholds(
        self, samples: NDArray[np.float32], threshold: float | None = None
    ) -> NDArray[np.float32]:
        """Map samples in membrane units to 0 at rest and 1 at the nominal threshold.

        Args:
            samples: Any shape, in `unit`.
            threshold: The threshold in use where a setting moved it, in `unit`.

        Returns:
            Same shape, dimensionless.
        """
        swing = (self.threshold if threshold is None else threshold) - self.rest
        if self.rest == 0.0 and swing == 1.0:
            return samples
        return (samples - np.float32(self.rest)) / np.float32(swing)


@dataclass(frozen=True, slots=True)
class EventTiming:
    """When events act on a membrane, in the steps that samples and counts are told in.

    An event acts in the `same_step` when it is added before the threshold test of its step; at the
    `end_of_step` when it is added after that test and the reset, so that it leaks once before it
    can cause a spike; in the `next_step` when it is added before the test of the step after.

    Attributes:
        input: When an input spike acts; None where the maker does not say.
        layer: When a spike of one layer acts on the next; None where the maker does not say.
    """

    input: Arrival | None = None
    layer: Arrival | None = None


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a device is and what it allows, as its maker or its firmware states it.

    Attributes:
        identity: Which device.
        max_layers: Largest number of neuron layers, the output included, the input not.
        max_inputs: Largest number of input channels.
        max_neurons: Largest number of neurons in a layer.
        max_batch: Largest number of samples in one run.
        max_steps: Longest run, in steps.
        dt: Length of a step, in seconds.
        spikes_per_step: Most spikes that a neuron fires in one step; 255 at most.
        weights: Format of each projection in order; the last one holds for all further ones.
        stimuli: Kinds of stimulus it takes.
        probes: What it lets the host observe.
        membrane: Nominal membrane scale.
        settings: Nominal settings that a network may choose.
        reset: What a spike does to the membrane: `soft` subtracts the threshold, `hard` clears.
        decay: Nominal fraction of the membrane left after one step without input, at the default
            settings, 1 where nothing leaks; None when the maker does not say. Rate estimators read
            it, and rules that claim knowledge of the neuron.
        events: When events act.
        deterministic: Whether the same trial number gives the same run.
        keeps_weights: Whether weights survive `close`.
        resumable: Whether `Device.state` captures all that the device remembers.
    """

    identity: Identity
    max_layers: int
    max_inputs: int
    max_neurons: int
    max_batch: int
    max_steps: int
    dt: float
    weights: tuple[WeightFormat, ...]
    stimuli: tuple[StimulusKind, ...]
    probes: tuple[ProbeOffer, ...]
    membrane: Membrane = field(default_factory=Membrane)
    settings: tuple[Setting, ...] = ()
    reset: Literal["soft", "hard"] = "soft"
    decay: float | None = None
    spikes_per_step: int = 1
    events: EventTiming = field(default_factory=EventTiming)
    deterministic: bool = False
    keeps_weights: bool = False
    resumable: bool = False

    def weight_format(self, projection: int) -> WeightFormat:
        """The format of one projection, counted from 0 at the input."""
        return self.weights[min(projection, len(self.weights) - 1)]

    def offer(self, quantity: Quantity, layer: int, layers: int) -> ProbeOffer | None:
        """The probe offered for a quantity of one layer, or None.

        Args:
            quantity: `spikes` or `membrane`.
            layer: Layer of neurons, 1 to `layers`.
            layers: Number of neuron layers of the network, the output included.
        """
        place = "output" if layer == layers else "hidden"
        for offer in self.probes:
            if offer.quantity == quantity and offer.layers in ("any", place):
                return offer
        return None
