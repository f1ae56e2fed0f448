"""What exchanges of the protocol are made of, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

Fields = Sequence[tuple[str, bytes]]  # meaning and bytes of each part of a payload
Sizes = Sequence[tuple[str, int]]  # meaning and length of each part


def _record(title: str, *parts: tuple[str, int]) -> tuple[tuple[str, int], ...]:
    return ((f"record {title}", 1), ("length", 1), *parts)


SETTING: Sizes = (
    ("role", 1),
    ("coding", 1),
    ("for each neuron", 1),
    ("0", 1),
    ("unit", 4),
    ("least, in millionths", 4),
    ("greatest, in millionths", 4),
    ("default, in millionths", 4),
    ("name", 16),
)
INPUT: Sizes = (("kind", 1), ("0", 1), ("value of one event", 2), ("largest value", 4))
PROBE: Sizes = (
    ("quantity", 1),
    ("places", 1),
    ("reductions", 1),
    ("sampled", 1),
    ("shortest interval", 2),
    ("neurons at once", 2),
)
HELLO: Sizes = (
    ("magic", 4),
    ("protocol", 1),
    ("0", 1),
    ("max_payload", 2),
    ("firmware version", 4),
    ("boot_id", 4),
    ("chip seed", 4),
    *_record("1, NAME", ("name", 7)),
    *_record(
        "2, CAPACITY",
        ("most inputs", 4),
        ("most neurons of a population", 4),
        ("most synapses", 4),
        ("most membranes kept", 4),
        ("most synapses of a neuron", 4),
        ("most populations", 2),
        ("most steps", 2),
        ("most samples", 2),
        ("longest delay", 2),
        ("most probes", 2),
        ("graphs", 2),
    ),
    *_record(
        "3, TIMING",
        ("length of a step, in ns", 4),
        ("input events", 1),
        ("events between populations", 1),
        ("hard reset clears events", 1),
        ("events add", 1),
    ),
    *_record(
        "4, NEURON",
        ("reset", 1),
        ("spikes per step", 1),
        ("refractory", 2),
        ("decay", 4),
        ("sample at rest", 4),
        ("sample per threshold unit", 4),
    ),
    *_record(
        "5, WEIGHTS",
        ("levels", 2),
        ("0", 2),
        ("smallest full scale, in millionths", 4),
        ("greatest full scale, in millionths", 4),
    ),
    *(4 * _record("6, INPUT", *INPUT)),
    *(2 * _record("7, SETTING", *SETTING)),
    *(2 * _record("8, PROBE", *PROBE)),
    *_record("9, ABILITIES", ("flags", 4)),
)
STATS: Sizes = tuple(
    (name, 4) for name in ("whole", "damaged", "executed or refused", "again", "runs", "samples")
)


def _population(size: int) -> Fields:
    return (
        ("size", pack("<I", size)),
        ("0", pack("<I", 0)),
        ("setting 1: leak", pack("<I", 6554)),
        ("setting 2: threshold", pack("<I", 65536)),
    )


def _projection(
    source: int, target: int, multiplier: int, delay: int = 0, flags: int = 0
) -> Fields:
    return (
        ("source", pack("<H", source)),
        ("target", pack("<H", target)),
        ("delay", pack("<H", delay)),
        ("flags", pack("<H", flags)),
        ("multiplier", pack("<I", multiplier)),
    )


def network(*projections: Fields) -> Fields:
    """CONFIGURE of three inputs, and populations of two neurons and of one."""
    return (
        ("populations", pack("<H", 2)),
        ("projections", pack("<H", len(projections))),
        ("inputs", pack("<I", 3)),
        ("settings of a population", pack("<H", 2)),
        ("0", pack("<H", 0)),
        *_population(2),
        *_population(1),
        *(part for each in projections for part in each),
    )


FORWARD = _projection(0, 1, 700), _projection(1, 2, 900)
BACK = _projection(2, 1, 500, delay=1, flags=1)
WEIGHTS: Fields = (
    ("projection", pack("<H", 0)),
    ("first cell", pack("<I", 0)),
    ("count", pack("<H", 4)),
    ("weights", pack("<4b", 127, -20, 90, 60)),
    ("first cell", pack("<I", 5)),
    ("count", pack("<H", 1)),
    ("weight", pack("<b", 100)),
)
CELLS: Sizes = (("cells written", 4),)


def write(projection: int, *weights: int) -> Fields:
    """WRITE of the first weights of a projection."""
    return (
        ("projection", pack("<H", projection)),
        ("first cell", pack("<I", 0)),
        ("count", pack("<H", len(weights))),
        ("weights", pack(f"<{len(weights)}b", *weights)),
    )


def _probe(title: str, layer: int, quantity: int, reduce: int, every: int, *named: int) -> Fields:
    return (
        (f"probe: population {layer}, {title}", pack("<HBBH", layer, quantity, reduce, every)),
        ("neurons named", pack("<H", len(named))),
        *(("neuron", pack("<I", each)) for each in named),
    )


def run(flags: int, steps: int, samples: int, probes: Sequence[Fields], first: int) -> Fields:
    """RUN of constant currents, up to its input."""
    return (
        ("kind: constant current", pack("<B", 0)),
        ("probes", pack("<B", len(probes))),
        ("flags", pack("<H", flags)),
        ("steps T", pack("<H", steps)),
        ("samples B", pack("<H", samples)),
        ("first slot", pack("<H", first)),
        ("0", pack("<H", 0)),
        *(part for each in probes for part in each),
    )


CURRENTS = ("currents", pack("<3h", 256, 128, -64))
BOTH = _probe("membrane, none, every 2", 1, 1, 0, 2)
RUN: Fields = (
    *run(
        0,
        4,
        1,
        [BOTH, _probe("spikes, mean", 1, 0, 1, 1)],
        0,
    ),
    CURRENTS,
)
MEMBRANE_OF_ONE = _probe("membrane, none, every 2", 1, 1, 0, 2, 1)
KEPT: Fields = (*run(2, 2, 1, [MEMBRANE_OF_ONE], 7), CURRENTS)
CARRIED: Fields = (
    *run(1 | 4, 4, 2, [MEMBRANE_OF_ONE], 7),
    ("steps of each sample", pack("<2H", 2, 4)),
    CURRENTS,
    CURRENTS,
)
OF_WEIGHTS: Fields = (
    ("projection", pack("<H", 0)),
    ("of what: weights", pack("<B", 0)),
    ("0", pack("<B", 0)),
)
