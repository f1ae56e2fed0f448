"""A board simulated by this process: bytes in, bytes out, bit for bit as the firmware behaves.

It is written from `docs/protocol.md` alone and is the oracle of the firmware.
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
from drivers.board.hello import (
    BITS,
    CARRIES_ON,
    COUNTS,
    CURRENT,
    DETERMINISTIC,
    HAS_LENGTHS,
    LEAK,
    RECURRENT,
    SCALED,
    SKIPPING,
    SYNAPSE_DELAYS,
    TRACE,
    AbilitiesRecord,
    CapacityRecord,
    Hello,
    InputRecord,
    NeuronRecord,
    ProbeRecord,
    SettingRecord,
    TimingRecord,
    WeightsRecord,
)
from drivers.board.simulated_network import BoardNetwork
from drivers.board.simulated_requests import (
    MAX_CURRENT,
    RequestRefused,
    Slots,
    read_network,
    require,
    serve_run,
)
from drivers.errors import LinkError

ROOM = CapacityRecord(
    inputs=4096,  # so that sums fit 32 bits and products 64
    neurons=1024,
    synapses=1 << 20,
    kept=1 << 16,
    layers=8,
    steps=1024,
    delay=31,
    probes=8,
    graph=RECURRENT | SKIPPING | SYNAPSE_DELAYS,
)
WEIGHTS, DELAYS = 0, 1  # of a projection, to be read
STATISTICS = ("whole", "damaged", "requests", "again", "runs", "samples")


def make_hello(name: str = "simulated", *, payload: int = 16384, **room: int) -> Hello:
    """Make the HELLO of a board with the neurons of the page.

    Args:
        name: Of the port of the firmware, at most 16 characters of ASCII.
        payload: Longest payload, in bytes.
        room: Fields of its capacity that are others than those of the simulated board.
    """
    return Hello(
        payload=payload,
        boot_id=1,
        chip=1,
        firmware=(2, 1, 0),
        protocol=VERSION,
        name=name,
        capacity=ROOM._replace(**room),
        # A step stands for 1 ms. Events are added after the test and the reset of their step.
        timing=TimingRecord(step=1_000_000, input=2, layer=2, add=2),
        neuron=NeuronRecord(reset=1, spikes=1, refractory=1, unit=4096),
        # Below, whole multiples of 2^-16 are too coarse a step.
        weights=(WeightsRecord(levels=255, least=100_000, greatest=100_000_000),),
        inputs=(
            InputRecord(CURRENT, 256, MAX_CURRENT),
            InputRecord(TRACE, 256, MAX_CURRENT),
            InputRecord(BITS, 1, 1),
            InputRecord(COUNTS, 1, 255),
        ),
        settings=(
            SettingRecord(2, LEAK, 0, "s", 100, 1_000_000, 10_000, "tau_membrane"),
            SettingRecord(1, SCALED, 0, "", 100_000, 10_000_000, 1_000_000, "threshold"),
        ),
        probes=(ProbeRecord(0, 3, 7, 0, 1), ProbeRecord(1, 3, 7, 1, 1)),
        abilities=AbilitiesRecord(DETERMINISTIC | CARRIES_ON | HAS_LENGTHS),
    )


SIMULATED = make_hello()


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
            if request.type == RequestType.TRIM:
                raise RequestRefused(Status.UNSUPPORTED)
            if request.type not in HANDLERS:
                raise RequestRefused(Status.UNKNOWN)
            if request.type in NEED_NETWORK and self._network is None:
                raise RequestRefused(Status.NOT_CONFIGURED)
            return replace(answer, payload=HANDLERS[request.type](self, request.payload))
        except RequestRefused as refusal:
            return replace(answer, status=refusal.status)

    def _say_hello(self, payload: bytes) -> bytes:
        require(not payload, Status.SIZE)
        return self._hello.encode()

    def _count(self, payload: bytes) -> bytes:
        require(not payload, Status.SIZE)
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


HANDLERS: dict[int, Callable[[SimulatedBoard, bytes], bytes]] = {
    RequestType.HELLO: SimulatedBoard._say_hello,
    RequestType.STATS: SimulatedBoard._count,
    RequestType.ECHO: SimulatedBoard._echo,
    RequestType.CONFIGURE: SimulatedBoard._configure,
    RequestType.WRITE: SimulatedBoard._write_weights,
    RequestType.READ: SimulatedBoard._read,
    RequestType.CRC: SimulatedBoard._compute_crc,
    RequestType.RUN: SimulatedBoard._run,
    RequestType.DELAYS: SimulatedBoard._write_delays,
}
NEED_NETWORK = (
    RequestType.WRITE,
    RequestType.READ,
    RequestType.CRC,
    RequestType.RUN,
    RequestType.DELAYS,
)


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
