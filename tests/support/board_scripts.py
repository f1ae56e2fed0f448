"""What a host may say to a board: requests that mean something, drawn from one generator."""

from collections.abc import Sequence
from struct import pack
from typing import NamedTuple

import numpy as np

from drivers.board import frames
from drivers.board.frames import Frame, RequestType, Status
from drivers.board.hello import Hello

KINDS = 4  # of input, that a board of ours takes
RESUME, KEEP, LENGTHS = 1, 2, 4  # flags of a run
COMMANDS = (
    *(
        RequestType.WRITE,
        RequestType.READ,
        RequestType.CRC,
        RequestType.DELAYS,
        RequestType.STATS,
        RequestType.ECHO,
    ),
    *(RequestType.RUN, RequestType.RUN, RequestType.RUN, RequestType.RUN),
)


class Net(NamedTuple):
    """A network as a board is told it: sizes, the input's first, and source, target, delay, flags
    and multiplier of each projection."""

    sizes: list[int]
    projections: list[tuple[int, int, int, int, int]]

    def cells(self, projection: int) -> int:
        source, target, *_ = self.projections[projection]
        return self.sizes[source] * self.sizes[target]


def drawn(rng: np.random.Generator, sizes: list[int], longest: int, most: int = 22) -> Net:
    """A chain, or any graph: back, past layers, in any order, with delays."""
    depth = len(sizes) - 1
    ends = [(n, n + 1) for n in range(depth)]
    graph = rng.random() < 0.7
    if graph:
        pairs = [(int(s), int(t)) for s in range(depth + 1) for t in range(1, depth + 1)]
        kept = rng.random(len(pairs)) < rng.choice([0.2, 0.6])
        others = [pair for pair, keep in zip(pairs, kept, strict=True) if keep]
        ends = list(dict.fromkeys([*ends, *others]))
        if rng.random() < 0.5:
            ends = [ends[n] for n in rng.permutation(len(ends))][: rng.integers(1, len(ends) + 1)]
    delayed = graph and rng.random() < 0.7
    found = []
    for source, target in ends:
        delay = int(rng.integers(0, rng.choice([2, 4, longest + 1]))) if delayed else 0
        multiplier = 1 + int(rng.integers(0, 1 << rng.integers(4, most + 1)))
        found.append((source, target, delay, int(delayed and rng.random() < 0.4), multiplier))
    return Net(sizes, found)


def script(rng: np.random.Generator, limits: Hello, length: int) -> list[bytes]:
    """Requests as bytes on the line: networks, weights, runs, mistakes, repeats and damage."""
    lines: list[bytes] = []
    net = Net([1, 1], [(0, 1, 0, 0, 1)])
    sequence = int(rng.integers(256))
    for number in range(length):
        kind = RequestType.CONFIGURE if number % 12 == 0 else COMMANDS[rng.integers(len(COMMANDS))]
        if kind == RequestType.CONFIGURE:
            layers = rng.integers(2, min(limits.capacity.layers, 3) + 2)
            net = drawn(rng, [int(n) for n in rng.integers(1, 40, layers)], limits.capacity.delay)
            requests = configured(rng, net, limits.capacity.delay)
        elif kind == RequestType.RUN:
            requests = [(kind, run(rng, net.sizes))]
        else:
            requests = [(kind, other(rng, kind, net, limits.capacity.delay))]
        for kind, payload in requests:
            if rng.random() < 0.1:
                payload = mistaken(rng, payload)
            version = frames.VERSION if rng.random() < 0.97 else int(rng.integers(256))
            sequence = (sequence + 1) % 256
            line = Frame(kind, sequence, payload, version=version).encode()
            lines.append(line)
            if rng.random() < 0.1:
                lines.append(damaged(rng, line))
            if rng.random() < 0.1:
                lines.append(line)
    return lines


