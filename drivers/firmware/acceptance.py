"""Everything that emulators prove of the firmware, asked of the board in front of you.

A simulated board of the same HELLO gets each request as well, and both have to answer the same
bytes. Numbers that depend on what was before (counts, leases) are taken over from the board first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from struct import pack, unpack

import numpy as np

from drivers.board.frames import Frame, FrameDamaged, RequestType, Status
from drivers.board.hello import ASKED, GIVE_BACK, Hello
from drivers.board.simulated_board import SimulatedBoard
from drivers.board.simulated_requests import read_network
from drivers.board.transport import BITS, Transport
from drivers.errors import DeviceError
from drivers.firmware.vectors import load_vectors

PATIENCE = 3.0  # seconds beyond what the line needs that an answer may take
QUIET = 0.05  # seconds in which nothing comes when nothing is under way
TOKEN = 0x5A7E5EED
BOOTING = 30.0  # seconds that a board may take to come back
SIZES, STEPS, SAMPLES = (64, 100, 10), 20, 4  # of the runs that are timed
KINDS = ("constant currents", "current traces", "spikes", "spike counts")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes:
        name: What was looked at.
        verdict: `passed`, `failed` or `skipped`.
        detail: What was found.
    """

    name: str
    verdict: str
    detail: str


class Differs(Exception):
    """The board does something else than it should."""


class Bench:
    """A board, and the simulated board that gets the same requests.

    Attributes:
        hello: What the board says of itself.
        simulated: The other one.
        reset: Resets the board, or has somebody do so; None where nobody can.
        seconds: How long the soak lasts.
        figures: Seconds, or bytes a second, of each kind of work by name.
    """

    def __init__(
        self,
        line: Transport,
        rate: int,
        reset: Callable[[], None] | None = None,
        seconds: float = 20.0,
    ) -> None:
        """Meet the board; its network and weights are lost.

        Args:
            line: Its line, which nobody else has.
            rate: Of that, in bits a second.
            reset: As above.
            seconds: As above.

        Raises:
            Differs: When nobody answers as a board, or another host has it.
        """
        self._line, self._rate, self._sequence = line, rate, 0
        self.reset, self.seconds, self.figures = reset, seconds, dict[str, float]()
        self.meet()

    def examine(self) -> Iterator[Line]:
        """Look at everything, one line after the other."""
        for name, look in LOOKS.items():
            if name == "reset" and self.reset is None:
                yield Line(name, "skipped", "nobody resets it: give --reset COMMAND")
                continue
            try:
                self.meet()
                yield Line(name, "passed", look(self))
            except (Differs, DeviceError, ValueError) as error:
                yield Line(name, "failed", str(error))

    def meet(self, is_configured: bool = True) -> Hello:
        """Simulate a board that is as this one is now.

        Args:
            is_configured: Whether both are given a network first, as they may have others.

        Raises:
            Differs: Where it does not answer as a board.
        """
        while self._line.read(QUIET):
            pass
        self._line.write(b"\0")
        hello = self._hello(b"")
        if hello.lease is not None and hello.lease.number:
            raise Differs(f"{hello.lease.name!r} has the board: close it there, or wait")
        given = self._hello(ASKED.pack(TOKEN, 0, 0, 0, 0) + b"accept").lease
        self._hello(ASKED.pack(TOKEN, 0, GIVE_BACK, 0, 0))
        self.hello = hello
        self.simulated = SimulatedBoard(hello.chip, hello.boot_id, hello)
        counts = self._frame(RequestType.STATS, b"")
        answer = self.send(counts)
        self.simulated.go_on_from(
            counts, unpack("<6I", self._payload(answer)), given.number if given else 0
        )
        if is_configured:
            network = self._frame(RequestType.CONFIGURE, _network((3, 2)))
            self.simulated.feed(network)
            self.send(network)
        return hello

    def _hello(self, payload: bytes) -> Hello:
        try:
            return Hello.decode(self._payload(self.send(self._frame(RequestType.HELLO, payload))))
        except ValueError as error:
            raise Differs(f"HELLO: {error}") from None

    def _payload(self, line: bytes) -> bytes:
        try:
            frame = Frame.decode(line[:-1])
        except FrameDamaged:
            raise Differs(f"no whole answer, {len(line)} bytes came") from None
        if frame.status != Status.OK:
            raise Differs(f"refused with status {frame.status:#04x}")
        return frame.payload

    def _frame(self, kind: int, payload: bytes) -> bytes:
        self._sequence = self._sequence % 255 + 1
        return Frame(kind, self._sequence, payload).encode()

    def send(self, request: bytes, is_answered: bool = True) -> bytes:
        """Send bytes to the board alone, and return what comes back, up to the zero."""
        self._line.write(request)
        room = self.hello.payload if hasattr(self, "hello") else 1024
        end = time.monotonic() + PATIENCE + (len(request) + room) * BITS / self._rate
        heard = b""
        while is_answered and not heard.endswith(b"\0") and time.monotonic() < end:
            heard += self._line.read(0.1)
        return heard

    def agree(self, what: str, request: bytes) -> bytes:
        """Send bytes to both.

        Returns:
            The payload of the answer; none of a refusal.

        Raises:
            Differs: Where their answers do.
        """
        expected = self.simulated.feed(request)
        heard = self.send(request, bool(expected))
        if heard != expected:
            raise Differs(f"{what}: {_compare(heard, expected)}")
        return Frame.decode(heard[:-1]).payload if heard else b""

    def ask(self, kind: int, payload: bytes = b"", what: str = "") -> bytes:
        """Ask both for something, in a frame of the next number."""
        return self.agree(what or RequestType(kind).name, self._frame(kind, payload))


