"""The answer to HELLO, `docs/protocol.md`: its records, and what a device states by them.

0 is the value for what a board does not know or does not have, in every field of a record. A record
that is longer than known is read as far as known, a shorter one as if zeros followed, and one of an
unknown kind not at all.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from drivers.contract import info as contract
from drivers.contract.info import Membrane, Neuron, Reset, Role, Setting
from drivers.errors import ProtocolMismatch

MAGIC = b"SPKL"
# What a HELLO asks for a lease with, before a name: token, number of the lease that is replaced,
# flags, zero, frames received under the replaced one.
ASKED, NAME_BYTES, GIVE_BACK = struct.Struct("<IBBHI"), 32, 1
HEAD = "<4sBBHIII"
HELLO_BYTES = 1024  # bytes of the answer that a host makes room for in its timeout
MAX_BATCH = 1024  # a batch is split into as many requests as it needs
MAX_CURRENT = 4095  # of our boards, in 2^-8 events per step
MAX_LEVELS = 256  # of a weight: what one byte tells apart
MILLION, NANOS, UNLEAKED = 1e6, 1e9, 1 << 31  # units of full scales and settings, steps, and decay
CURRENT, TRACE, BITS, COUNTS = range(4)  # kinds of input
DETERMINISTIC, KEEPS_WEIGHTS, CARRIES_ON, HAS_LENGTHS = 1, 2, 4, 8  # flags of abilities
RECURRENT, SKIPPING, SYNAPSE_DELAYS = 1, 2, 4  # flags of graphs
SCALED, LEAK, STEPS = 1, 2, 3  # codings of settings
# Words of the contract for numbers of the protocol; those that are missing are not known.
ARRIVALS: dict[int, contract.Arrival] = {1: "same_step", 2: "end_of_step", 3: "next_step"}
RESETS: dict[int, Reset] = {1: "soft", 2: "hard"}
SAMPLED: dict[int, contract.Sampled] = {1: "before_reset", 2: "after_reset"}
ANSWERS = {1: False, 2: True}
STIMULI: dict[int, contract.StimulusKind] = {
    CURRENT: "current",
    TRACE: "current_trace",
    BITS: "spikes",
    COUNTS: "spikes",
}
PLACES: dict[int, contract.Layers] = {1: "hidden", 2: "output", 3: "any"}
REDUCTIONS: tuple[contract.Reduction, ...] = ("none", "mean", "last")
QUANTITIES: tuple[contract.Quantity, ...] = ("spikes", "membrane")
ROLES: dict[int, tuple[Role, str]] = {
    1: ("threshold", "Firing threshold above rest."),
    2: ("time_constant", "Membrane time constant."),
    3: ("refractory", "Time after a spike without another."),
}
OWN_ROLE: tuple[Role, str] = ("", "A setting of the board's own.")


class CapacityRecord(NamedTuple):
    """Room that a board has.

    Attributes:
        inputs: Most inputs.
        neurons: Most neurons in a population.
        synapses: Most in all projections; 0 where no more is to be said.
        kept: Most membranes that are kept from run to run.
        fan_in: Most synapses of a neuron; 0 where no more is to be said.
        layers: Most populations.
        steps: Most steps of a run.
        batch: Most samples of a run; 0 for as many as fit a frame.
        delay: Longest delay of a projection, in steps.
        probes: Most probes of a run.
        graph: 1 for recurrent projections, 2 for those that leave layers out, 4 for delays by
            synapse; their sum.
    """

    inputs: int = 0
    neurons: int = 0
    synapses: int = 0
    kept: int = 0
    fan_in: int = 0
    layers: int = 0
    steps: int = 0
    batch: int = 0
    delay: int = 0
    probes: int = 0
    graph: int = 0

    def to_contract(self) -> contract.Capacity:
        """Translate to the words of the contract."""
        return contract.Capacity(
            layers=self.layers,
            inputs=self.inputs,
            neurons=self.neurons,
            batch=MAX_BATCH,
            steps=self.steps,
            fan_in=self.fan_in or None,
            synapses=self.synapses or None,
            recurrence=bool(self.graph & RECURRENT),
            skips=bool(self.graph & SKIPPING),
            delay=self.delay,
            synapse_delays=bool(self.graph & SYNAPSE_DELAYS),
        )


class TimingRecord(NamedTuple):
    """Moments at which things happen.

    Attributes:
        step: Length of a step, in ns.
        input: When an input event acts: 1 before the test of its step, 2 at the end of its step,
            3 before the test of the next step.
        layer: When an event from one population to the next acts, likewise.
        clears: Whether a hard reset also clears what arrived at the end of its step: 1 no, 2 yes.
        add: Whether several events of one synapse in one step add up: 1 no, 2 yes.
    """

    step: int = 0
    input: int = 0
    layer: int = 0
    clears: int = 0
    add: int = 0

    @property
    def seconds(self) -> float:
        """Length of a step, in s."""
        return self.step / NANOS

    def to_contract(self) -> contract.Timing:
        """Translate to the words of the contract."""
        return contract.Timing(
            dt=self.seconds,
            input=ARRIVALS.get(self.input),
            layer=ARRIVALS.get(self.layer),
            hard_reset_clears_events=ANSWERS.get(self.clears),
            events_add=ANSWERS.get(self.add),
        )


class NeuronRecord(NamedTuple):
    """Neurons of a board.

    Attributes:
        reset: 1 subtracts the threshold, 2 goes to rest.
        spikes: Most spikes of a neuron in a step; 0 is taken for 1.
        refractory: Steps after a spike without another, plus 1.
        decay: Membrane left after a step, in 2^-31, where no setting of role 2 says so.
        rest: Membrane sample at rest.
        unit: What a threshold of 1 adds to a membrane sample.
    """

    reset: int = 0
    spikes: int = 0
    refractory: int = 0
    decay: int = 0
    rest: int = 0
    unit: int = 0


class WeightsRecord(NamedTuple):
    """Format of one projection; the last one holds for all further ones.

    Attributes:
        levels: Distinct values, at most 256.
        least: Smallest full scale, in millionths of a threshold unit.
        greatest: Greatest full scale, likewise.
    """

    levels: int = 0
    least: int = 0
    greatest: int = 0

    def to_contract(self) -> contract.WeightFormat:
        """Translate to the words of the contract."""
        return contract.WeightFormat(self.least / MILLION, self.greatest / MILLION, self.levels)


class InputRecord(NamedTuple):
    """A kind of input that it takes.

    Attributes:
        kind: As in RUN.
        unit: Value that stands for one event in a step.
        largest: Largest value.
    """

    kind: int = 0
    unit: int = 0
    largest: int = 0


class SettingRecord(NamedTuple):
    """A nominal setting of a population.

    Attributes:
        role: 1 threshold, 2 time constant of the membrane, 3 refractory time; 0 is none of these.
        coding: How CONFIGURE writes it: 1 in 2^-16 of its unit, 2 as the share of the membrane that
            a step takes away, in 2^-16, 3 in steps.
        trim: 1 where TRIM can choose it for each neuron.
        unit: Its physical unit.
        least: In millionths of its unit.
        greatest: Likewise.
        default: Likewise.
        name: Its name.
    """

    role: int = 0
    coding: int = 0
    trim: int = 0
    unit: str = ""
    least: int = 0
    greatest: int = 0
    default: int = 0
    name: str = ""

    def to_contract(self) -> Setting:
        """Translate to the words of the contract."""
        role, meaning = ROLES.get(self.role, OWN_ROLE)
        return Setting(
            self.name,
            unit=self.unit,
            minimum=self.least / MILLION,
            maximum=self.greatest / MILLION,
            default=self.default / MILLION,
            meaning=meaning,
            per_neuron=self.trim == 1,
            per_population=True,
            role=role,
        )


class ProbeRecord(NamedTuple):
    """A quantity that a run can show.

    Attributes:
        quantity: 0 spikes, 1 membrane.
        places: 1 for hidden populations, 2 for the output; their sum.
        reductions: 1 for none, 2 for mean, 4 for last; their sum.
        sampled: When a membrane is sampled: 1 before the reset of its step, 2 after it.
        every: Shortest interval between samples, in steps; 0 is taken for 1.
        neurons: Most neurons of a population at once; 0 for all.
    """

    quantity: int = 0
    places: int = 0
    reductions: int = 0
    sampled: int = 0
    every: int = 0
    neurons: int = 0

    @property
    def is_known(self) -> bool:
        """Tell whether this host has words for it."""
        is_quantity = self.quantity < len(QUANTITIES)
        return is_quantity and self.places in PLACES and self.reductions & 7 > 0

    def to_contract(self) -> contract.ProbeOffer:
        """Translate to the words of the contract."""
        return contract.ProbeOffer(
            QUANTITIES[self.quantity],
            layers=PLACES[self.places],
            reductions=tuple(r for n, r in enumerate(REDUCTIONS) if self.reductions >> n & 1),
            every=self.every or 1,
            neurons=self.neurons or None,
            sampled=SAMPLED.get(self.sampled, "before_reset"),
        )


class AbilitiesRecord(NamedTuple):
    """Further abilities.

    Attributes:
        flags: 1 the same run gives the same answer, 2 weights outlast a restart, 4 runs carry on, 8
            samples of a run may differ in length; their sum.
    """

    flags: int = 0


class LeaseRecord(NamedTuple):
    """Whose a board is that gives itself to one host at a time.

    Attributes:
        number: Of the lease; 0 where it is nobody's.
        token: Number of its owner.
        used: Frames that were received under it.
        name: Of its owner.
    """

    number: int = 0
    token: int = 0
    used: int = 0
    name: str = ""


NAME = 1
# By kind: which attribute of `Hello` it is, its fields, and what holds them.
RECORDS: dict[int, tuple[str, str, Any]] = {
    2: ("capacity", "<5I6H", CapacityRecord),
    3: ("timing", "<I4B", TimingRecord),
    4: ("neuron", "<BBHIiI", NeuronRecord),
    5: ("weights", "<H2x2I", WeightsRecord),
    6: ("inputs", "<BxHI", InputRecord),
    7: ("settings", "<3Bx4s3I16s", SettingRecord),
    8: ("probes", "<4B2H", ProbeRecord),
    9: ("abilities", "<I", AbilitiesRecord),
    10: ("lease", "<B3xII32s", LeaseRecord),
}
REPEATED = ("weights", "inputs", "settings", "probes")


@dataclass(frozen=True, slots=True)
class Hello:
    """Answer to HELLO.

    Attributes:
        payload: Longest payload of a frame, in bytes.
        boot_id: Differs from boot to boot.
        chip: Which device of its kind.
        firmware: Major, minor and patch version.
        protocol: Version.
        name: Of the kind of device, in ASCII.
        capacity: How much it has room for.
        timing: When things happen.
        neuron: What its neurons are.
        abilities: What else it can do.
        weights: Format of each projection; the last one holds for all further ones.
        inputs: Kinds of input.
        settings: In the order in which CONFIGURE gives them.
        probes: What a run shows.
        lease: Whose it is; None where it gives no leases.
    """

    payload: int
    boot_id: int
    chip: int
    firmware: tuple[int, int, int]
    protocol: int
    name: str = ""
    capacity: CapacityRecord = field(default_factory=CapacityRecord)
    timing: TimingRecord = field(default_factory=TimingRecord)
    neuron: NeuronRecord = field(default_factory=NeuronRecord)
    abilities: AbilitiesRecord = field(default_factory=AbilitiesRecord)
    weights: tuple[WeightsRecord, ...] = ()
    inputs: tuple[InputRecord, ...] = ()
    settings: tuple[SettingRecord, ...] = ()
    probes: tuple[ProbeRecord, ...] = ()
    lease: LeaseRecord | None = None

    def encode(self) -> bytes:
        """Write the payload of an answer to HELLO."""
        major, minor, patch = self.firmware
        version = major << 16 | minor << 8 | patch
        head = (MAGIC, self.protocol, 0, self.payload, version, self.boot_id, self.chip)
        parts = [struct.pack(HEAD, *head), _encode_record(NAME, self.name.encode("ascii"))]
        for kind, (attribute, form, _) in RECORDS.items():
            value = getattr(self, attribute)
            for each in value if attribute in REPEATED else [value] if value is not None else []:
                fields = (f.encode("latin-1") if isinstance(f, str) else f for f in each)
                parts.append(_encode_record(kind, struct.pack(form, *fields)))
        return b"".join(parts)

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        """Read the payload of an answer to HELLO.

        Raises:
            ValueError: When it is not one.
        """
        if len(payload) < struct.calcsize(HEAD) or not payload.startswith(MAGIC):
            raise ValueError(f"an answer of {len(payload)} bytes is no HELLO of a board")
        _, protocol, _, room, firmware, boot_id, chip = struct.unpack_from(HEAD, payload)
        version = firmware >> 16, firmware >> 8 & 255, firmware & 255
        records: dict[str, Any] = {attribute: () for attribute in REPEATED}
        at = struct.calcsize(HEAD)
        while at < len(payload):
            end = at + 2 + payload[at + 1] if at + 1 < len(payload) else at + 2
            if end > len(payload):
                raise ValueError(f"a HELLO of {len(payload)} bytes ends within a record")
            kind, content = payload[at], payload[at + 2 : end]
            at = end
            if kind == NAME:
                records["name"] = _decode_text(content)
            elif kind in RECORDS:
                attribute, form, record = RECORDS[kind]
                size = struct.calcsize(form)
                fields = struct.unpack(form, content[:size].ljust(size, b"\0"))
                value = record(*(_decode_text(f) if isinstance(f, bytes) else f for f in fields))
                repeated = attribute in REPEATED
                records[attribute] = (*records[attribute], value) if repeated else value
        return cls(room, boot_id, chip, version, protocol, **records)

    def to_contract(self) -> contract.DeviceInfo:
        """Say what the board is in the words of the contract; nothing is known beforehand.

        Raises:
            ProtocolMismatch: When it does not state what a host has to know, or states what this
                host cannot send.
        """
        self._check()
        flags = self.abilities.flags
        stimuli = dict.fromkeys(STIMULI[n.kind] for n in self.inputs if n.kind in STIMULI)
        return contract.DeviceInfo(
            contract=contract.CONTRACT,
            identity=contract.Identity(
                f"board:{self.name}",
                serial=f"chip-{self.chip}",
                firmware=".".join(map(str, self.firmware)),
                protocol=str(self.protocol),
            ),
            capacity=self.capacity.to_contract(),
            timing=self.timing.to_contract(),
            neuron=self._convert_neuron(),
            weights=tuple(each.to_contract() for each in self.weights),
            offers=contract.Offers(
                stimuli=tuple(stimuli),
                probes=tuple(each.to_contract() for each in self.probes if each.is_known),
            ),
            abilities=contract.Abilities(
                deterministic=bool(flags & DETERMINISTIC),
                runs_on=bool(flags & CARRIES_ON) and self.capacity.kept > 0,
                lengths=bool(flags & HAS_LENGTHS),
            ),
        )

    def _check(self) -> None:
        """Refuse a HELLO that leaves open what cannot be left open."""
        room, finest = self.capacity, max((each.levels for each in self.weights), default=0)
        membranes = [each for each in self.probes if each.quantity == 1]
        needs = {
            "its room": min(room.layers, room.inputs, room.neurons, room.steps) > 0,
            "the length of a step": self.timing.step > 0,
            "its reset": self.neuron.reset in RESETS,
            "its weights": finest > 0 and all(each.levels > 1 for each in self.weights),
            "its input": any(each.kind in STIMULI and each.unit for each in self.inputs),
            "in what unit membranes are sampled": not membranes or self.neuron.unit > 0,
            "when membranes are sampled": all(each.sampled in SAMPLED for each in membranes),
            "how its settings are written": all(
                each.coding in (SCALED, LEAK, STEPS) for each in self.settings
            ),
        }
        missing = [what for what, is_said in needs.items() if not is_said]
        if missing:
            raise ProtocolMismatch(
                f"board:{self.name} does not say in its HELLO {', '.join(missing)}: complete its "
                "firmware as docs/protocol.md says"
            )
        if finest > MAX_LEVELS:
            raise ProtocolMismatch(
                f"board:{self.name} has weights of {finest} levels, this host sends up to "
                f"{MAX_LEVELS}: state fewer"
            )

    def _convert_neuron(self) -> Neuron:
        record = self.neuron
        neuron = Neuron(
            reset=RESETS[record.reset],
            spikes_per_step=record.spikes or 1,
            refractory=record.refractory - 1 if record.refractory else None,
            settings=tuple(each.to_contract() for each in self.settings),
        )
        threshold, tau = neuron.setting("threshold"), neuron.setting("time_constant")
        decay = record.decay / UNLEAKED or None
        if decay is None and tau is not None and tau.default > 0:
            decay = math.exp(-self.timing.seconds / tau.default)
        membrane = Membrane("", 0.0, 1.0 if threshold is None else threshold.default)
        return replace(neuron, decay=decay, membrane=membrane)


def _encode_record(kind: int, content: bytes) -> bytes:
    return bytes((kind, len(content))) + content


def _decode_text(padded: bytes) -> str:
    """Read characters up to the first zero."""
    return padded.partition(b"\0")[0].decode("ascii", "replace")


_ROOM = CapacityRecord(
    inputs=4096,  # so that sums fit 32 bits and products 64
    neurons=1024,
    synapses=1 << 20,
    kept=1 << 16,
    layers=8,
    steps=1024,
    delay=31,
    probes=8,
    graph=RECURRENT | SKIPPING | SYNAPSE_DELAYS,
)


def make_hello(name: str = "simulated", *, payload: int = 16384, **room: int) -> Hello:
    """Make the HELLO of a board with the neurons of the page.

    Args:
        name: Of the port of the firmware, at most 16 characters of ASCII.
        payload: Longest payload, in bytes.
        room: Fields of its capacity that are others than those of the simulated board.
    """
    return Hello(
        payload=payload,
        boot_id=1,
        chip=1,
        firmware=(2, 2, 0),
        protocol=2,
        name=name,
        capacity=_ROOM._replace(**room),
        # A step stands for 1 ms. Events are added after the test and the reset of their step.
        timing=TimingRecord(step=1_000_000, input=2, layer=2, add=2),
        neuron=NeuronRecord(reset=1, spikes=1, refractory=1, unit=4096),
        # Below, whole multiples of 2^-16 are too coarse a step.
        weights=(WeightsRecord(levels=255, least=100_000, greatest=100_000_000),),
        inputs=(
            InputRecord(CURRENT, 256, MAX_CURRENT),
            InputRecord(TRACE, 256, MAX_CURRENT),
            InputRecord(BITS, 1, 1),
            InputRecord(COUNTS, 1, 255),
        ),
        settings=(
            SettingRecord(2, LEAK, 0, "s", 100, 1_000_000, 10_000, "tau_membrane"),
            SettingRecord(1, SCALED, 0, "", 100_000, 10_000_000, 1_000_000, "threshold"),
        ),
        probes=(ProbeRecord(0, 3, 7, 0, 1), ProbeRecord(1, 3, 7, 1, 1)),
        abilities=AbilitiesRecord(DETERMINISTIC | CARRIES_ON | HAS_LENGTHS),
        lease=LeaseRecord(),
    )


SIMULATED = make_hello()
