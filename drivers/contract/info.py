"""The facts that a device states about itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from numpy.typing import NDArray

from drivers.errors import ContractMismatch

Reset = Literal["soft", "hard"]
Role = Literal["", "threshold", "time_constant", "refractory", "synapse"]
# Bounds of what is stated, which `drivers.contract.statements` checks: what float64 tells from the
# next whole number, what float32 holds, and the letters that name the members of a large fleet.
Whole = Annotated[int, Ge(0), Le(2**53)]
Count = Annotated[int, Ge(1), Le(2**53)]
Level = Annotated[float, Ge(-1e30), Le(1e30)]
Text = Annotated[str, MaxLen(20_000)]
Name = Annotated[Text, MinLen(1)]


@dataclass(frozen=True, slots=True)
class Setting:
    """A nominal setting that a network may choose.

    Attributes:
        name: Its name.
        unit: Its physical unit, e.g. `s` or `V`; empty when dimensionless.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        default: Value used when the network does not name it.
        meaning: What it does, in one sentence.
        per_neuron: Whether `Population.trims` may choose it for each neuron.
        per_population: Whether populations may differ in it.
        role: What the host may use it for, whatever its name: `threshold` in the unit of
            `Membrane`, `time_constant` of the membrane in s, `refractory` time in s or in steps,
            `synapse` the time constant in s of a synaptic current that decays exponentially and
            brings what its weight says in total; empty for any other setting. A role is given once.
    """

    name: Name
    unit: str
    minimum: float
    maximum: float
    default: float
    meaning: str
    per_neuron: bool = False
    per_population: bool = False
    role: Role = ""


@dataclass(frozen=True, slots=True)
class Membrane:
    """The nominal membrane scale, for reading samples in units of the threshold.

    Attributes:
        unit: Physical unit of the samples, e.g. `V` or `LSB`.
        rest: Nominal resting value.
        threshold: Nominal threshold at the default settings.
    """

    unit: str = "V"
    rest: Level = 0.0
    threshold: Level = 1.0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron:
    """Neurons of a device, nominally.

    Attributes:
        reset: What a spike does to the membrane: `soft` subtracts the threshold, `hard` clears;
            None when the maker does not say.
        decay: Fraction of the membrane left after one step without input, at the default
            settings: above 0, and 1 where nothing leaks; None when the maker does not say. Rate
            estimators read it, and rules that claim knowledge of the neuron.
        spikes_per_step: Most spikes that a neuron fires in one step, 1 to 255.
        spikes_per_run: Most spikes that a neuron fires in a run, 1 where a neuron tells by its time
            to first spike; None for no limit.
        refractory: For how many steps after that of a spike a neuron ignores its input, at the
            default settings; None when the maker does not say.
        membrane: Scale of membrane samples.
        settings: What a network may choose.
    """

    reset: Reset | None = None
    decay: Annotated[float, Gt(0), Le(1)] | None = None
    spikes_per_step: Annotated[int, Ge(1), Le(255)] = 1  # a raster holds bytes
    spikes_per_run: Count | None = None
    refractory: Whole | None = None
    membrane: Membrane = field(default_factory=Membrane)
    settings: tuple[Setting, ...] = ()

    @property
    def assumed_reset(self) -> Reset:
        """The reset, taken for soft where it is neither stated nor measured."""
        return self.reset or "soft"

    def setting(self, role: Role) -> Setting | None:
        """The setting that has a role, or None."""
        return next((setting for setting in self.settings if setting.role == role), None)


CONTRACT = 4
MANUAL = "docs/write_a_driver.md"

Quantity = Literal["spikes", "membrane"]
Reduction = Literal["none", "mean", "last"]
Layers = Literal["any", "hidden", "output"]
StimulusKind = Literal["current", "current_trace", "spikes"]
Sampled = Literal["before_reset", "after_reset"]
Signs = Literal["both", "positive"]
Arrival = Literal["same_step", "end_of_step", "next_step"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Name and origin of a physical or emulated device.

    Attributes:
        name: What kind of device, e.g. `emulator:mixed-signal`.
        serial: Which one of its kind.
        firmware: Version of what runs on it.
        protocol: Version of the protocol spoken with it; empty when there is none.
    """

    name: Name
    serial: Text = ""
    firmware: Text = ""
    protocol: Text = ""


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """Weights that one projection can store.

    Weights are in units of the nominal threshold: an event through a weight of 1 moves an ideal
    membrane from rest to threshold, and a constant current of 1 injects as much per time step.

    Attributes:
        minimum_full_scale: Smallest |weight| that can be chosen to be the largest stored one.
        maximum_full_scale: Largest |weight| that can be chosen so.
        levels: Number of distinct stored values, spread evenly and symmetrically over
            [-full scale, full scale], or [0, full scale] where weights are positive; None when
            stored weights are continuous.
        signs: Whether weights of `both` signs are stored, or `positive` ones alone; others are then
            stored as 0.
        residual: Share of the full scale by which a stored weight may act otherwise than stored, as
            where cells of a crossbar leak; 0 for none. A weight of 0 then moves membranes a little.
    """

    minimum_full_scale: Annotated[Level, Gt(0)]
    maximum_full_scale: Annotated[Level, Gt(0)]
    levels: Annotated[Whole, Ge(2)] | None = None
    signs: Signs = "both"
    residual: Annotated[float, Ge(0), Lt(1)] = 0.0

    def least(self, full_scale: float) -> float:
        """The least weight stored, at a full scale."""
        return 0.0 if self.signs == "positive" else -full_scale

    def step(self, full_scale: float) -> float:
        """The step between levels at a full scale; 0 where stored weights are continuous."""
        return (
            0.0
            if self.levels is None
            else ((full_scale - self.least(full_scale)) / (self.levels - 1))
        )

    def quantise(self, weights: NDArray[np.float32], full_scale: float) -> NDArray[np.float32]:
        """Clip to the full scale and round to the nearest level.

        Args:
            weights: Any shape, in nominal thresholds.
            full_scale: The largest storable |weight|, in nominal thresholds.

        Returns:
            The stored values, same shape, float32.
        """
        stored: NDArray[np.float32] = np.clip(
            weights, np.float32(self.least(full_scale)), np.float32(full_scale)
        )
        if self.levels is not None:
            step = np.float32(self.step(full_scale))
            stored /= step
            # An even number of levels of both signs has none at zero: it lies half a step off.
            if self.levels % 2 == 0 and self.signs == "both":
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
    reductions: Annotated[tuple[Reduction, ...], MinLen(1)] = ("none", "mean", "last")
    every: Count = 1
    neurons: Count | None = None
    sampled: Sampled = "before_reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Room that the device has.

    Attributes:
        inputs: Most input channels.
        neurons: Most neurons in one layer.
        layers: Most layers of neurons, the output included, the input not.
        batch: Most samples in one run.
        steps: Longest run, in steps.
        fan_in: Most synapses that reach one neuron, zero weights included; None for no limit but
            the sizes of layers.
        synapses: Most synapses in all projections together, zero weights included; None likewise.
        events_per_step: Most input events that a sample may have in one step; None for no limit.
        recurrence: Whether a projection may end in its own layer or an earlier one.
        skips: Whether a projection may leave layers out.
        delay: Longest delay of a projection, in steps beyond what `Timing` states.
        synapse_delays: Whether each synapse of a projection may have a delay of its own.
        sparse: Whether a projection may be sparse, and its weights `(n,)`. To another device it is
            given as a dense one, with weights of 0 in between, which count as synapses.
    """

    inputs: Count
    neurons: Count
    layers: Count
    batch: Count
    steps: Count
    fan_in: Count | None = None
    synapses: Count | None = None
    events_per_step: Count | None = None
    recurrence: bool = False
    skips: bool = False
    delay: Whole = 0
    synapse_delays: bool = False
    sparse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times at which things happen, in the steps that samples and counts are told in.

    An event acts in the `same_step` when it is added before the threshold test of its step; at the
    `end_of_step` when it is added after that test and the reset, so that it leaks once before it
    can cause a spike; in the `next_step` when it is added before the test of the step after. When a
    membrane is sampled, `ProbeOffer` states.

    Attributes:
        dt: Length of a step, in seconds.
        input: When an input spike acts; None where the maker does not say.
        layer: When a spike of a layer acts on another, or on its own; None where the maker does not
            say. `Projection` says what is recurrent and delayed.
        hard_reset_clears_events: Whether a hard reset also clears what arrived at the end of its
            step; None where the maker does not say, or where nothing arrives then.
        events_add: Whether several events that a synapse gets in one step add up, or count as one;
            None where the maker does not say.
    """

    dt: Annotated[Level, Gt(0)]
    input: Arrival | None = None
    layer: Arrival | None = None
    hard_reset_clears_events: bool | None = None
    events_add: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """Stimuli that a run may be given, and probes that it may be asked for.

    Attributes:
        stimuli: Kinds of stimulus that the device takes.
        probes: What it lets the host observe.
    """

    stimuli: Annotated[tuple[StimulusKind, ...], MinLen(1)]
    probes: tuple[ProbeOffer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """Further things that the device can do.

    Attributes:
        deterministic: Whether the same trial number gives the same run.
        resumable: Whether `Device.state` captures all that the device remembers.
        keeps_weights: Whether weights survive `close`.
        runs_on: Whether a run may begin where the last one ended, with `carry=True`.
        lengths: Whether the samples of a batch may differ in length.
        batch_invariant: Whether a sample gives the same whatever its place in a batch.
        faults: Kinds of `Fault` that the device can be given, with `Device.set_faults`.
    """

    deterministic: bool = False
    resumable: bool = False
    keeps_weights: bool = False
    runs_on: bool = False
    lengths: bool = False
    batch_invariant: bool = True
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy that a device takes, for an estimate.

    Attributes:
        synaptic_event: Joules of an event at one synapse; None where the maker does not say.
        source: Where that was published or measured.
    """

    synaptic_event: Annotated[float, Ge(0), Le(1)] | None = None
    source: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """Statement of what a device is and allows, as its maker or its firmware states it.

    What a maker does not know is None, where that is allowed; the host then measures it.

    Attributes:
        contract: Version of the device contract that the driver was written for: `contract=4`.
        identity: Which device.
        capacity: How much it has room for.
        timing: When things happen.
        neuron: What its neurons are.
        weights: Format of each projection in order; the last one holds for all further ones.
        offers: What a run may be given, and asked to show.
        abilities: What else it can do.
        energy: What it takes.
    """

    contract: int
    identity: Identity
    capacity: Capacity
    timing: Timing
    neuron: Neuron = field(default_factory=Neuron)
    weights: tuple[WeightFormat, ...]
    offers: Offers
    abilities: Abilities = field(default_factory=Abilities)
    energy: Energy = field(default_factory=Energy)

    def __new__(cls, *facts: object, **stated: object) -> Self:
        """Tell the author of a driver for another contract what is the matter, in one line."""
        known = [field.name for field in fields(cls)]
        unknown = [name for name in stated if name not in known]
        if facts or unknown or (stated and "contract" not in stated):
            what = f"has no {', '.join(unknown)}" if unknown else "states contract=NUMBER by name"
            raise ContractMismatch(
                f"DeviceInfo {what}: it is made of {', '.join(known)} since contract {CONTRACT}, "
                f"see {MANUAL}"
            )
        return object.__new__(cls)

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
        for offer in self.offers.probes:
            if offer.quantity == quantity and offer.layers in ("any", place):
                return offer
        return None
