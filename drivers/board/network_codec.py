"""The host's side of CONFIGURE, DELAYS, TRIM and WRITE: a network and its weights as bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.board.frames import RequestType
from drivers.board.hello import LEAK, STEPS, Hello, SettingRecord
from drivers.contract.info import DeviceInfo
from drivers.contract.network import Network

UNIT = 65536  # one threshold unit, and a leak of everything
OWN_DELAYS = 1  # flag of a projection
HEADER = struct.calcsize("<IH")  # bytes of a run of cells besides their values
LONGEST = 65535  # cells of a run


def encode_network(
    board: Hello, network: Network, info: DeviceInfo
) -> Iterator[tuple[RequestType, bytes]]:
    """Encode the requests that make a network, with weights of zero.

    Args:
        board: What it said of itself.
        network: What is to be configured, complete.
        info: What the board states.

    Yields:
        Type and payload.
    """
    yield RequestType.CONFIGURE, _encode_configure(board, network, info)
    room = board.payload
    for p, projection in enumerate(network.projections):
        if np.ndim(projection.delay):
            values = np.asarray(projection.delay, "<u2").reshape(-1)
            for part in _encode_runs(struct.pack("<H", p), values, room):
                yield RequestType.DELAYS, part
    for number, population in enumerate(network.populations, start=1):
        for n, setting in enumerate(board.settings):
            if setting.name in population.trims:
                values = _code(board, setting, population.trims[setting.name]).astype("<u4")
                for part in _encode_runs(struct.pack("<HH", number, n), values, room):
                    yield RequestType.TRIM, part


def count_slots(board: Hello, network: Network) -> int:
    """Count the samples of which a board keeps what they leave behind, from run to run.

    Args:
        board: What it said of itself.
        network: What is configured.
    """
    longest = {True: 0, False: 0}  # whether from the input
    for each in network.projections:
        delay = board.capacity.delay if np.ndim(each.delay) else int(each.delay)
        longest[each.source == 0] = max(longest[each.source == 0], delay)
    neurons = sum(network.layers[1:])
    spikes = neurons if longest[False] else 0
    return board.capacity.kept // (neurons + spikes + network.inputs * longest[True])


def find_changed_runs(stored: NDArray[np.int8], wanted: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Find the runs of cells that turn one projection into another with the fewest bytes.

    Two changed cells share a run where the cells between them are fewer bytes than the header of
    another run, so that this never costs more than to send the whole.

    Args:
        stored: `(n,)`.
        wanted: `(n,)`.

    Returns:
        First cell, and cell after the last, of each run in order.
    """
    changed = np.flatnonzero(stored != wanted)
    if not changed.size:
        return []
    breaks = np.flatnonzero(np.diff(changed) > HEADER + 1)
    starts = changed[np.concatenate(([0], breaks + 1))]
    stops = changed[np.concatenate((breaks, [changed.size - 1]))] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def encode_writes(
    projection: int, stored: NDArray[np.int8], wanted: NDArray[np.int8], room: int
) -> Iterator[tuple[bytes, int]]:
    """Encode the payloads of WRITE requests, each but the last as full as it gets.

    Args:
        projection: Its number.
        stored: `(n,)`, what the board holds.
        wanted: `(n,)`.
        room: Longest payload.

    Yields:
        A payload, and how many cells it writes.
    """
    payload, cells = bytearray(struct.pack("<H", projection)), 0
    for first, stop in find_changed_runs(stored, wanted):
        while first < stop:
            if room - len(payload) <= HEADER:
                yield bytes(payload), cells
                payload, cells = bytearray(struct.pack("<H", projection)), 0
            count = min(stop - first, room - len(payload) - HEADER, LONGEST)
            payload += struct.pack("<IH", first, count) + wanted[first : first + count].tobytes()
            first, cells = first + count, cells + count
    if cells:
        yield bytes(payload), cells


def _encode_configure(board: Hello, network: Network, info: DeviceInfo) -> bytes:
    counts = len(network.populations), len(network.projections)
    payload = struct.pack("<HHIHH", *counts, network.inputs, len(board.settings), 0)
    for population in network.populations:
        codes = [int(_code(board, s, population.settings[s.name])) for s in board.settings]
        payload += struct.pack(f"<II{len(codes)}I", population.size, 0, *codes)
    for p, projection in enumerate(network.projections):
        steps = (info.weight_format(p).levels or 2) - 1
        has_own = np.ndim(projection.delay) > 0
        payload += struct.pack(
            "<4HI",
            projection.source,
            projection.target,
            0 if has_own else int(projection.delay),
            OWN_DELAYS if has_own else 0,
            round(UNIT * network.full_scale[p] * 2 / steps),
        )
    return payload


def _code(board: Hello, setting: SettingRecord, value: ArrayLike) -> NDArray[np.float64]:
    """Compute the whole numbers that a board takes for values of a setting."""
    step, x = board.timing.seconds, np.asarray(value, np.float64)
    if setting.coding == LEAK:
        return np.rint([UNIT * -math.expm1(-step / each) for each in np.ravel(x)]).reshape(x.shape)
    return np.rint(x / step if setting.coding == STEPS else UNIT * x)


def _encode_runs(head: bytes, values: NDArray[np.generic], room: int) -> Iterator[bytes]:
    """Encode payloads of one run each that give all values."""
    most = (room - len(head) - HEADER) // values.itemsize
    for first in range(0, values.size, most):
        part = values[first : first + most]
        yield head + struct.pack("<IH", first, part.size) + part.tobytes()
