"""The device of `docs/protocol.md` neuron by neuron in plain Python: slow, and easy to read."""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from struct import pack, unpack

from drivers.board.device import Board
from drivers.board.hello import SIMULATED, Hello
from drivers.board.link import Link
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort

# Of this chip, the numbers of layer 1 would begin at 0, where they would stay.
CHIP_AT_ZERO = -(40503 + 1) * pow(2654435761, -1, 2**32) % 2**32


@dataclass
class Neuron:
    threshold: int
    gain: int
    leak: int
    v: int = 0
    spike: bool = False
    # Sums on their way: by steps that are left, number of the projection, and whether of currents.
    due: dict[tuple[int, int, bool], int] = field(default_factory=lambda: defaultdict(int))

    def arrived(self, number: int, current: bool) -> int:
        return self.due.get((0, number, current), 0)


@dataclass
class Synapses:
    """A projection; `delays` of each synapse are beyond that of all."""

    source: int
    target: int
    multiplier: int
    weights: list[list[int]]
    delay: int = 0
    delays: list[list[int]] | None = None

    def send(
        self, number: int, values: Sequence[int], current: bool, targets: list[Neuron]
    ) -> None:
        """Put what the sources do now on its way."""
        for i, value in enumerate(values):
            for j, neuron in enumerate(targets):
                late = self.delay + (self.delays[i][j] if self.delays else 0)
                neuron.due[late, number, current] += value * self.weights[i][j]


def chain(weights: list[list[list[int]]], multipliers: list[int]) -> list[Synapses]:
    """Each layer to the next."""
    return [
        Synapses(n, n + 1, multiplier, rows)
        for n, (multiplier, rows) in enumerate(zip(multipliers, weights, strict=True))
    ]


def bound(x: int) -> int:
    return min(max(x, -(2**30)), 2**30)


def pattern(seed: int, layer: int, count: int, threshold: int, leak: int) -> list[Neuron]:
    """Neurons of a layer, counted from 1, of the chip of that seed."""
    x = (seed * 2654435761 + layer * 40503 + 1) % 2**32 or 1

    def number() -> int:
        nonlocal x
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        return x

    def deviate() -> int:
        return sum(number() >> 24 for _ in range(4)) - 510 if seed else 0

    for _ in range(8):
        number()
    neurons = []
    for _ in range(count):
        r1, r2, r3 = deviate(), deviate(), deviate()
        neurons.append(
            Neuron(
                threshold + ((threshold * r1 * 45) >> 16),
                4096 + ((r2 * 45) >> 4),
                min(max(leak + ((leak * r3 * 90) >> 16), 1), 65535),
            )
        )
    return neurons


def run(
    layers: list[list[Neuron]],
    projections: list[Synapses],
    inputs: list[list[int]],
    current: bool,
    resume: bool = False,
) -> list[tuple[list[list[bool]], list[list[int]]]]:
    """One sample: spikes and membranes before the reset of every layer, step after step."""
    everyone = [neuron for neurons in layers for neuron in neurons]
    for neuron in everyone:
        if not resume:
            neuron.v = 0
            neuron.due.clear()
    steps = []
    for given in inputs:
        for number, each in enumerate(projections):
            if each.source == 0:
                each.send(number, given, current, layers[each.target - 1])
        membranes = []
        for neurons in layers:
            for neuron in neurons:
                neuron.v -= (neuron.v * neuron.leak) >> 16
                for number, each in enumerate(projections):
                    drive = (neuron.arrived(number, True) * each.multiplier) >> 8
                    neuron.v = bound(neuron.v + ((drive * neuron.gain) >> 12))
                neuron.spike = neuron.v >= neuron.threshold
            membranes.append([min(max(neuron.v >> 4, -32768), 32767) for neuron in neurons])
        for number, each in enumerate(projections):
            if each.source:
                spikes = [int(neuron.spike) for neuron in layers[each.source - 1]]
                each.send(number, spikes, False, layers[each.target - 1])
        for neuron in everyone:
            for number, each in enumerate(projections):
                charge = neuron.arrived(number, False) * each.multiplier * neuron.gain
                neuron.v = bound(neuron.v + (charge >> 12))
            if neuron.spike:
                neuron.v = bound(neuron.v - neuron.threshold)
            left = {(due - 1, *of): acc for (due, *of), acc in neuron.due.items() if due}
            neuron.due = defaultdict(int, left)  # type: ignore[arg-type]
        steps.append(([[n.spike for n in neurons] for neurons in layers], membranes))
    return steps


