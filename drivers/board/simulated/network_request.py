"""A CONFIGURE request of the protocol, read by the simulated board."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from drivers.board.link.frames import Status
from drivers.board.simulated import arithmetic
from drivers.board.simulated.arithmetic import BoardNetwork, BoardProjection
from drivers.board.simulated.limits import Limits
from drivers.board.simulated.refusal import need

HEADER, POPULATION, PROJECTION = "<HHIHH", "<IIII", "<HHHHI"
SETTINGS = 2
LEAKS = range(1, 65535 + 1)
THRESHOLDS = range(6554, 655360 + 1)
MULTIPLIERS = range(1, (1 << 22) + 1)
SYNAPSE_DELAYS = 1  # flag of a projection


def read(payload: bytes, limits: Limits, chip: int) -> BoardNetwork:
    """The network that a payload describes, with weights and delays by synapse of zero.

    Raises:
        Refused: When the payload is not what the protocol demands, or too large for this board.
    """
    header = struct.calcsize(HEADER)
    need(len(payload) >= header, Status.SIZE)
    depth, count, inputs, settings, zero = struct.unpack_from(HEADER, payload)
    need(depth >= 1 and count >= 1 and inputs >= 1, Status.VALUE)
    need(settings == SETTINGS and zero == 0, Status.VALUE)
    need(depth <= limits.layers, Status.ROOM)
    graph = header + depth * struct.calcsize(POPULATION)
    need(len(payload) == graph + count * struct.calcsize(PROJECTION), Status.SIZE)
    need(inputs <= limits.inputs, Status.ROOM)
    sizes, neurons = [inputs], []
    for size, zero, leak, threshold in struct.iter_unpack(POPULATION, payload[header:graph]):
        need(size >= 1 and zero == 0, Status.VALUE)
        need(leak in LEAKS and threshold in THRESHOLDS, Status.VALUE)
        need(size <= limits.neurons, Status.ROOM)
        sizes.append(size)
        neurons.append((threshold, leak))
    told = list(struct.iter_unpack(PROJECTION, payload[graph:]))
    for number, (source, target, delay, flags, multiplier) in enumerate(told):
        need(source <= depth and 1 <= target <= depth and delay <= limits.delay, Status.VALUE)
        need(flags <= SYNAPSE_DELAYS and multiplier in MULTIPLIERS, Status.VALUE)
        need((source, target) not in [each[:2] for each in told[:number]], Status.VALUE)
    # A synapse with a delay of its own takes the room of two.
    cells = sum(sizes[each[0]] * sizes[each[1]] * (1 + each[3]) for each in told)
    need(cells <= limits.weights, Status.ROOM)
    projections = tuple(_projection(each, sizes) for each in told)
    return BoardNetwork(
        inputs,
        tuple(
            arithmetic.population(chip, number, sizes[number], *each)
            for number, each in enumerate(neurons, start=1)
        ),
        projections,
        input_past=_longest([each for each in projections if each.source == 0], limits),
        past=_longest([each for each in projections if each.source != 0], limits),
    )


def _projection(told: Sequence[int], sizes: Sequence[int]) -> BoardProjection:
    source, target, delay, flags, multiplier = told
    shape = sizes[source], sizes[target]
    delays = np.zeros(shape, np.uint16) if flags & SYNAPSE_DELAYS else None
    weights = np.zeros(shape, np.int8)
    return BoardProjection(source, target, multiplier, delay, weights, delays)


def _longest(projections: Sequence[BoardProjection], limits: Limits) -> int:
    """How many steps events over some projections may be on their way."""
    delays = (limits.delay if p.delays is not None else p.delay for p in projections)
    return max(delays, default=0)