def configured(rng: np.random.Generator, net: Net, longest: int) -> list[tuple[RequestType, bytes]]:
    """A network with weights, and delays of synapses where it has them."""
    neurons = [
        (int(rng.integers(1, 30000)), int(rng.integers(6554, 655361))) for _ in net.sizes[1:]
    ]
    asked = [(RequestType.CONFIGURE, wired(net.sizes, neurons, net.projections))]
    for number, (_, _, delay, alone, _) in enumerate(net.projections):
        cells = net.cells(number)
        asked.append((RequestType.WRITE, pack("<HIH", number, 0, cells) + some_weights(rng, cells)))
        if alone:
            values = some_delays(rng, cells, longest - delay)
            asked.append((RequestType.DELAYS, pack("<HIH", number, 0, cells) + values))
    return asked


def wired(
    sizes: list[int],
    neurons: list[tuple[int, int]],
    projections: Sequence[tuple[int, int, int, int, int]],
    zero: int = 0,
) -> bytes:
    """CONFIGURE: leak and threshold of each layer, and source, target, delay, flags and multiplier
    of each projection."""
    payload = pack("<HHIHH", len(sizes) - 1, len(projections), sizes[0], 2, zero)
    for size, (leak, threshold) in zip(sizes[1:], neurons, strict=True):
        payload += pack("<4I", size, 0, leak, threshold)
    return payload + b"".join(projection(*each) for each in projections)


def network(
    sizes: list[int], neurons: list[tuple[int, int]], multipliers: list[int], zero: int = 0
) -> bytes:
    """CONFIGURE of a chain of layers: leak and threshold of each, and what feeds it."""
    chain = [(n, n + 1, 0, 0, multiplier) for n, multiplier in enumerate(multipliers)]
    return wired(sizes, neurons, chain, zero)


def projection(
    source: int, target: int, delay: int = 0, flags: int = 0, multiplier: int = 2000
) -> bytes:
    return pack("<4HI", source, target, delay, flags, multiplier)


def some_delays(rng: np.random.Generator, count: int, most: int) -> bytes:
    return rng.integers(0, most + 1, count).astype("<u2").tobytes()


def some_weights(rng: np.random.Generator, count: int) -> bytes:
    return rng.integers(-127, 128, count).astype("i1").tobytes()


def run(rng: np.random.Generator, sizes: list[int]) -> bytes:
    kind, steps, batch = (int(n) for n in rng.integers((0, 1, 1), (KINDS, 25, 4)))
    probes = []
    for _ in range(rng.integers(0, 4)):
        layer, quantity, reduce = (int(n) for n in rng.integers((1, 0, 0), (len(sizes), 2, 3)))
        every = int(rng.integers(1, steps + 1)) if quantity else 1
        named = rng.integers(0, sizes[layer], rng.integers(0, 12))
        probes.append((layer, quantity, reduce, every, *(named if rng.random() < 0.4 else ())))
    flags = int(rng.choice([0, RESUME, KEEP, LENGTHS, 7]))
    first = int(rng.integers(0, 4)) if flags & (RESUME | KEEP) else 0
    lengths = [int(n) for n in rng.integers(1, steps + 1, batch)] if flags & LENGTHS else []
    head = run_head(kind, steps, batch, probes, flags=flags, first=first, lengths=lengths)
    given = [stimulus(rng, kind, n, 1, sizes[0]) for n in lengths or [steps] * batch]
    return head + b"".join(given)


def run_head(
    kind: int,
    steps: int,
    batch: int,
    probes: Sequence[Sequence[int]] = (),
    *,
    flags: int = 0,
    first: int = 0,
    lengths: Sequence[int] = (),
) -> bytes:
    """What stands before the input of a RUN; a probe is layer, quantity, reduce, every, neurons."""
    payload = pack("<BBHHHHH", kind, len(probes), flags, steps, batch, first, 0)
    for layer, quantity, reduce, every, *named in probes:
        payload += pack("<HBBHH", layer, quantity, reduce, every, len(named))
        payload += pack(f"<{len(named)}I", *named)
    return payload + pack(f"<{len(lengths)}H", *lengths)


