"""What a board says of itself: the answer to HELLO, `docs/protocol.md`.

0 is the value for what a board does not know or does not have, in every field of a record. A record
that is longer than known is read as far as known, a shorter one as if zeros followed, and one of an
unknown kind not at all.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MAGIC = b"SPKL"
HEAD = "<4sBBHIII"
HELLO_BYTES = 1024  # bytes of the answer that a host makes room for in its timeout


class Capacity(NamedTuple):
    """How much there is room for.

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


class Timing(NamedTuple):
    """When things happen.

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


class Neuron(NamedTuple):
    """What its neurons are.

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


class Weights(NamedTuple):
    """Format of one projection; the last one holds for all further ones.

    Attributes:
        levels: Distinct values, at most 256.
        least: Smallest full scale, in millionths of a threshold unit.
        greatest: Greatest full scale, likewise.
    """

    levels: int = 0
    least: int = 0
    greatest: int = 0


class Input(NamedTuple):
    """A kind of input that it takes.

    Attributes:
        kind: As in RUN.
        unit: Value that stands for one event in a step.
        largest: Largest value.
    """

    kind: int = 0
    unit: int = 0
    largest: int = 0


class Setting(NamedTuple):
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


class Probe(NamedTuple):
    """What a run shows.

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


class Abilities(NamedTuple):
    """What else it can do.

    Attributes:
        flags: 1 the same run gives the same answer, 2 weights outlast a restart, 4 runs carry on, 8
            samples of a run may differ in length; their sum.
    """

    flags: int = 0


CARRIES_ON, LENGTHS = 4, 8  # of `Abilities`


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
    """

    payload: int
    boot_id: int
    chip: int
    firmware: tuple[int, int, int]
    protocol: int
    name: str = ""
    capacity: Capacity = field(default_factory=Capacity)
    timing: Timing = field(default_factory=Timing)
    neuron: Neuron = field(default_factory=Neuron)
    abilities: Abilities = field(default_factory=Abilities)
    weights: tuple[Weights, ...] = ()
    inputs: tuple[Input, ...] = ()
    settings: tuple[Setting, ...] = ()
    probes: tuple[Probe, ...] = ()

    def encode(self) -> bytes:
        """As the payload of an answer to HELLO."""
        major, minor, patch = self.firmware
        version = major << 16 | minor << 8 | patch
        head = (MAGIC, self.protocol, 0, self.payload, version, self.boot_id, self.chip)
        parts = [struct.pack(HEAD, *head), _record(NAME, self.name.encode("ascii"))]
        for kind, (attribute, form, _) in RECORDS.items():
            value = getattr(self, attribute)
            for each in value if attribute in REPEATED else [value]:
                fields = (f.encode("ascii") if isinstance(f, str) else f for f in each)
                parts.append(_record(kind, struct.pack(form, *fields)))
        return b"".join(parts)

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        """From the payload of an answer to HELLO.

        Raises:
            ValueError: When it is not one.
        """
        if len(payload) < struct.calcsize(HEAD) or not payload.startswith(MAGIC):
            raise ValueError(f"an answer of {len(payload)} bytes is no HELLO of a board")
        _, protocol, _, room, firmware, boot_id, chip = struct.unpack_from(HEAD, payload)
        version = firmware >> 16, firmware >> 8 & 255, firmware & 255
        told: dict[str, Any] = {attribute: () for attribute in REPEATED}
        at = struct.calcsize(HEAD)
        while at < len(payload):
            end = at + 2 + payload[at + 1] if at + 1 < len(payload) else at + 2
            if end > len(payload):
                raise ValueError(f"a HELLO of {len(payload)} bytes ends within a record")
            kind, content = payload[at], payload[at + 2 : end]
            at = end
            if kind == NAME:
                told["name"] = _text(content)
            elif kind in RECORDS:
                attribute, form, record = RECORDS[kind]
                size = struct.calcsize(form)
                fields = struct.unpack(form, content[:size].ljust(size, b"\0"))
                value = record(*(_text(f) if isinstance(f, bytes) else f for f in fields))
                told[attribute] = (*told[attribute], value) if attribute in REPEATED else value
        return cls(room, boot_id, chip, version, protocol, **told)


NAME = 1
# By kind: which attribute of `Hello` it is, its fields, and what holds them.
RECORDS: dict[int, tuple[str, str, Any]] = {
    2: ("capacity", "<5I6H", Capacity),
    3: ("timing", "<I4B", Timing),
    4: ("neuron", "<BBHIiI", Neuron),
    5: ("weights", "<H2x2I", Weights),
    6: ("inputs", "<BxHI", Input),
    7: ("settings", "<3Bx4s3I16s", Setting),
    8: ("probes", "<4B2H", Probe),
    9: ("abilities", "<I", Abilities),
}
REPEATED = ("weights", "inputs", "settings", "probes")


def _record(kind: int, content: bytes) -> bytes:
    return bytes((kind, len(content))) + content


def _text(padded: bytes) -> str:
    """Characters up to the first zero."""
    return padded.partition(b"\0")[0].decode("ascii", "replace")
