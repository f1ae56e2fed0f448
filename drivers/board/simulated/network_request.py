"""A CONFIGURE request of the protocol, read by the simulated board."""

from __future__ import annotations

import struct

from drivers.board.link.frames import Status
from drivers.board.simulated import arithmetic
from drivers.board.simulated.arithmetic import BoardLayer
from drivers.board.simulated.limits import Limits
from drivers.board.simulated.refusal import need

HEADER, POPULATION, PROJECTION = "<HHIHH", "<IIII", "<HHHHI"
SETTINGS = 2
LEAKS = range(1, 65535 + 1)
THRESHOLDS = range(6554, 655360 + 1)
MULTIPLIERS = range(1, (1 << 22) + 1)
SYNAPSE_DELAYS = 1  # flag of a projection


def read(payload: bytes, limits: Limits, chip: int) -> list[BoardLayer]:
    """The layers that a payload describes, with weights of zero.

    Raises:
        Refused: When the payload is not what the protocol demands, or not a feed-forward network
            without delays, which is all that this board has.
    """
    header = struct.calcsize(HEADER)
    need(len(payload) >= header, Status.SIZE)
    depth, projections, inputs, settings, zero = struct.unpack_from(HEADER, payload)
    need(depth >= 1 and projections >= 1 and inputs >= 1, Status.VALUE)
    need(settings == SETTINGS and zero == 0, Status.VALUE)
    need(depth <= limits.layers, Status.ROOM)
    graph = header + depth * struct.calcsize(POPULATION)
    need(len(payload) == graph + projections * struct.calcsize(PROJECTION), Status.SIZE)
    need(inputs <= limits.inputs, Status.ROOM)
    sizes, neurons = [inputs], []
    for size, zero, leak, threshold in struct.iter_unpack(POPULATION, payload[header:graph]):
        need(size >= 1 and zero == 0, Status.VALUE)
        need(leak in LEAKS and threshold in THRESHOLDS, Status.VALUE)
        need(size <= limits.neurons, Status.ROOM)
        sizes.append(size)
        neurons.append((threshold, leak))
    multipliers = []
    for number, each in enumerate(struct.iter_unpack(PROJECTION, payload[graph:])):
        source, target, delay, flags, multiplier = each
        need(source <= depth and 1 <= target <= depth, Status.VALUE)
        need(flags <= SYNAPSE_DELAYS and multiplier in MULTIPLIERS, Status.VALUE)
        feed_forward = (source, target) == (number, number + 1)
        need(feed_forward and delay == 0 and flags == 0, Status.UNSUPPORTED)
        multipliers.append(multiplier)
    need(projections == depth, Status.UNSUPPORTED)
    cells = sum(sizes[n] * sizes[n + 1] for n in range(depth))
    need(cells <= limits.weights, Status.ROOM)
    return [
        arithmetic.layer(chip, n + 1, (sizes[n], sizes[n + 1]), multipliers[n], *neurons[n])
        for n in range(depth)
    ]