def _compare(heard: bytes, expected: bytes) -> str:
    """Say how an answer differs from the one that was expected."""
    if not heard:
        return "no answer"
    if not expected:
        return "an answer, where there is none"
    try:
        was, wanted = Frame.decode(heard[:-1]), Frame.decode(expected[:-1])
    except FrameDamaged:
        return f"{len(heard)} bytes that are no whole frame"
    if was.status != wanted.status:
        return f"status {was.status:#04x}, not {wanted.status:#04x}"
    if len(was.payload) != len(wanted.payload):
        return f"{len(was.payload)} bytes, not {len(wanted.payload)}"
    pairs = enumerate(zip(was.payload, wanted.payload, strict=True))
    at = next((n for n, (one, other) in pairs if one != other), None)
    return "another header" if at is None else f"byte {at} of the payload differs"


def _look_at_command(kind: RequestType) -> Callable[[Bench], str]:
    """Make the look at one command: its exchanges of the vectors, the others being sent as well."""

    def look(bench: Bench) -> str:
        count = 0
        for each in load_vectors()["exchanges"]["in_order"]:
            request = bytes.fromhex(each["request"])
            asked = int(each["request_parts"][2][1], 16) if each["request_parts"] else None
            if asked == kind:
                bench.agree(each["title"], request)
                count += 1
            elif asked is not None:
                bench.simulated.feed(request)
                bench.send(request)
        more = MORE[kind](bench.hello) if kind in MORE else []
        for payload in more:
            bench.ask(kind, payload, f"{kind.name} of {payload[:12].hex(' ')}")
            count += 1
        return f"{count} exchanges"

    return look


def _network(sizes: Sequence[int], multiplier: int = 900) -> bytes:
    """CONFIGURE of a chain of layers, which leak and are driven as those of the digits."""
    depth = len(sizes) - 1
    payload = pack("<HHIHH", depth, depth, sizes[0], 2, 0)
    payload += b"".join(pack("<4I", size, 0, 6237, 65536) for size in sizes[1:])
    return payload + b"".join(pack("<4HI", n, n + 1, 0, 0, multiplier) for n in range(depth))


def _head(kind: int, steps: int, batch: int, probes: Sequence[bytes] = ()) -> bytes:
    return pack("<BBHHHHH", kind, len(probes), 0, steps, batch, 0, 0) + b"".join(probes)