def stimulus(rng: np.random.Generator, kind: int, steps: int, batch: int, channels: int) -> bytes:
    rows = batch if kind == 0 else batch * steps
    most = int(rng.integers(1, (4096, 4096, 2, 256)[kind]))
    values = rng.integers(-most if kind <= 1 else 0, most, (rows, channels), endpoint=True)
    # After steps without any input a membrane shows where its bounds were.
    values[rng.random(rows) < rng.choice([0.0, 0.8])] = 0
    if kind == 2:
        return np.packbits(values, axis=1, bitorder="little").tobytes()
    return values.astype("u1" if kind == 3 else "<i2").tobytes()


def other(rng: np.random.Generator, kind: RequestType, net: Net, longest: int) -> bytes:
    projection = int(rng.integers(len(net.projections)))
    _, _, delay, alone, _ = net.projections[projection]
    cells = net.cells(projection)
    what = int(rng.random() < 0.5) if alone else 0
    first = int(rng.integers(cells))
    count = int(rng.integers(1, cells - first + 1))
    if kind == RequestType.READ:
        return pack("<HBBIH", projection, what, 0, first, count)
    if kind == RequestType.CRC:
        return pack("<HBB", projection, what, 0)
    if kind in (RequestType.WRITE, RequestType.DELAYS):
        runs = [(first, count), *((int(n), 1) for n in rng.integers(0, cells, rng.integers(4)))]
        parts = [
            pack("<IH", f, c)
            + (
                some_weights(rng, c)
                if kind == RequestType.WRITE
                else some_delays(rng, c, longest - delay)
            )
            for f, c in runs
        ]
        return pack("<H", projection) + b"".join(parts)
    return rng.bytes(rng.integers(300)) if kind == RequestType.ECHO else b""


def mistaken(rng: np.random.Generator, payload: bytes) -> bytes:
    """A payload with one thing changed."""
    if not payload or rng.random() < 0.3:
        return payload[: rng.integers(len(payload) + 1)] + rng.bytes(rng.integers(5))
    at = int(rng.integers(min(len(payload), 48)))
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
    return network(sizes, [(leak, threshold)] * depth, [multiplier] * depth, zero)


def two_layers(*projections: bytes) -> bytes:
    """A network of 4 inputs and two layers of 3, with any projections."""
    head = pack("<HHIHH", 2, len(projections), 4, 2, 0) + 2 * pack("<4I", 3, 0, 5000, 65536)
    return head + b"".join(projections)


def read(projection: int, first: int, count: int, what: int = 0, zero: int = 0) -> bytes:
    return pack("<HBBIH", projection, what, zero, first, count)


