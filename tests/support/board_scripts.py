"""What a host may say to a board: requests that mean something, drawn from one generator."""

from struct import pack

import numpy as np

from drivers.board.limits import Limits
from drivers.board.link import frames
from drivers.board.link.frames import Frame, Status, Type

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
    return pack("<BIH", projection, 0, cells) + some_weights(rng, cells)


def some_weights(rng: np.random.Generator, count: int) -> bytes:
    return rng.integers(-127, 128, count).astype("i1").tobytes()


def run(rng: np.random.Generator, sizes: list[int]) -> bytes:
    kind, steps, batch = (int(n) for n in rng.integers((0, 1, 1), (4, 25, 4)))
    probes = b""
    for _ in range(rng.integers(0, 4)):
        layer, quantity, reduce = (int(n) for n in rng.integers((1, 0, 0), (len(sizes), 2, 3)))
        probes += bytes([layer, quantity, reduce, rng.integers(1, steps + 1) if quantity else 1])
    head = pack("<BBHH", kind, len(probes) // 4, steps, batch)
    return head + probes + stimulus(rng, kind, steps, batch, sizes[0])


def stimulus(rng: np.random.Generator, kind: int, steps: int, batch: int, channels: int) -> bytes:
    rows = batch if kind == 0 else batch * steps
    most = int(rng.integers(1, (4096, 4096, 2, 256)[kind]))
    values = rng.integers(-most if kind <= 1 else 0, most, (rows, channels), endpoint=True)
    # After steps without any input a membrane shows where its bounds were.
    values[rng.random(rows) < rng.choice([0.0, 0.8])] = 0
    if kind == 2:
        return np.packbits(values, axis=1, bitorder="little").tobytes()
    return values.astype("u1" if kind == 3 else "<i2").tobytes()


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
        parts = [pack("<IH", f, c) + some_weights(rng, c) for f, c in runs]
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


def configuration(
    sizes: list[int],
    leak: int = 5000,
    threshold: int = 65536,
    multiplier: int = 2000,
    zero: int = 0,
) -> bytes:
    depth = len(sizes) - 1
    head = pack("<BBHI", depth, zero, leak, threshold)
    return head + pack(f"<{depth + 1}H", *sizes) + pack("<I", multiplier) * depth


# What a board with 4 inputs and 3 neurons refuses; room for two layers, 9 inputs, 8 neurons, 100
# weights, 20 steps and 400 bytes of payload.
REFUSED = [
    (0x09, b"", Status.UNKNOWN),
    (0x00, b"", Status.UNKNOWN),
    (Type.HELLO, b"x", Status.SIZE),
    (Type.STATS, b"x", Status.SIZE),
    (Type.CONFIGURE, b"", Status.SIZE),
    (Type.CONFIGURE, configuration([4, 3]) + b"x", Status.SIZE),
    (Type.CONFIGURE, configuration([4, 3], zero=1), Status.VALUE),
    (Type.CONFIGURE, configuration([4, 3], leak=0), Status.VALUE),
    (Type.CONFIGURE, configuration([4, 3], threshold=6553), Status.VALUE),
    (Type.CONFIGURE, configuration([4, 3], threshold=655361), Status.VALUE),
    (Type.CONFIGURE, configuration([4, 3], multiplier=0), Status.VALUE),
    (Type.CONFIGURE, configuration([4, 3], multiplier=(1 << 22) + 1), Status.VALUE),
    (Type.CONFIGURE, configuration([4, 0]), Status.VALUE),
    (Type.CONFIGURE, configuration([4]), Status.VALUE),
    (Type.CONFIGURE, configuration([4, 3, 3, 3]), Status.ROOM),
    (Type.CONFIGURE, configuration([10, 3]), Status.ROOM),
    (Type.CONFIGURE, configuration([4, 9]), Status.ROOM),
    (Type.CONFIGURE, configuration([9, 8, 8]), Status.ROOM),
    (Type.WRITE, b"", Status.SIZE),
    (Type.WRITE, b"\1", Status.VALUE),
    (Type.WRITE, pack("<BIHb", 0, 12, 1, 5), Status.VALUE),
    (Type.WRITE, pack("<BIHb", 0, 0xFFFFFFFF, 1, 5), Status.VALUE),
    (Type.WRITE, pack("<BIH", 0, 0, 0), Status.VALUE),
    (Type.WRITE, pack("<BIHb", 0, 0, 2, 5), Status.SIZE),
    (Type.WRITE, pack("<BIHb", 0, 0, 1, -128), Status.VALUE),
    (Type.WRITE, pack("<BIHbIHb", 0, 0, 1, 5, 12, 1, 5), Status.VALUE),
    (Type.READ, pack("<BI", 0, 0), Status.SIZE),
    (Type.READ, pack("<BIH", 0, 0, 0), Status.VALUE),
    (Type.READ, pack("<BIH", 0, 5, 8), Status.VALUE),
    (Type.READ, pack("<BIH", 1, 0, 1), Status.VALUE),
    (Type.CRC, b"", Status.SIZE),
    (Type.CRC, b"\1", Status.VALUE),
    (Type.RUN, b"", Status.SIZE),
    (Type.RUN, pack("<BBHH", 4, 0, 1, 1) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH", 0, 9, 1, 1) + bytes(44), Status.VALUE),
    (Type.RUN, pack("<BBHH", 0, 0, 0, 1) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH", 0, 0, 21, 1) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH", 0, 0, 1, 0), Status.VALUE),
    (Type.RUN, pack("<BBHH", 0, 0, 1, 1) + bytes(7), Status.SIZE),
    (Type.RUN, pack("<BBHH", 0, 0, 1, 1) + bytes(9), Status.SIZE),
    (Type.RUN, pack("<BBHH4h", 0, 0, 1, 1, 0, 0, 0, 4096), Status.VALUE),
    (Type.RUN, pack("<BBHH4h", 0, 0, 1, 1, -4096, 0, 0, 0), Status.VALUE),
    (Type.RUN, pack("<BBHHB", 2, 0, 1, 1, 16), Status.VALUE),
    (Type.RUN, pack("<BBHH4B", 0, 1, 5, 1, 0, 1, 0, 1) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH4B", 0, 1, 5, 1, 2, 1, 0, 1) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH4B", 0, 1, 5, 1, 1, 2, 0, 1) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH4B", 0, 1, 5, 1, 1, 1, 3, 1) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH4B", 0, 1, 5, 1, 1, 1, 0, 0) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH4B", 0, 1, 5, 1, 1, 1, 0, 6) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH4B", 0, 1, 5, 1, 1, 0, 0, 2) + bytes(8), Status.VALUE),
    (Type.RUN, pack("<BBHH", 2, 0, 1, 67) + bytes(67), Status.SIZE),
]

