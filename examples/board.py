"""A board in plain Python, written from docs/protocol.md alone: nothing of spikeloop is imported.

    python examples/board.py 3        # prints an address, for hil check or hil train --device

Only `main` needs an operating system: `Board` takes bytes and gives bytes, as a microcontroller
would. It has feed-forward networks without delays, no leases, and keeps nothing between runs.
"""

import os
import struct
import sys
import zlib

MAX_PAYLOAD, INPUTS, NEURONS, LAYERS, STEPS, SYNAPSES, PROBES = 8192, 256, 256, 4, 256, 1 << 16, 4
OK, SIZE, VALUE, ROOM, NOT_CONFIGURED, VERSION, UNSUPPORTED = 0, *range(0x21, 0x27)
UNKNOWN, CRC, COBS, LENGTH = 0x20, 0x11, 0x12, 0x13
PROTOCOL, HELLO, STATS, ECHO, CONFIGURE, WRITE, READ, CRC_OF, RUN, DELAYS, TRIM = 2, *range(1, 11)
BOUND = 1 << 30


class Refused(Exception):
    """Ends a request with a status."""


def require(condition, status=VALUE):
    """Refuse a request unless a condition holds."""
    if not condition:
        raise Refused(status)


# -- frames --------------------------------------------------------------------------------------


def stuff(data):
    """Encode bytes as COBS, with the zero that ends a frame."""
    out, blocks = bytearray(), data.split(b"\0")
    for number, block in enumerate(blocks, start=1):
        is_full = len(block) > 253
        while len(block) > 253:
            out += b"\xff" + block[:254]
            block = block[254:]
        if block or not is_full or number < len(blocks):
            out += bytes([len(block) + 1]) + block
    return bytes(out) + b"\0"


def unstuff(data):
    """Decode COBS."""
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        require(at + code <= len(data), COBS)
        out += data[at + 1 : at + code]
        at += code
        if code < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def frame(sequence, kind, status, payload=b""):
    """Write a frame."""
    body = bytes([PROTOCOL, sequence, kind, status]) + payload
    return stuff(body + struct.pack("<I", zlib.crc32(body)))


# -- what the device computes --------------------------------------------------------------------


def deviates(seed, population):
    """Yield the deviates of a population's fixed pattern."""
    x = (seed * 2654435761 + population * 40503 + 1) % (1 << 32) or 1
    numbers = []
    while True:
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        numbers.append(x >> 24)
        if len(numbers) > 8 and len(numbers) % 4 == 0:
            yield sum(numbers[-4:]) - 510


class Population:
    """Neurons with their fixed pattern: lists of numbers, one for each."""

    def __init__(self, seed, number, size, leak, threshold):
        """Draw thresholds, gains and leaks."""
        self.size, self.thresholds, self.gains, self.leaks = size, [], [], []
        drawn = deviates(seed, number)
        for _ in range(size):
            r1, r2, r3 = (next(drawn) if seed else 0 for _ in range(3))
            self.thresholds.append(threshold + (threshold * r1 * 45 >> 16))
            self.gains.append(4096 + (r2 * 45 >> 4))
            self.leaks.append(min(max(leak + (leak * r3 * 90 >> 16), 1), 65535))


def bound(x):
    """Keep a membrane within what it can hold."""
    return min(max(x, -BOUND), BOUND)


def accumulate(cells, sources, size):
    """Sum the weights of sources, each as often as it has an event: one sum for each neuron."""
    sums = [0] * size
    for i, times in enumerate(sources):
        if times:
            row = cells[i * size : (i + 1) * size]
            sums = [s + times * w for s, w in zip(sums, row)]
    return sums


