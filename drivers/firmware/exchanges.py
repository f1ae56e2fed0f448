"""The exchanges that `docs/protocol.md` shows: what is asked, and what each part means."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from drivers.board.link.frames import Type
from drivers.firmware.exchange_parts import (
    BACK,
    BOTH,
    CARRIED,
    CELLS,
    CURRENTS,
    FORWARD,
    HELLO,
    KEPT,
    OF_WEIGHTS,
    RUN,
    STATS,
    WEIGHTS,
    Fields,
    Sizes,
    network,
    run,
    write,
)

# Title, type, sequence, request and answer of exchanges after a boot, in order.
EXCHANGES: Sequence[tuple[str, Type, int, Fields, Sizes]] = (
    ("HELLO", Type.HELLO, 0, (), HELLO),
    ("WRITE before there is a network: NOT_CONFIGURED", Type.WRITE, 1, WEIGHTS, ()),
    ("CONFIGURE: 3 inputs, 2 and 1 neurons", Type.CONFIGURE, 2, network(*FORWARD), ()),
    ("WRITE: two runs of cells", Type.WRITE, 3, WEIGHTS, CELLS),
    ("WRITE: one run, the other projection", Type.WRITE, 4, write(1, 80, -1), CELLS),
    (
        "READ",
        Type.READ,
        5,
        (*OF_WEIGHTS, ("first cell", pack("<I", 2)), ("count", pack("<H", 4))),
        (("weights", 4),),
    ),
    ("CRC", Type.CRC, 6, OF_WEIGHTS, (("crc of the weights", 4),)),
    (
        "RUN",
        Type.RUN,
        7,
        RUN,
        (
            ("spikes of the output", 2),
            ("membranes after step 2", 4),
            ("membranes after step 4", 4),
            ("spikes of each neuron", 4),
        ),
    ),
    ("ECHO", Type.ECHO, 8, (("payload", bytes((0, 17, 0, 0, 255))),), (("payload", 5),)),
    (
        "READ beyond the last cell: VALUE",
        Type.READ,
        9,
        (("payload", pack("<HBBIH", 1, 0, 0, 1, 2)),),
        (),
    ),
    (
        "RUN: 2 steps, one neuron shown, membranes kept in slot 7",
        Type.RUN,
        10,
        KEPT,
        (("spikes of the output", 2), ("membrane after step 2", 2)),
    ),
    (
        "RUN: 2 more steps from slot 7, and 4 from slot 8, where all is at rest",
        Type.RUN,
        11,
        CARRIED,
        2
        * (
            ("spikes of the output", 2),
            ("membrane after step 2", 2),
            ("membrane after step 4, 0 where there was none", 2),
        ),
    ),
    (
        "CONFIGURE: one more projection, back, whose synapses have delays of their own",
        Type.CONFIGURE,
        12,
        network(*FORWARD, BACK),
        (),
    ),
    ("WRITE: the first projection", Type.WRITE, 13, WEIGHTS, CELLS),
    ("WRITE: the second", Type.WRITE, 14, write(1, 80, -1), CELLS),
    ("WRITE: the one back", Type.WRITE, 15, write(2, 127, -90), CELLS),
    (
        "DELAYS: of the second synapse of the one back, 2 steps beyond its 1",
        Type.DELAYS,
        16,
        (
            ("projection", pack("<H", 2)),
            ("first cell", pack("<I", 1)),
            ("count", pack("<H", 1)),
            ("delay", pack("<H", 2)),
        ),
        CELLS,
    ),
    (
        "READ: its delays",
        Type.READ,
        17,
        (
            ("projection", pack("<H", 2)),
            ("of what: delays", pack("<B", 1)),
            ("0", pack("<B", 0)),
            ("first cell", pack("<I", 0)),
            ("count", pack("<H", 2)),
        ),
        (("delays", 4),),
    ),
    (
        "RUN: 4 steps, kept in slot 0 with the spikes under way",
        Type.RUN,
        18,
        (*run(2, 4, 1, [BOTH], 0), CURRENTS),
        (("spikes of the output", 2), ("membranes after step 2", 4), ("membranes after step 4", 4)),
    ),
    (
        "RUN: 2 more steps from slot 0",
        Type.RUN,
        19,
        (*run(1, 2, 1, [BOTH], 0), CURRENTS),
        (("spikes of the output", 2), ("membranes after step 2", 4)),
    ),
    (
        "DELAYS beyond the longest: VALUE",
        Type.DELAYS,
        20,
        (
            ("projection", pack("<H", 2)),
            ("first cell", pack("<I", 0)),
            ("count", pack("<H", 1)),
            ("delay", pack("<H", 31)),
        ),
        (),
    ),
    (
        "TRIM: UNSUPPORTED",
        Type.TRIM,
        21,
        (
            ("population", pack("<H", 1)),
            ("setting, counted from 0", pack("<H", 1)),
            ("first neuron", pack("<I", 0)),
            ("count", pack("<H", 1)),
            ("threshold", pack("<I", 70000)),
        ),
        (),
    ),
    ("STATS", Type.STATS, 22, (), STATS),
)
