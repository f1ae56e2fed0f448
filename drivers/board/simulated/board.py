"""A board simulated by this process: bytes in, bytes out, as the firmware would.

It is written from `docs/protocol.md` alone and is the oracle of the firmware, bit for bit.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.board.link import frames
from drivers.board.link.frames import Damaged, Frame, Splitter, Status, Type
from drivers.board.simulated import network_request, run_request
from drivers.board.simulated.arithmetic import BoardNetwork
from drivers.board.simulated.limits import Limits
from drivers.board.simulated.refusal import Refused, need
from drivers.board.simulated.run_request import Slots

WEIGHTS, DELAYS = 0, 1  # of a projection, to be read


class SimulatedBoard:
    """A board after it has booted."""

    def __init__(self, chip: int = 1, boot_id: int = 1, limits: Limits | None = None) -> None:
        """Boot it.

        Args:
            chip: Seed of its fixed pattern; 0 is the ideal one.
            boot_id: What it tells of this boot. Each `reboot` counts it up.
            limits: What it has room for.
        """
        self._chip = chip
        self._limits = limits or Limits()
        self._boot_id = boot_id
        self._boot()

    def reboot(self) -> None:
        """Forget everything but the number of the boot."""
        self._boot_id = (self._boot_id + 1) % (1 << 32)
        self._boot()

    def feed(self, data: bytes) -> bytes:
        """Receive bytes, in pieces of any length.

        Returns:
            What it sends thereupon.
        """
        return b"".join(map(self._piece, self._splitter.feed(data)))

    def _boot(self) -> None:
        self._splitter = Splitter(frames.line_bytes(self._limits.payload) - 1)
        self._network: BoardNetwork | None = None
        self._slots: Slots = {}
        self._counts: Counter[str] = Counter()
        self._last: tuple[int, int] | None = None  # sequence and crc
        self._answer = b""

    def _piece(self, stuffed: bytes | None) -> bytes:
        try:
            if stuffed is None:
                raise Damaged(Status.LENGTH)
            request = frames.decode(stuffed)
            if len(request.payload) > self._limits.payload:
                raise Damaged(Status.LENGTH)
        except Damaged as damage:
            self._counts["damaged"] += 1
            return frames.encode(Frame(Type.LINKERR, 0, status=damage.status))
        self._counts["whole"] += 1
        if request.type & frames.ANSWER:
            return b""
        this = request.sequence, frames.checksum(request)
        if this == self._last:
            self._counts["again"] += 1
        else:
            self._last = this
            self._answer = frames.encode(self._execute(request))
        return self._answer

    def _execute(self, request: Frame) -> Frame:
        self._counts["requests"] += 1
        answer = Frame(request.type | frames.ANSWER, request.sequence)
        try:
            if request.version != frames.VERSION and request.type != Type.HELLO:
                raise Refused(Status.VERSION)
            if request.type == Type.TRIM:
                raise Refused(Status.UNSUPPORTED)
            if request.type not in HANDLERS:
                raise Refused(Status.UNKNOWN)
            if request.type in NEED_NETWORK and self._network is None:
                raise Refused(Status.NOT_CONFIGURED)
            return replace(answer, payload=HANDLERS[Type(request.type)](self, request.payload))
        except Refused as refusal:
            return replace(answer, status=refusal.status)

    def _hello(self, payload: bytes) -> bytes:
        need(not payload, Status.SIZE)
        return self._limits.hello(self._boot_id, self._chip).encode()

    def _stats(self, payload: bytes) -> bytes:
        need(not payload, Status.SIZE)
        names = ("whole", "damaged", "requests", "again", "runs", "samples")
        return struct.pack("<6I", *(self._counts[name] % (1 << 32) for name in names))

    def _echo(self, payload: bytes) -> bytes:
        return payload

    def _configure(self, payload: bytes) -> bytes:
        self._network = network_request.read(payload, self._limits, self._chip)
        self._slots = {}
        return b""

    def _cells(self, projection: int, what: int = WEIGHTS) -> NDArray[Any]:
        """Weights, or delays, of the synapses of a projection, in order."""
        assert self._network is not None
        need(projection < len(self._network.projections) and what <= DELAYS, Status.VALUE)
        found = self._network.projections[projection]
        if what == WEIGHTS:
            return found.weights.reshape(-1)
        if found.delays is None:
            raise Refused(Status.VALUE)
        return found.delays.reshape(-1)

    def _write(self, payload: bytes) -> bytes:
        return self._written(payload, WEIGHTS)

    def _delays(self, payload: bytes) -> bytes:
        return self._written(payload, DELAYS)

    def _written(self, payload: bytes, what: int) -> bytes:
        need(len(payload) >= 2, Status.SIZE)
        (projection,) = struct.unpack_from("<H", payload)
        cells = self._cells(projection, what)
        assert self._network is not None
        most = self._limits.delay - self._network.projections[projection].delay
        allowed = range(-127, 128) if what == WEIGHTS else range(most + 1)
        runs = list(_runs(payload[2:], cells, allowed))
        for first, values in runs:
            cells[first : first + len(values)] = values
        return struct.pack("<I", sum(len(values) for _, values in runs))

    def _read(self, payload: bytes) -> bytes:
        need(len(payload) == 10, Status.SIZE)
        projection, what, zero, first, count = struct.unpack("<HBBIH", payload)
        cells = self._cells(projection, what)
        need(zero == 0 and count >= 1 and first + count <= len(cells), Status.VALUE)
        need(count * cells.itemsize <= self._limits.payload, Status.SIZE)
        return cells[first : first + count].tobytes()

    def _crc(self, payload: bytes) -> bytes:
        need(len(payload) == 4, Status.SIZE)
        projection, what, zero = struct.unpack("<HBB", payload)
        cells = self._cells(projection, what)
        need(zero == 0, Status.VALUE)
        return struct.pack("<I", zlib.crc32(cells.tobytes()))

    def _run(self, payload: bytes) -> bytes:
        assert self._network is not None
        answer, batch = run_request.serve(payload, self._network, self._limits, self._slots)
        self._counts["runs"] += 1
        self._counts["samples"] += batch
        return answer


HANDLERS: dict[int, Callable[[SimulatedBoard, bytes], bytes]] = {
    Type.HELLO: SimulatedBoard._hello,
    Type.STATS: SimulatedBoard._stats,
    Type.ECHO: SimulatedBoard._echo,
    Type.CONFIGURE: SimulatedBoard._configure,
    Type.WRITE: SimulatedBoard._write,
    Type.READ: SimulatedBoard._read,
    Type.CRC: SimulatedBoard._crc,
    Type.RUN: SimulatedBoard._run,
    Type.DELAYS: SimulatedBoard._delays,
}
NEED_NETWORK = (Type.WRITE, Type.READ, Type.CRC, Type.RUN, Type.DELAYS)


def _runs(data: bytes, cells: NDArray[Any], allowed: range) -> Iterator[tuple[int, NDArray[Any]]]:
    """First cell and values of each run of a WRITE, or of DELAYS."""
    while data:
        need(len(data) >= 6, Status.SIZE)
        first, count = struct.unpack_from("<IH", data)
        need(count >= 1, Status.VALUE)
        end = 6 + cells.itemsize * count
        need(len(data) >= end, Status.SIZE)
        values = np.frombuffer(data, cells.dtype, count, 6)
        need(first + count <= len(cells), Status.VALUE)
        need(values.min() in allowed and values.max() in allowed, Status.VALUE)
        yield first, values
        data = data[end:]
