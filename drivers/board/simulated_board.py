"""A board simulated by this process: bytes in, bytes out, bit for bit as the firmware behaves.

It is written from `docs/protocol.md` alone and is the oracle of the firmware.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.board.frames import (
    ANSWER,
    VERSION,
    Frame,
    FrameDamaged,
    FrameSplitter,
    RequestType,
    Status,
    max_line_bytes,
)
from drivers.board.hello import ASKED, GIVE_BACK, NAME_BYTES, SIMULATED, Hello, LeaseRecord
from drivers.board.simulated_network import BoardNetwork
from drivers.board.simulated_requests import (
    RequestRefused,
    Slots,
    read_network,
    require,
    serve_run,
)
from drivers.errors import LinkError

WEIGHTS, DELAYS = 0, 1  # of a projection, to be read
STATISTICS = ("whole", "damaged", "requests", "again", "runs", "samples")


class SimulatedBoard:
    """A board after it has booted."""

    def __init__(self, chip: int = 1, boot_id: int = 1, hello: Hello = SIMULATED) -> None:
        """Boot it.

        Args:
            chip: Seed of its fixed pattern; 0 is the ideal one.
            boot_id: What it says of this boot. Each `reboot` counts it up.
            hello: What else it says of itself, and has room for.
        """
        self._hello = replace(hello, chip=chip, boot_id=boot_id)
        self._boot()

    def reboot(self) -> None:
        """Forget everything but the number of the boot."""
        self._hello = replace(self._hello, boot_id=(self._hello.boot_id + 1) % (1 << 32))
        self._boot()

    def feed(self, data: bytes) -> bytes:
        """Receive bytes, in pieces of any length.

        Returns:
            What it sends thereupon.
        """
        return b"".join(map(self._answer_piece, self._splitter.feed(data)))

    def _boot(self) -> None:
        self._splitter = FrameSplitter(max_line_bytes(self._hello.payload) - 1)
        self._network: BoardNetwork | None = None
        self._slots: Slots = {}
        self._counts: Counter[str] = Counter()
        self._last: tuple[int, int] | None = None  # sequence and crc
        self._answer = b""
        self._lease, self._last_lease = LeaseRecord(), self._hello.boot_id % 256

    def go_on_from(self, request: bytes, counts: Sequence[int], last_lease: int) -> None:
        """Be as a board that runs already.

        Args:
            request: Its last one, STATS.
            counts: What it answered.
            last_lease: Number of the last lease that it gave.
        """
        frame = Frame.decode(request[:-1])
        self._counts = Counter(dict(zip(STATISTICS, counts, strict=True)))
        self._last = frame.sequence, frame.checksum()
        self._answer = Frame(frame.type | ANSWER, frame.sequence, self._pack_counts()).encode()
        self._last_lease = last_lease

    def _answer_piece(self, stuffed: bytes | None) -> bytes:
        try:
            if stuffed is None:
                raise FrameDamaged(Status.LENGTH)
            request = Frame.decode(stuffed)
            if len(request.payload) > self._hello.payload:
                raise FrameDamaged(Status.LENGTH)
        except FrameDamaged as damage:
            self._counts["damaged"] += 1
            return Frame(RequestType.LINKERR, 0, status=damage.status).encode()
        self._counts["whole"] += 1
        if request.type & ANSWER:
            return b""
        if request.status and request.status == self._lease.number:
            self._lease = self._lease._replace(used=(self._lease.used + 1) % (1 << 32))
        this = request.sequence, request.checksum()
        if this == self._last:
            self._counts["again"] += 1
        else:
            self._last = this
            self._answer = self._execute(request).encode()
        return self._answer

    def _execute(self, request: Frame) -> Frame:
        self._counts["requests"] += 1
        answer = Frame(request.type | ANSWER, request.sequence)
        try:
            if request.version != VERSION and request.type != RequestType.HELLO:
                raise RequestRefused(Status.VERSION)
            if request.type != RequestType.HELLO:
                require(request.status == self._lease.number, Status.OWNED)
            if request.type == RequestType.TRIM:
                raise RequestRefused(Status.UNSUPPORTED)
            handler = HANDLERS.get(request.type) or NETWORK_HANDLERS.get(request.type)
            if handler is None:
                raise RequestRefused(Status.UNKNOWN)
            if request.type in NETWORK_HANDLERS and self._network is None:
                raise RequestRefused(Status.NOT_CONFIGURED)
            return replace(answer, payload=handler(self, request.payload))
        except RequestRefused as refusal:
            return replace(answer, status=refusal.status)

    def _say_hello(self, payload: bytes) -> bytes:
        if payload:
            self._ask_lease(payload)
        return replace(self._hello, lease=self._lease).encode()

    def _ask_lease(self, payload: bytes) -> None:
        """Give the lease to who asks for it, or take it back."""
        require(ASKED.size <= len(payload) <= ASKED.size + NAME_BYTES, Status.SIZE)
        token, replaced, flags, zero, used = ASKED.unpack_from(payload)
        require(token != 0 and flags <= GIVE_BACK and zero == 0, Status.VALUE)
        held = self._lease
        if flags == GIVE_BACK:
            self._lease = LeaseRecord() if token == held.token else held
        elif token != held.token and (
            held.number == 0 or (replaced, used) == (held.number, held.used)
        ):
            self._last_lease = self._last_lease % 255 + 1
            name = payload[ASKED.size :].partition(b"\0")[0].decode("latin-1")
            self._lease = LeaseRecord(self._last_lease, token, 0, name)

    def _count(self, payload: bytes) -> bytes:
        require(not payload, Status.SIZE)
        return self._pack_counts()

    def _pack_counts(self) -> bytes:
        return struct.pack("<6I", *(self._counts[name] % (1 << 32) for name in STATISTICS))

    def _echo(self, payload: bytes) -> bytes:
        return payload

    def _configure(self, payload: bytes) -> bytes:
        self._network = read_network(payload, self._hello)
        self._slots = {}
        return b""

    def _cells(self, number: int, what: int) -> tuple[NDArray[Any], range]:
        """Find weights, or delays, of the synapses of a projection, in order, and their range."""
        assert self._network is not None
        require(number < len(self._network.projections) and what <= DELAYS, Status.VALUE)
        projection = self._network.projections[number]
        if what == WEIGHTS:
            return projection.weights.reshape(-1), range(-127, 128)
        if projection.delays is None:
            raise RequestRefused(Status.VALUE)
        longest = self._hello.capacity.delay - projection.delay
        return projection.delays.reshape(-1), range(longest + 1)

    def _write_weights(self, payload: bytes) -> bytes:
        return self._write(payload, WEIGHTS)

    def _write_delays(self, payload: bytes) -> bytes:
        return self._write(payload, DELAYS)

    def _write(self, payload: bytes, what: int) -> bytes:
        require(len(payload) >= 2, Status.SIZE)
        cells, allowed = self._cells(int.from_bytes(payload[:2], "little"), what)
        runs = list(_read_runs(payload[2:], cells, allowed))
        for first, values in runs:
            cells[first : first + len(values)] = values
        return struct.pack("<I", sum(len(values) for _, values in runs))

    def _read(self, payload: bytes) -> bytes:
        require(len(payload) == 10, Status.SIZE)
        projection, what, zero, first, count = struct.unpack("<HBBIH", payload)
        cells, _ = self._cells(projection, what)
        require(zero == 0 and count >= 1 and first + count <= len(cells), Status.VALUE)
        require(count * cells.itemsize <= self._hello.payload, Status.SIZE)
        return cells[first : first + count].tobytes()

    def _compute_crc(self, payload: bytes) -> bytes:
        require(len(payload) == 4, Status.SIZE)
        projection, what, zero = struct.unpack("<HBB", payload)
        cells, _ = self._cells(projection, what)
        require(zero == 0, Status.VALUE)
        return struct.pack("<I", zlib.crc32(cells.tobytes()))

    def _run(self, payload: bytes) -> bytes:
        assert self._network is not None
        answer, batch = serve_run(payload, self._network, self._hello, self._slots)
        self._counts["runs"] += 1
        self._counts["samples"] += batch
        return answer


Handler = Callable[[SimulatedBoard, bytes], bytes]
HANDLERS: dict[int, Handler] = {
    RequestType.HELLO: SimulatedBoard._say_hello,
    RequestType.STATS: SimulatedBoard._count,
    RequestType.ECHO: SimulatedBoard._echo,
    RequestType.CONFIGURE: SimulatedBoard._configure,
}
NETWORK_HANDLERS: dict[int, Handler] = {
    RequestType.WRITE: SimulatedBoard._write_weights,
    RequestType.READ: SimulatedBoard._read,
    RequestType.CRC: SimulatedBoard._compute_crc,
    RequestType.RUN: SimulatedBoard._run,
    RequestType.DELAYS: SimulatedBoard._write_delays,
}


def _read_runs(
    data: bytes, cells: NDArray[Any], allowed: range
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Read first cell and values of each run of a WRITE, or of DELAYS."""
    while data:
        require(len(data) >= 6, Status.SIZE)
        first, count = struct.unpack_from("<IH", data)
        require(count >= 1, Status.VALUE)
        end = 6 + cells.itemsize * count
        require(len(data) >= end, Status.SIZE)
        values = np.frombuffer(data, cells.dtype, count, 6)
        require(first + count <= len(cells), Status.VALUE)
        require(values.min() in allowed and values.max() in allowed, Status.VALUE)
        yield first, values
        data = data[end:]


class SimulatedPort:
    """A transport to a simulated board in this process, which computes while it is read from."""

    def __init__(self, board: SimulatedBoard) -> None:
        """Connect to a board."""
        self._board: SimulatedBoard | None = board
        self._requests, self._answers = bytearray(), bytearray()

    def read(self, timeout: float) -> bytes:
        """Read what the board answers to all it was given; nothing else will come."""
        self._work()
        answers = bytes(self._answers)
        self._answers.clear()
        return answers

    def write(self, data: bytes) -> None:
        """Give bytes to the board."""
        self._connected_board()
        self._requests += data

    def reboot(self) -> None:
        """Restart the board; what it was given before, it has answered before."""
        self._work()
        self._connected_board().reboot()

    def close(self) -> None:
        """Disconnect from the board."""
        self._board = None

    def _work(self) -> None:
        self._answers += self._connected_board().feed(bytes(self._requests))
        self._requests.clear()

    def _connected_board(self) -> SimulatedBoard:
        if self._board is None:
            raise LinkError("the port to the simulated board is closed")
        return self._board
