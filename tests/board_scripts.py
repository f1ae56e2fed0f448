"""What a host may say to a board: requests that mean something, drawn from one generator."""

from struct import pack

import numpy as np

from drivers.board import frames
from drivers.board.frames import Frame, Type
from drivers.board.limits import Limits

COMMANDS = (Type.WRITE, Type.READ, Type.CRC, Type.RUN, Type.RUN, Type.RUN, Type.STATS, Type.ECHO)


def script(rng: np.random.Generator, limits: Limits, length: int) -> list[bytes]:
    """Requests as bytes on the line: networks, weights, runs, mistakes, repeats and damage."""
    lines: list[bytes] = []
    sizes = [1, 1]
    sequence = int(rng.integers(256))
    for number in range(length):
        kind = Type.CONFIGURE if number % 12 == 0 else COMMANDS[rng.integers(len(COMMANDS))]
        if kind == Type.CONFIGURE:
            sizes = [
                int(n) for n in rng.integers(1, 40, rng.integers(2, min(limits.layers, 3) + 2))
            ]
            requests = [(kind, configure(rng, sizes))]
            requests += [(Type.WRITE, whole(rng, sizes, p)) for p in range(len(sizes) - 1)]
        elif kind == Type.RUN:
            requests = [(kind, run(rng, sizes))]
        else:
            requests = [(kind, other(rng, kind, sizes))]
        for kind, payload in requests:
            if rng.random() < 0.1:
                payload = mistaken(rng, payload)
            version = frames.VERSION if rng.random() < 0.97 else int(rng.integers(256))
            sequence = (sequence + 1) % 256
            line = frames.encode(Frame(kind, sequence, payload, version=version))
            lines.append(line)
            if rng.random() < 0.1:
                lines.append(damaged(rng, line))
            if rng.random() < 0.1:
                lines.append(line)
    return lines


def configure(rng: np.random.Generator, sizes: list[int]) -> bytes:
    depth = len(sizes) - 1
    head = pack("<BBHI", depth, 0, rng.integers(1, 30000), rng.integers(6554, 655361))
    multipliers = 1 + rng.integers(0, 1 << rng.integers(4, 23), depth)
    return head + np.array(sizes, "<u2").tobytes() + multipliers.astype("<u4").tobytes()


def whole(rng: np.random.Generator, sizes: list[int], projection: int) -> bytes:
    cells = sizes[projection] * sizes[projection + 1]
    weights = rng.integers(-127, 128, cells).astype("i1")
    return pack("<BIH", projection, 0, cells) + weights.tobytes()


def run(rng: np.random.Generator, sizes: list[int]) -> bytes:
    kind, steps, batch = (int(n) for n in rng.integers((0, 1, 1), (4, 25, 4)))
    probes = b""
    for _ in range(rng.integers(0, 4)):
        layer, quantity, reduce = (int(n) for n in rng.integers((1, 0, 0), (len(sizes), 2, 3)))
        probes += bytes([layer, quantity, reduce, rng.integers(1, steps + 1) if quantity else 1])
    head = pack("<BBHH", kind, len(probes) // 4, steps, batch)
    return head + probes + stimulus(rng, kind, steps, batch, sizes[0])


def stimulus(rng: np.random.Generator, kind: int, steps: int, batch: int, channels: int) -> bytes:
    if kind == 2:
        bits = rng.integers(0, 2, (batch * steps, channels))
        return np.packbits(bits, axis=1, bitorder="little").tobytes()
    if kind == 3:
        return (
            rng.integers(0, rng.integers(2, 257), batch * steps * channels).astype("u1").tobytes()
        )
    rows = batch if kind == 0 else batch * steps
    most = rng.integers(1, 4096)
    return rng.integers(-most, most + 1, rows * channels).astype("<i2").tobytes()


def other(rng: np.random.Generator, kind: Type, sizes: list[int]) -> bytes:
    projection = int(rng.integers(len(sizes) - 1))
    cells = sizes[projection] * sizes[projection + 1]
    first = int(rng.integers(cells))
    count = int(rng.integers(1, cells - first + 1))
    if kind == Type.READ:
        return pack("<BIH", projection, first, count)
    if kind == Type.CRC:
        return bytes([projection])
    if kind == Type.WRITE:
        runs = [(first, count), *((int(n), 1) for n in rng.integers(0, cells, rng.integers(4)))]
        parts = [
            pack("<IH", f, c) + rng.integers(-127, 128, c).astype("i1").tobytes() for f, c in runs
        ]
        return bytes([projection]) + b"".join(parts)
    return rng.bytes(rng.integers(300)) if kind == Type.ECHO else b""


def mistaken(rng: np.random.Generator, payload: bytes) -> bytes:
    """A payload with one thing changed."""
    if not payload or rng.random() < 0.3:
        return payload[: rng.integers(len(payload) + 1)] + rng.bytes(rng.integers(5))
    at = int(rng.integers(min(len(payload), 24)))
    return payload[:at] + rng.bytes(1) + payload[at + 1 :]


def damaged(rng: np.random.Generator, line: bytes) -> bytes:
    """A frame with bytes flipped, lost or come from nowhere; ends with a zero."""
    at = int(rng.integers(len(line)))
    flipped = bytes([line[at] ^ 1 << rng.integers(8)])
    return (
        line[:at] + flipped + line[at + 1 :],
        line[:at] + line[at + rng.integers(1, 4) :],
        line[:at] + rng.bytes(rng.integers(1, 4)) + line[at:],
    )[rng.integers(3)] + b"\0"