FORWARD = projection(0, 1), projection(1, 2)
# What a board with 4 inputs and 3 neurons refuses; room for two layers, 9 inputs, 8 neurons, 100
# weights, 20 steps, 400 bytes of payload and 12 membranes that are kept.
REFUSED = [
    (0x0B, b"", Status.UNKNOWN),
    (0x00, b"", Status.UNKNOWN),
    (RequestType.DELAYS, b"", Status.SIZE),
    (RequestType.DELAYS, pack("<HIHH", 0, 0, 1, 1), Status.VALUE),
    (RequestType.DELAYS, pack("<HIHH", 1, 0, 1, 1), Status.VALUE),
    (RequestType.TRIM, pack("<HHIHI", 1, 0, 0, 1, 5000), Status.UNSUPPORTED),
    (RequestType.HELLO, b"x", Status.SIZE),
    (RequestType.STATS, b"x", Status.SIZE),
    (RequestType.CONFIGURE, b"", Status.SIZE),
    (RequestType.CONFIGURE, configuration([4, 3]) + b"x", Status.SIZE),
    (RequestType.CONFIGURE, configuration([4, 3])[:-12], Status.SIZE),
    (RequestType.CONFIGURE, configuration([4, 3], zero=1), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 3], leak=0), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 3], leak=65536), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 3], threshold=6553), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 3], threshold=655361), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 3], multiplier=0), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 3], multiplier=(1 << 22) + 1), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 0]), Status.VALUE),
    (RequestType.CONFIGURE, configuration([0, 3]), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4]), Status.VALUE),
    (RequestType.CONFIGURE, pack("<HHIHH", 1, 0, 4, 2, 0), Status.VALUE),
    (RequestType.CONFIGURE, pack("<HHIHH", 1, 1, 4, 3, 0), Status.VALUE),
    (RequestType.CONFIGURE, configuration([4, 3, 3, 3]), Status.ROOM),
    (RequestType.CONFIGURE, configuration([10, 3]), Status.ROOM),
    (RequestType.CONFIGURE, configuration([4, 9]), Status.ROOM),
    (RequestType.CONFIGURE, configuration([1 << 31, 3]), Status.ROOM),
    (RequestType.CONFIGURE, configuration([4, (1 << 32) - 1]), Status.ROOM),
    (RequestType.CONFIGURE, configuration([9, 8, 8]), Status.ROOM),
    (RequestType.CONFIGURE, two_layers(projection(0, 1), projection(3, 2)), Status.VALUE),
    (RequestType.CONFIGURE, two_layers(projection(0, 1), projection(1, 3)), Status.VALUE),
    (RequestType.CONFIGURE, two_layers(projection(0, 0), projection(1, 2)), Status.VALUE),
    (RequestType.CONFIGURE, two_layers(projection(0, 1, flags=2), projection(1, 2)), Status.VALUE),
    (RequestType.CONFIGURE, two_layers(*FORWARD, projection(2, 1, delay=32)), Status.VALUE),
    (RequestType.CONFIGURE, two_layers(*FORWARD, projection(0, 1, delay=1)), Status.VALUE),
    (RequestType.CONFIGURE, two_layers(*FORWARD, projection(2, 2), projection(2, 2)), Status.VALUE),
    (RequestType.WRITE, b"", Status.SIZE),
    (RequestType.WRITE, pack("<H", 1), Status.VALUE),
    (RequestType.WRITE, pack("<HIHb", 256, 0, 1, 5), Status.VALUE),
    (RequestType.WRITE, pack("<HIHb", 0, 12, 1, 5), Status.VALUE),
    (RequestType.WRITE, pack("<HIHb", 0, 0xFFFFFFFF, 1, 5), Status.VALUE),
    (RequestType.WRITE, pack("<HIH", 0, 0, 0), Status.VALUE),
    (RequestType.WRITE, pack("<HIHb", 0, 0, 2, 5), Status.SIZE),
    (RequestType.WRITE, pack("<HIHb", 0, 0, 1, -128), Status.VALUE),
    (RequestType.WRITE, pack("<HIHbIHb", 0, 0, 1, 5, 12, 1, 5), Status.VALUE),
    (RequestType.READ, read(0, 0, 1)[:-1], Status.SIZE),
    (RequestType.READ, read(0, 0, 0), Status.VALUE),
    (RequestType.READ, read(0, 5, 8), Status.VALUE),
    (RequestType.READ, read(1, 0, 1), Status.VALUE),
    (RequestType.READ, read(0, 0, 1, what=1), Status.VALUE),
    (RequestType.READ, read(0, 0, 1, what=2), Status.VALUE),
    (RequestType.READ, read(0, 0, 1, zero=1), Status.VALUE),
    (RequestType.CRC, b"", Status.SIZE),
    (RequestType.CRC, pack("<HBB", 1, 0, 0), Status.VALUE),
    (RequestType.CRC, pack("<HBB", 0, 1, 0), Status.VALUE),
    (RequestType.RUN, b"", Status.SIZE),
    (RequestType.RUN, run_head(5, 1, 1) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(4, 1, 1) + bytes(2), Status.UNSUPPORTED),
    (RequestType.RUN, run_head(0, 1, 1, [(1, 0, 0, 1)] * 9) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 0, 1) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 21, 1) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 1, 0), Status.VALUE),
    (RequestType.RUN, run_head(0, 1, 1, flags=8) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 1, 1, first=1) + bytes(8), Status.VALUE),
    (
        RequestType.RUN,
        run_head(0, 1, 1, first=1, flags=LENGTHS, lengths=[1]) + bytes(8),
        Status.VALUE,
    ),
    (RequestType.RUN, run_head(0, 1, 1, first=4, flags=KEEP) + bytes(8), Status.ROOM),
    (RequestType.RUN, run_head(0, 1, 1, first=65535, flags=RESUME) + bytes(8), Status.ROOM),
    (RequestType.RUN, run_head(0, 1, 5, flags=KEEP) + bytes(40), Status.ROOM),
    (RequestType.RUN, run_head(0, 2, 1, flags=LENGTHS), Status.SIZE),
    (RequestType.RUN, run_head(0, 2, 1, flags=LENGTHS, lengths=[0]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 2, 1, flags=LENGTHS, lengths=[3]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(1, 2, 2, flags=LENGTHS, lengths=[1, 2]) + bytes(32), Status.SIZE),
    (RequestType.RUN, run_head(0, 1, 1) + bytes(7), Status.SIZE),
    (RequestType.RUN, run_head(0, 1, 1) + bytes(9), Status.SIZE),
    (RequestType.RUN, run_head(0, 1, 1) + pack("<4h", 0, 0, 0, 4096), Status.VALUE),
    (RequestType.RUN, run_head(0, 1, 1) + pack("<4h", -4096, 0, 0, 0), Status.VALUE),
    (RequestType.RUN, run_head(2, 1, 1) + bytes([16]), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(0, 1, 0, 1)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(2, 1, 0, 1)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 2, 0, 1)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 1, 3, 1)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 1, 0, 0)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 1, 0, 6)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 0, 0, 2)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 1, 0, 1, 3)]) + bytes(8), Status.VALUE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 1, 0, 1, *[0] * 50)]) + bytes(8), Status.SIZE),
    (RequestType.RUN, run_head(0, 5, 1, [(1, 1, 0, 1, 2)])[:-1], Status.SIZE),
    (RequestType.RUN, run_head(2, 1, 67) + bytes(67), Status.SIZE),
]

