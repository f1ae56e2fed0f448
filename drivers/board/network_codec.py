"""The host's side of CONFIGURE, DELAYS and TRIM: a network as a board is told it."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.board.hello import Hello, Setting
from drivers.board.link.frames import Type
from drivers.board.statement import seconds
from drivers.contract.info import DeviceInfo
from drivers.contract.network import Network

UNIT = 65536  # one threshold unit, and a leak of everything
LEAK, STEPS = 2, 3  # codings of settings
SYNAPSE_DELAYS = 1  # flag of a projection
RUN = struct.calcsize("<IH")  # bytes of a run besides its values


def encode(board: Hello, network: Network, info: DeviceInfo) -> Iterator[tuple[Type, bytes]]:
    """The requests that make a network, with weights of zero.

    Args:
        board: What it said of itself.
        network: What is to be configured, complete.
        info: What the board states.

    Yields:
        Type and payload.
    """
    yield Type.CONFIGURE, _configure(board, network, info)
    room = board.payload
    for p, projection in enumerate(network.projections):
        if np.ndim(projection.delay):
            values = np.asarray(projection.delay, "<u2").reshape(-1)
            for part in _runs(struct.pack("<H", p), values, room):
                yield Type.DELAYS, part
    for number, population in enumerate(network.populations, start=1):
        for n, setting in enumerate(board.settings):
            if setting.name in population.trims:
                values = _coded(board, setting, population.trims[setting.name]).astype("<u4")
                for part in _runs(struct.pack("<HH", number, n), values, room):
                    yield Type.TRIM, part


def slots(board: Hello, network: Network) -> int:
    """Of how many samples a board keeps what they leave behind, from run to run.

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


def _configure(board: Hello, network: Network, info: DeviceInfo) -> bytes:
    counts = len(network.populations), len(network.projections)
    payload = struct.pack("<HHIHH", *counts, network.inputs, len(board.settings), 0)
    for population in network.populations:
        chosen = [_coded(board, each, population.settings[each.name]) for each in board.settings]
        payload += struct.pack(f"<II{len(chosen)}I", population.size, 0, *map(int, chosen))
    scales = network.full_scale
    for p, projection in enumerate(network.projections):
        steps = (info.weight_format(p).levels or 2) - 1
        alone = np.ndim(projection.delay) > 0
        payload += struct.pack(
            "<4HI",
            projection.source,
            projection.target,
            0 if alone else int(projection.delay),
            SYNAPSE_DELAYS if alone else 0,
            round(UNIT * scales[p] * 2 / steps),
        )
    return payload


def _coded(board: Hello, setting: Setting, value: ArrayLike) -> NDArray[np.float64]:
    """Values of a setting as a board is told them."""
    step, x = seconds(board), np.asarray(value, np.float64)
    if setting.coding == LEAK:
        return np.rint([UNIT * -math.expm1(-step / each) for each in np.ravel(x)]).reshape(x.shape)
    return np.rint(x / step if setting.coding == STEPS else UNIT * x)


def _runs(head: bytes, values: NDArray[np.generic], room: int) -> Iterator[bytes]:
    """Payloads of one run each that give all values."""
    most = (room - len(head) - RUN) // values.itemsize
    parts: Sequence[int] = range(0, values.size, most)
    for first in parts:
        part = values[first : first + most]
        yield head + struct.pack("<IH", first, part.size) + part.tobytes()
