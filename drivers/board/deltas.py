"""What has to be sent so that a board holds new weights."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

HEADER = struct.calcsize("<IH")  # bytes of a run besides its cells
LONGEST = 65535  # cells of a run


def runs(held: NDArray[np.int8], wanted: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Runs of cells that turn one projection into another with the fewest bytes.

    Two changed cells share a run where the cells between them are fewer bytes than the header of
    another run, so that this never costs more than to send the whole.

    Args:
        held: `(n,)`.
        wanted: `(n,)`.

    Returns:
        First cell, and cell after the last, of each run in order.
    """
    changed = np.flatnonzero(held != wanted)
    if not changed.size:
        return []
    breaks = np.flatnonzero(np.diff(changed) > HEADER + 1)
    starts = changed[np.concatenate(([0], breaks + 1))]
    stops = changed[np.concatenate((breaks, [changed.size - 1]))] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def payloads(
    projection: int, held: NDArray[np.int8], wanted: NDArray[np.int8], room: int
) -> Iterator[tuple[bytes, int]]:
    """Payloads of the WRITE requests, each but the last as full as it gets.

    Args:
        projection: Its number.
        held: `(n,)`, what the board holds.
        wanted: `(n,)`.
        room: Longest payload.

    Yields:
        A payload, and how many cells it writes.
    """
    payload, cells = bytearray(struct.pack("<H", projection)), 0
    for first, stop in runs(held, wanted):
        while first < stop:
            if room - len(payload) <= HEADER:
                yield bytes(payload), cells
                payload, cells = bytearray(struct.pack("<H", projection)), 0
            count = min(stop - first, room - len(payload) - HEADER, LONGEST)
            payload += struct.pack("<IH", first, count) + wanted[first : first + count].tobytes()
            first, cells = first + count, cells + count
    if cells:
        yield bytes(payload), cells