# Runs where rounding and bounds show: a membrane at its threshold, and at either of its bounds.
EDGES = [
    (Type.CONFIGURE, configuration([1, 1], multiplier=65536)),
    (Type.WRITE, pack("<BIHb", 0, 0, 1, 1)),
    (Type.RUN, pack("<BBHHh", 0, 0, 1, 1, 255)),
    (Type.RUN, pack("<BBHHh", 0, 0, 1, 1, 256)),
    (Type.CONFIGURE, configuration([2, 1], 65535, 6554, 1 << 22)),
    (Type.WRITE, pack("<BIHbb", 0, 0, 2, 127, -127)),
    (Type.RUN, pack("<BBHH4B4h", 1, 1, 2, 1, 1, 1, 0, 1, 4095, 0, 0, 0)),
    (Type.RUN, pack("<BBHH4B4h", 1, 1, 2, 1, 1, 1, 0, 1, 0, 4095, 0, 0)),
    (Type.CONFIGURE, configuration([2, 1], 32768, 655360, 1 << 22)),
    (Type.WRITE, pack("<BIHbb", 0, 0, 2, 127, -127)),
    (Type.RUN, pack("<BBHH4B28B", 3, 1, 14, 1, 1, 1, 0, 1, 255, 0, 0, 255, *[0] * 24)),
]