# Runs where rounding and bounds show: a membrane at its threshold, and at either of its bounds.
ALL = [(1, 1, 0, 1)]
EDGES = [
    (RequestType.CONFIGURE, configuration([1, 1], multiplier=65536)),
    (RequestType.WRITE, pack("<HIHb", 0, 0, 1, 1)),
    (RequestType.RUN, run_head(0, 1, 1) + pack("<h", 255)),
    (RequestType.RUN, run_head(0, 1, 1) + pack("<h", 256)),
    (RequestType.CONFIGURE, configuration([2, 1], 65535, 6554, 1 << 22)),
    (RequestType.WRITE, pack("<HIHbb", 0, 0, 2, 127, -127)),
    (RequestType.RUN, run_head(1, 2, 1, ALL) + pack("<4h", 4095, 0, 0, 0)),
    (RequestType.RUN, run_head(1, 2, 1, ALL) + pack("<4h", 0, 4095, 0, 0)),
    (RequestType.CONFIGURE, configuration([2, 1], 32768, 655360, 1 << 22)),
    (RequestType.WRITE, pack("<HIHbb", 0, 0, 2, 127, -127)),
    (RequestType.RUN, run_head(3, 14, 1, ALL) + bytes([255, 0, 0, 255, *[0] * 24])),
]