# What the vectors do not ask: values at a limit and beyond, by command.
MORE: dict[int, Callable[[Hello], list[bytes]]] = {
    RequestType.ECHO: lambda hello: [bytes(hello.payload), bytes([85]) * hello.payload],
    RequestType.WRITE: lambda _: [pack("<HIHb", 0, 0, 1, w) for w in (-128, -127, 127)],
    RequestType.READ: lambda _: [pack("<HBBIH", 0, 0, 0, 1, n) for n in (0, 1, 5, 6)],
    RequestType.STATS: lambda _: [b"", b"x"],
    RequestType.CONFIGURE: lambda hello: [
        _network(sizes)
        for most, room in [(hello.capacity.inputs, hello.capacity.synapses)]
        for sizes in (
            (most + 1, 1),
            (1, hello.capacity.neurons + 1),
            [1] * (hello.capacity.layers + 2),
            (most, room // most + 1),
            (most, room // most),
        )
    ],
    RequestType.RUN: lambda _: [
        _head(kind, steps, 1) + bytes(size)
        for kind, steps, size in ((0, 0, 6), (0, 1, 5), (4, 1, 6), (5, 1, 6))
    ],
}


def _look_at_vectors(bench: Bench) -> str:
    runs = load_vectors()["runs"]
    for number, run in enumerate(runs):
        _run_vector(bench, run, f"run {number}")
    _look_at_edge(bench)
    return f"{len(runs)} runs, and a membrane that just reaches its threshold, to the bit"


def _look_at_edge(bench: Bench) -> None:
    """Drive neurons of this very chip to their thresholds, not a bit beyond."""
    neurons = 16
    drawn = read_network(_network((1, neurons)), bench.hello).populations[0]
    drives = -(-(drawn.threshold << 12) // drawn.gain)
    for neuron in np.flatnonzero(drives * drawn.gain >> 12 == drawn.threshold)[:3]:
        for drive in (int(drives[neuron]), int(drives[neuron]) - 1):
            bench.ask(RequestType.CONFIGURE, _network((1, neurons), drive))
            bench.ask(RequestType.WRITE, pack("<HIH", 0, 0, neurons) + bytes([1]) * neurons)
            bench.ask(RequestType.RUN, _head(0, 1, 1) + pack("<h", 256), "RUN at the threshold")


def _run_vector(bench: Bench, run: dict[str, str | list[str]], what: str) -> None:
    asked = [(RequestType.CONFIGURE, [run["configure"]]), (RequestType.WRITE, run["writes"])]
    asked += [(RequestType.DELAYS, run["delays"]), (RequestType.RUN, [run["run"]])]
    for kind, payloads in asked:
        for payload in payloads:
            bench.ask(kind, bytes.fromhex(str(payload)), f"{what}, {kind.name}")


def _look_at_leases(bench: Bench) -> str:
    """Ask, use, take over and give back: as the vectors do, under the numbers of this board."""
    one, two = (pack("<I", TOKEN + n) for n in (0, 1))
    given = Hello.decode(bench.ask(RequestType.HELLO, one + bytes(8) + b"one")).lease
    if given is None:
        return "it gives none"
    under = Frame(RequestType.ECHO, 201, b"under", given.number)
    bench.agree("ECHO under the lease", under.encode())
    bench.ask(RequestType.ECHO, b"under none")
    seen = Hello.decode(bench.ask(RequestType.HELLO, two + bytes(8) + b"two", "another host")).lease
    assert seen is not None
    replaced = pack("<BBHI", seen.number, 0, 0, seen.used)
    bench.ask(RequestType.HELLO, two + replaced + b"two", "a lease that is taken over")
    late = Frame(RequestType.ECHO, 202, b"late", given.number)
    bench.agree("ECHO under the lease that was replaced", late.encode())
    bench.ask(RequestType.HELLO, two + pack("<BBHI", 0, GIVE_BACK, 0, 0), "giving it back")
    bench.ask(RequestType.ECHO, b"under none again")
    return "asked for, refused, taken over and given back"


def _look_at_damage(bench: Bench) -> str:
    rng = np.random.default_rng(5)
    payload = bench.hello.payload
    count = 0
    for size in (20, 300, payload, payload + 1, payload + 300):
        whole = Frame(RequestType.ECHO, 77, rng.bytes(min(size, 1 << 16))).encode()
        at = int(rng.integers(len(whole) - 1))
        flipped = whole[:at] + bytes([whole[at] ^ 1 << rng.integers(8)]) + whole[at + 1 :]
        checksum = Frame(RequestType.ECHO, 78, b"UUUU").encode()
        for damaged in (
            flipped,
            whole[:at] + whole[at + 1 :],
            whole[:at] + b"\x55" + whole[at:],
            whole,
            checksum[:-3] + bytes([checksum[-3] ^ 0x40]) + b"\x55\0",
        ):
            for part in damaged.split(b"\0")[:-1]:
                bench.agree(f"a damaged frame of {len(part)} bytes", part + b"\0")
            bench.ask(RequestType.ECHO, rng.bytes(9), "ECHO after damage")
            count += 1
    bench.ask(RequestType.STATS, b"", "STATS after damage")
    return f"{count} frames, all told and none executed"


def _look_at_repeats(bench: Bench) -> str:
    """Send a request again, and others of the same number, which are not the same."""
    bench.ask(RequestType.CONFIGURE, _network((3, 2)))
    run = Frame(RequestType.RUN, 9, _head(0, 3, 1) + bytes(6)).encode()
    for _ in range(3):
        bench.agree("a RUN that is sent again", run)
    bench.agree("LINKERR between", run[:1] + b"\x7f" + run[2:])
    bench.agree("a RUN sent again after damage", run)
    for text in (b"one", b"two"):
        other = Frame(RequestType.ECHO, 9, text).encode()
        bench.agree("another request of the same number", other)
    bench.ask(RequestType.STATS, b"", "STATS after what was sent again")
    return "answered again, not executed again"


def _look_at_reset(bench: Bench) -> str:
    """Reset it while it computes."""
    before = bench.hello.boot_id
    bench.ask(RequestType.CONFIGURE, _network((64, 64, 64)))
    steps = min(500, bench.hello.capacity.steps)
    bench.send(Frame(RequestType.RUN, 9, _head(0, steps, 1) + bytes(128)).encode(), False)
    assert bench.reset is not None
    bench.reset()
    end = time.monotonic() + BOOTING
    while True:
        try:
            now = bench.meet(is_configured=False)
            if now.boot_id != before:
                break
            reason = "its boot id is the same after a reset"
        except Differs as error:
            reason = str(error)
        if time.monotonic() > end - BOOTING * ("same" in reason):
            raise Differs(reason)
    bench.ask(RequestType.CRC, bytes(4), "CRC after a reset: NOT_CONFIGURED")
    counted = unpack("<6I", bench.ask(RequestType.STATS, b"", "STATS after a reset"))
    if counted[2] > 50:
        raise Differs(f"STATS after a reset: {counted[2]} requests")
    _run_vector(bench, load_vectors()["runs"][1], "run after a reset")
    return "another boot, which knows nothing"


def _look_at_soak(bench: Bench) -> str:
    """Run random networks on random input until the time is over."""
    rng = np.random.default_rng(6)
    end, count = time.monotonic() + bench.seconds, 0
    while count == 0 or time.monotonic() < end:
        sizes = [int(n) for n in rng.integers(1, 40, 3)]
        bench.ask(RequestType.CONFIGURE, _network(sizes))
        for n in range(2):
            cells = sizes[n] * sizes[n + 1]
            weights = rng.integers(-127, 128, cells).astype("i1").tobytes()
            bench.ask(RequestType.WRITE, pack("<HIH", n, 0, cells) + weights)
        for kind in range(4):
            shown = [pack("<HBBHH", 1 + n % 2, n // 2, n % 3, 1, 0) for n in range(4)]
            steps = int(rng.integers(1, 30))
            payload = _head(kind, steps, 1, shown) + _input(rng, kind, steps, 1, sizes[0])
            bench.ask(RequestType.RUN, payload, f"RUN {count} on {KINDS[kind]}")
        bench.ask(RequestType.ECHO, rng.bytes(int(rng.integers(bench.hello.payload))))
        bench.ask(RequestType.STATS)
        count += 1
    return f"{count} networks in {bench.seconds:g} s, to the bit"


def _input(rng: np.random.Generator, kind: int, steps: int, batch: int, channels: int) -> bytes:
    rows = batch * (steps if kind else 1)
    most = (400, 400, 1, 3)[kind]
    values = rng.integers(0, most, (rows, channels), endpoint=True) * (
        rng.random((rows, channels)) < 0.5
    )
    if kind == 2:
        return np.packbits(values, axis=1, bitorder="little").tobytes()
    return values.astype("u1" if kind == 3 else "<i2").tobytes()


def _look_at_speed(bench: Bench) -> str:
    """Time each kind of work."""
    rng = np.random.default_rng(7)

    def clock(name: str, kind: RequestType, payload: bytes) -> None:
        began = time.monotonic()
        bench.send(Frame(kind, 30 + len(bench.figures), payload).encode())
        bench.figures[name] = time.monotonic() - began

    long = bytes(bench.hello.payload)
    clock("echo, as long as it can be", RequestType.ECHO, long)
    bench.figures["bytes a second, both ways"] = 2 * len(long) / max(*bench.figures.values(), 1e-9)
    clock("configure", RequestType.CONFIGURE, _network(SIZES))
    for n in range(2):
        cells = SIZES[n] * SIZES[n + 1]
        share = min(cells, bench.hello.payload - 8)
        weights = rng.integers(-127, 128, share).astype("i1").tobytes()
        clock(f"write of {share} weights", RequestType.WRITE, pack("<HIH", n, 0, share) + weights)
    clock("checksum", RequestType.CRC, bytes(4))
    mean = pack("<HBBHH", 1, 1, 1, 1, 0)
    for kind, name in enumerate(KINDS):
        given_input = _input(rng, kind, STEPS, 1, SIZES[0])
        clock(f"run on {name}", RequestType.RUN, _head(kind, STEPS, 1, [mean]) + given_input)
    return f"of a network {'-'.join(map(str, SIZES))}, {STEPS} steps"


COMMANDS = [kind for kind in RequestType if kind != RequestType.LINKERR]
LOOKS: dict[str, Callable[[Bench], str]] = {
    "damage": _look_at_damage,
    "repeats": _look_at_repeats,
    **{f"command {kind.name}": _look_at_command(kind) for kind in COMMANDS},
    "vectors": _look_at_vectors,
    "leases": _look_at_leases,
    "reset": _look_at_reset,
    "soak": _look_at_soak,
    "speed": _look_at_speed,
}