def bits_of(flags):
    """Pack truth values into bytes, the first one in the lowest bit."""
    out = bytearray((len(flags) + 7) // 8)
    for i, flag in enumerate(flags):
        out[i >> 3] |= bool(flag) << (i & 7)
    return bytes(out)


class Board:
    """Bytes in, bytes out."""

    def __init__(self, seed=1):
        """Boot."""
        self.seed, self.boot, self.rest = seed, int.from_bytes(os.urandom(4), "little"), b""
        self.counts, self.last, self.populations, self.cells = [0] * 6, None, [], []

    def feed(self, data):
        """Take in bytes, and give what is sent thereupon."""
        *whole, self.rest = (self.rest + data).split(b"\0")
        longest = MAX_PAYLOAD + 8 + (MAX_PAYLOAD + 8) // 254 + 1
        self.rest = self.rest[: longest + 1]
        return b"".join(self.take(piece, longest) for piece in whole if piece)

    def take(self, piece, longest):
        """Take a frame, and give the answer to it."""
        try:
            require(len(piece) <= longest, LENGTH)
            whole = unstuff(piece)
            require(len(whole) >= 8, LENGTH)
            body, check = whole[:-4], struct.unpack("<I", whole[-4:])[0]
            require(zlib.crc32(body) == check, CRC)
            require(len(body) <= MAX_PAYLOAD + 4, LENGTH)
        except Refused as refusal:
            self.counts[1] += 1
            return frame(0, 0xFF, refusal.args[0])
        self.counts[0] += 1
        version, sequence, kind, _ = body[:4]
        if kind & 0x80:
            return b""
        if self.last and self.last[:2] == (sequence, check):
            self.counts[3] += 1
        else:
            self.counts[2] += 1
            status, payload = OK, b""
            try:
                require(version == PROTOCOL or kind == HELLO, VERSION)
                require(kind in self.REQUESTS, UNSUPPORTED if kind in (DELAYS, TRIM) else UNKNOWN)
                require(self.populations or kind <= CONFIGURE, NOT_CONFIGURED)
                payload = self.REQUESTS[kind](self, body[4:])
                require(len(payload) <= MAX_PAYLOAD, SIZE)
            except Refused as refusal:
                status, payload = refusal.args[0], b""
            except struct.error:
                status = SIZE
            self.last = sequence, check, frame(sequence, kind | 0x80, status, payload)
        return self.last[2]

    # -- requests --------------------------------------------------------------------------------

    def hello(self, _):
        """Say what this device is."""
        room = (INPUTS, NEURONS, SYNAPSES, 0, 0, LAYERS, STEPS, 0, 0, PROBES, 0)
        leak = (2, 2, 0, b"s", 100, 1_000_000, 10_000, b"tau_membrane")
        level = (1, 1, 0, b"", 100_000, 10_000_000, 1_000_000, b"threshold")
        records = [
            (1, b"python"),
            (2, struct.pack("<5I6H", *room)),
            (3, struct.pack("<I4B", 1_000_000, 2, 2, 0, 2)),
            (4, struct.pack("<BBHIiI", 1, 1, 1, 0, 0, 4096)),
            (5, struct.pack("<HHII", 255, 0, 100_000, 100_000_000)),
            *((6, struct.pack("<BBHI", kind, 0, 256, 4095)) for kind in (0, 1)),
            *((6, struct.pack("<BBHI", kind, 0, 1, most)) for kind, most in ((2, 1), (3, 255))),
            *((7, struct.pack("<3Bx4s3I16s", *setting)) for setting in (leak, level)),
            *((8, struct.pack("<4BHH", what, 3, 7, what, 1, 0)) for what in (0, 1)),
            (9, struct.pack("<I", 1)),
        ]
        head = struct.pack("<4sBBHIII", b"SPKL", 2, 0, MAX_PAYLOAD, 0x010000, self.boot, self.seed)
        return head + b"".join(bytes([kind, len(text)]) + text for kind, text in records)

    def stats(self, payload):
        """Tell what was counted since boot."""
        require(not payload, SIZE)
        return struct.pack("<6I", *self.counts)

    def configure(self, payload):
        """Take a chain of populations, at rest and without weights."""
        count, projections, inputs, settings, reserved = struct.unpack_from("<HHIHH", payload)
        require(count and projections and inputs and settings == 2 and not reserved)
        require(len(payload) == 12 + 16 * count + 12 * projections, SIZE)
        require(count <= LAYERS and inputs <= INPUTS, ROOM)
        sizes, populations, multipliers = [inputs], [], []
        for n in range(count):
            size, zero, leak, threshold = struct.unpack_from("<4I", payload, 12 + 16 * n)
            require(size and not zero and 1 <= leak <= 65535 and 6554 <= threshold <= 655360)
            require(size <= NEURONS, ROOM)
            sizes.append(size)
            populations.append((self.seed, n + 1, size, leak, threshold))
        for n in range(projections):
            at = 12 + 16 * count + 12 * n
            source, target, delay, flags, multiplier = struct.unpack_from("<4HI", payload, at)
            require(source <= count and 1 <= target <= count and 1 <= multiplier <= 1 << 22)
            require((source, target, delay, flags) == (n, n + 1, 0, 0), UNSUPPORTED)
            multipliers.append(multiplier)
        require(projections == count, UNSUPPORTED)
        lengths = [a * b for a, b in zip(sizes, sizes[1:])]
        require(sum(lengths) <= SYNAPSES, ROOM)
        self.sizes, self.multipliers = sizes, multipliers
        self.populations = [Population(*each) for each in populations]
        self.cells = [[0] * length for length in lengths]
        return b""

    def projection(self, number):
        """Find the weights of a projection."""
        require(number < len(self.cells))
        return self.cells[number]

    def write(self, payload):
        """Write runs of weights, all of them or none."""
        cells, at, runs = self.projection(struct.unpack_from("<H", payload)[0]), 2, []
        while at < len(payload):
            first, count = struct.unpack_from("<IH", payload, at)
            weights = struct.unpack_from(f"<{count}b", payload, at + 6)
            require(count and first + count <= len(cells) and min(weights) > -128)
            runs.append((first, weights))
            at += 6 + count
        for first, weights in runs:
            cells[first : first + len(weights)] = weights
        return struct.pack("<I", sum(len(weights) for _, weights in runs))

    def read(self, payload):
        """Read weights."""
        number, what, zero, first, count = struct.unpack("<HBBIH", payload)
        cells = self.projection(number)
        require(not what and not zero and count and first + count <= len(cells))
        require(count <= MAX_PAYLOAD, SIZE)
        return struct.pack(f"<{count}b", *cells[first : first + count])

    def compute_crc(self, payload):
        """Compute the checksum of all weights of a projection."""
        number, what, zero = struct.unpack("<HBB", payload)
        cells = self.projection(number)
        require(not what and not zero)
        return struct.pack("<I", zlib.crc32(struct.pack(f"<{len(cells)}b", *cells)))

    def run(self, payload):
        """Run samples from rest."""
        kind, count, flags, steps, batch, slot, zero = struct.unpack_from("<BBHHHHH", payload)
        require(kind < 4 and not flags, UNSUPPORTED)
        require(1 <= steps <= STEPS and batch and not slot and not zero and count <= PROBES)
        probes, at = [], 12
        for _ in range(count):
            number, quantity, reduce, every, named = struct.unpack_from("<HBBHH", payload, at)
            require(1 <= number <= len(self.populations) and quantity < 2 and reduce < 3)
            require(1 <= every <= steps and (quantity or every == 1))
            which = struct.unpack_from(f"<{named}I", payload, at + 8)
            size = self.sizes[number]
            require(all(each < size for each in which))
            probes.append((number - 1, quantity, reduce, every, which or range(size)))
            at += 8 + 4 * named
        inputs = self.sizes[0]
        each = (2 * inputs, 2 * inputs * steps, (inputs + 7) // 8 * steps, inputs * steps)[kind]
        require(len(payload) == at + each * batch, SIZE)
        parts = [payload[at + each * b :][:each] for b in range(batch)]
        shown = [self.read_input(kind, part, steps) for part in parts]
        self.counts[4] += 1
        self.counts[5] += batch
        return b"".join(self.run_sample(kind, sample, steps, probes) for sample in shown)

    def read_input(self, kind, data, steps):
        """Read the input of a sample: numbers for each step, or the same for all."""
        inputs = self.sizes[0]
        if kind == 2:
            width = (inputs + 7) // 8
            rows = [data[t * width : (t + 1) * width] for t in range(steps)]
            require(not inputs % 8 or all(row[-1] >> inputs % 8 == 0 for row in rows))
            return [[row[i >> 3] >> (i & 7) & 1 for i in range(inputs)] for row in rows]
        numbers = struct.unpack(f"<{len(data) // 2}h", data) if kind < 2 else data
        require(kind > 1 or all(-4095 <= number <= 4095 for number in numbers))
        return [numbers[t : t + inputs] for t in range(0, len(numbers), inputs)]

    def run_sample(self, kind, shown, steps, probes):
        """Run a sample, and give its answer."""
        layers, v = self.populations, [[0] * each.size for each in self.populations]
        counts, kept = [0] * layers[-1].size, [[] for _ in probes]
        for t in range(steps):
            v = [[x - (x * leak >> 16) for x, leak in zip(a, b.leaks)] for a, b in zip(v, layers)]
            if kind < 2 and (kind or t == 0):
                currents = [sum_ >> 8 for sum_ in self.drive(0, shown[t])]
            if kind < 2:
                parts = zip(v[0], currents, layers[0].gains)
                v[0] = [bound(x + (c * gain >> 12)) for x, c, gain in parts]
            levels = [layer.thresholds for layer in layers]
            fired = [[x >= y for x, y in zip(a, b)] for a, b in zip(v, levels)]
            counts = [count + spike for count, spike in zip(counts, fired[-1])]
            for (n, quantity, _, every, which), samples in zip(probes, kept):
                if not quantity:
                    samples.append([fired[n][j] for j in which])
                elif (t + 1) % every == 0:
                    samples.append([min(max(v[n][j] >> 4, -32768), 32767) for j in which])
            for n, layer in enumerate(layers):
                if n or kind > 1:
                    events = self.drive(n, fired[n - 1] if n else shown[t])
                    v[n] = [bound(x + (e * g >> 12)) for x, e, g in zip(v[n], events, layer.gains)]
            for n in range(len(layers)):
                parts = zip(v[n], fired[n], levels[n])
                v[n] = [bound(x - level) if spike else x for x, spike, level in parts]
        answer = struct.pack(f"<{len(counts)}H", *counts)
        for (_, quantity, reduce, _, which), samples in zip(probes, kept):
            rows = [samples, [[sum(column) for column in zip(*samples)]], samples[-1:]][reduce]
            form = f"<{len(which)}{'Hi'[quantity] if reduce == 1 else 'h'}"
            is_raster = not quantity and reduce != 1
            parts = (bits_of(row) if is_raster else struct.pack(form, *row) for row in rows)
            answer += b"".join(parts)
        return answer

    def drive(self, number, sources):
        """Sum what reaches each neuron through a projection, times its multiplier."""
        cells, multiplier = self.cells[number], self.multipliers[number]
        return [each * multiplier for each in accumulate(cells, sources, self.sizes[number + 1])]

    REQUESTS = {
        **{HELLO: hello, STATS: stats, ECHO: lambda self, payload: payload, CONFIGURE: configure},
        **{WRITE: write, READ: read, CRC_OF: compute_crc, RUN: run},
    }


def main():
    """Play a board on a pseudo-terminal, and print its address."""
    import tty

    board = Board(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    print(f"board:{os.ttyname(theirs)}", flush=True)
    while True:
        answer = board.feed(os.read(ours, 65536))
        while answer:
            answer = answer[os.write(ours, answer) :]


if __name__ == "__main__":
    main()