def as_steps(data: bytes, kind: int, steps: int, batch: int, n: int) -> list[list[list[int]]]:
    """The input of each step of each sample, unpacked one number at a time."""
    samples = []
    rows, width = {0: (1, 2 * n), 1: (steps, 2 * n), 2: (steps, -(-n // 8)), 3: (steps, n)}[kind]
    for b in range(batch):
        given_rows = []
        for t in range(rows):
            row = data[(b * rows + t) * width :][:width]
            if kind <= 1:
                given_rows.append(list(unpack(f"<{n}h", row)))
            elif kind == 2:
                given_rows.append([row[i // 8] >> i % 8 & 1 for i in range(n)])
            else:
                given_rows.append(list(row))
        samples.append(given_rows * (steps if kind == 0 else 1))
    return samples


def as_answer(
    steps: list[tuple[list[list[bool]], list[list[int]]]],
    probes: list[tuple[int, ...]],
    times: int,
) -> bytes:
    """The answer of one sample to a run of `times` steps, fewer of which it may have taken."""

    def bits(spikes: list[bool]) -> bytes:
        packed = sum(1 << i for i, spike in enumerate(spikes) if spike)
        return packed.to_bytes(-(-len(spikes) // 8), "little")

    counts = [sum(column) for column in zip(*(spikes[-1] for spikes, _ in steps), strict=True)]
    answer = pack(f"<{len(counts)}H", *counts)
    for layer, quantity, reduce, every, *named in probes:
        shown = named or range(len(steps[0][1][layer - 1]))
        n = len(shown)
        if quantity == 0:
            rows = [[spikes[layer - 1][j] for j in shown] for spikes, _ in steps]
            sums = [sum(column) for column in zip(*rows, strict=True)]
            missing = (times - len(rows)) * [n * [False]]
            answer += (
                b"".join(map(bits, rows + missing)),
                pack(f"<{n}H", *sums),
                bits(rows[-1]),
            )[reduce]
        else:
            taken = [[v[layer - 1][j] for j in shown] for _, v in steps][every - 1 :: every]
            nothing = n * [0]
            missing_samples = (times // every - len(taken)) * [nothing]
            answer += (
                b"".join(pack(f"<{n}h", *v) for v in taken + missing_samples),
                pack(f"<{n}i", *(sum(column) for column in zip(nothing, *taken, strict=True))),
                pack(f"<{n}h", *(taken or [nothing])[-1]),
            )[reduce]
    return answer


# From the protocol's page: magic, version, 0, payload, firmware, boot, chip; then records.
HELLO = struct.pack("<4sBBHIII", b"SPKL", 2, 0, 1024, 0x020000, 7, 3) + b"\1\4fake"


def stuffed(body: bytes) -> bytes:
    """A frame on the line, by the protocol's page: header and payload, crc, COBS, zero."""
    rest, out = body + zlib.crc32(body).to_bytes(4, "little") + b"\0", bytearray()
    for block in rest[:-1].split(b"\0"):
        while len(block) >= 254:
            out += b"\xff" + block[:254]
            block = block[254:]
        out += bytes([len(block) + 1]) + block
    return bytes(out) + b"\0"


def answer(
    request: bytes, payload: bytes = b"", status: int = 0, version: int = 2, turn: int = 0
) -> bytes:
    """The answer to a request of up to 250 bytes as it went over the line."""
    body = unstuffed(request)
    return stuffed(bytes([version, (body[1] + turn) % 256, body[2] | 0x80, status]) + payload)


def unstuffed(frame: bytes) -> bytes:
    data, out = frame.strip(b"\0"), bytearray()
    while data:
        out += data[1 : data[0]] + b"\0"
        data = data[data[0] :]
    return bytes(out[:-1])


class Clock:
    """Time that passes only where somebody waits."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


Played = Callable[[bytes], bytes]


class Fake:
    """A port with a board behind it, which is a function from a request to what comes back."""

    def __init__(self, play: Played, clock: Clock | None = None, piece: int = 1 << 20) -> None:
        self.play, self.clock, self.piece = play, clock, piece
        self.sent: list[bytes] = []
        self.closed = 0
        self.coming = b""

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        self.coming += self.play(data)

    def read(self, timeout: float) -> bytes:
        found, self.coming = self.coming[: self.piece], self.coming[self.piece :]
        if self.clock is not None:
            self.clock.now += 1e-4 if found else timeout
        return found

    def close(self) -> None:
        self.closed += 1


def greeting(request: bytes) -> bytes:
    return answer(request, HELLO)


class Counting(SimulatedPort):
    """A port to a simulated board that counts what goes over it."""

    def __init__(self, board: SimulatedBoard) -> None:
        super().__init__(board)
        self.out = self.back = 0

    def write(self, data: bytes) -> None:
        self.out += len(data)
        super().write(data)

    def read(self, timeout: float) -> bytes:
        found = super().read(timeout)
        self.back += len(found)
        return found


def board(hello: Hello = SIMULATED, chip: int = 0) -> tuple[Board, Counting, SimulatedBoard]:
    simulated = SimulatedBoard(chip, hello=hello)
    port = Counting(simulated)
    return Board(Link(port, "board:simulated", 115200)), port, simulated
