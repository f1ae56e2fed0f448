"""The simulated board: the protocol as its page says, from bytes to bytes."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from struct import pack, unpack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.board import frames
from drivers.board.frames import Frame, RequestType, Status
from drivers.board.hello import SIMULATED, Hello, make_hello
from drivers.board.simulated_board import SimulatedBoard
from support import plain_board
from support.board_scripts import (
    KEEP,
    LENGTHS,
    REFUSED,
    RESUME,
    configuration,
    drawn,
    network,
    read,
    run_head,
    script,
    stimulus,
    wired,
)
from support.paths import tries

SEEDS = st.integers(0, 2**32 - 1)
SMALL = make_hello(
    "small", layers=2, inputs=9, neurons=8, synapses=100, steps=20, payload=400, kept=12
)


class Board:
    """A simulated board, and the numbers of the frames to it."""

    def __init__(self, chip: int = 3, hello: Hello = SIMULATED) -> None:
        self.simulated = SimulatedBoard(chip, hello=hello)
        self.sequence = 0

    def ask(self, kind: int, payload: bytes = b"", **header: int) -> Frame:
        self.sequence = (self.sequence + 1) % 256
        line = self.simulated.feed(Frame(kind, self.sequence, payload, **header).encode())
        assert line.count(0) == 1
        answer = Frame.decode(line[:-1])
        assert (answer.version, answer.type) == (frames.VERSION, kind | frames.ANSWER)
        assert answer.sequence == self.sequence
        assert answer.status == Status.OK or not answer.payload
        return answer

    def done(self, kind: int, payload: bytes = b"") -> bytes:
        answer = self.ask(kind, payload)
        assert answer.status == Status.OK
        return answer.payload

    def stats(self) -> tuple[int, ...]:
        return unpack("<6I", self.done(RequestType.STATS))

    def network(self, sizes: list[int], rng: np.random.Generator, multiplier: int = 2000) -> None:
        depth = len(sizes) - 1
        self.done(RequestType.CONFIGURE, configuration(sizes, multiplier=multiplier))
        for p, cells in zip(range(depth), cells_of(sizes), strict=True):
            weights = rng.integers(-127, 128, cells).astype("i1").tobytes()
            assert self.done(RequestType.WRITE, pack("<HIH", p, 0, cells) + weights) == pack(
                "<I", cells
            )

    def drawn(
        self, rng: np.random.Generator, sizes: list[int], neurons: list[tuple[int, int]], most: int
    ) -> list[plain_board.Synapses]:
        """Any network of these layers, with multipliers of so many bits."""
        net = drawn(rng, sizes, SIMULATED.capacity.delay, most)
        self.done(RequestType.CONFIGURE, wired(sizes, neurons, net.projections))
        found = []
        for p, (source, target, delay, alone, multiplier) in enumerate(net.projections):
            shape, cells = (sizes[source], sizes[target]), net.cells(p)
            weights = rng.integers(-127, 128, shape)
            head = pack("<HIH", p, 0, cells)
            self.done(RequestType.WRITE, head + weights.astype("i1").tobytes())
            delays = (
                rng.integers(0, min(6, SIMULATED.capacity.delay - delay) + 1, shape)
                if alone
                else None
            )
            if delays is not None:
                values = delays.astype("<u2").tobytes()
                assert self.done(RequestType.DELAYS, head + values)
            rows = None if delays is None else delays.tolist()
            synapses = plain_board.Synapses(source, target, multiplier, weights.tolist())
            found.append(replace(synapses, delay=delay, delays=rows))
        return found


def cells_of(sizes: list[int]) -> list[int]:
    return [pre * post for pre, post in pairwise(sizes)]


@settings(max_examples=tries(30, 100), deadline=None)
@given(
    seed=SEEDS,
    chip=st.sampled_from([0, 1, plain_board.CHIP_AT_ZERO]) | SEEDS,
    kind=st.integers(0, 3),
)
def test_a_run_is_what_the_page_says(seed: int, chip: int, kind: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 10, rng.integers(2, 5))]
    depth, steps, batch = len(sizes) - 1, int(rng.integers(1, 16)), int(rng.integers(1, 4))
    every = int(rng.integers(1, steps + 1))
    leak = int(rng.choice([1, 65535, rng.integers(1, 65536)]))
    threshold = int(rng.choice([6554, 655360, rng.integers(6554, 655361)]))
    # Multipliers go up to the largest, where membranes meet their bounds.
    board = Board(chip)
    synapses = board.drawn(rng, sizes, [(leak, threshold)] * depth, 22)
    probes = [
        (layer, quantity, reduce, every if quantity else 1, *named)
        for layer in range(1, depth + 1)
        for quantity in (0, 1)
        for reduce in (0, 1, 2)
        for named in ((), tuple(rng.integers(0, sizes[layer], rng.integers(1, sizes[layer] + 1))))
    ]
    given_input = stimulus(rng, kind, steps, batch, sizes[0])
    layers = [
        plain_board.pattern(chip, number + 1, size, threshold, leak)
        for number, size in enumerate(sizes[1:])
    ]
    expected = [
        plain_board.run(layers, synapses, each, kind <= 1)
        for each in plain_board.as_steps(given_input, kind, steps, batch, sizes[0])
    ]
    for asked in [probes[at : at + 8] for at in range(0, len(probes), 8)]:
        payload = run_head(kind, steps, batch, asked) + given_input
        assert board.done(RequestType.RUN, payload) == b"".join(
            plain_board.as_answer(sample, asked, steps) for sample in expected
        )


@settings(max_examples=tries(30, 100), deadline=None)
@given(seed=SEEDS)
def test_runs_of_any_length_carry_on_as_the_page_says(seed: int) -> None:
    """Slots are those of one board after another, each with neurons of its own, and events on
    their way to them, which one kind of input leaves to another."""
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 7, rng.integers(2, 4))]
    neurons = [(int(rng.integers(1, 65536)), int(rng.integers(6554, 99999))) for _ in sizes[1:]]
    board, chip = Board(chip=5), 5
    synapses = board.drawn(rng, sizes, neurons, 11)
    slots = [
        [
            plain_board.pattern(chip, number + 1, size, threshold, leak)
            for number, (size, (leak, threshold)) in enumerate(zip(sizes[1:], neurons, strict=True))
        ]
        for _ in range(6)
    ]
    for _ in range(6):
        kind = int(rng.integers(4))
        flags = int(rng.integers(0, 8))
        batch, steps = int(rng.integers(1, 4)), int(rng.integers(1, 9))
        first = int(rng.integers(0, 4)) if flags & (RESUME | KEEP) else 0
        lengths = [int(n) for n in rng.integers(1, steps + 1, batch)] if flags & LENGTHS else []
        probes = [(len(neurons), 1, r, int(rng.integers(1, steps + 1))) for r in (0, 1, 2)]
        probes += [(1, 0, r, 1) for r in (0, 1, 2)]
        payload = run_head(kind, steps, batch, probes, flags=flags, first=first, lengths=lengths)
        expected = b""
        for b, length in enumerate(lengths or [steps] * batch):
            own = stimulus(rng, kind, length, 1, sizes[0])
            payload += own
            given_rows = plain_board.as_steps(own, kind, length, 1, sizes[0])[0]
            layers = slots[first + b] if flags else deepcopy(slots[b])
            layers = layers if flags & KEEP else deepcopy(layers)
            resume = bool(flags & RESUME)
            ran = plain_board.run(layers, synapses, given_rows, kind <= 1, resume)
            expected += plain_board.as_answer(ran, probes, steps)
        assert board.done(RequestType.RUN, payload) == expected
    board.done(RequestType.CONFIGURE, network(sizes, neurons, [2000] * len(neurons)))
    probe = [(1, 1, 2, 1)]
    resumed = run_head(0, 1, 1, probe, flags=RESUME) + bytes(2 * sizes[0])
    assert not any(board.done(RequestType.RUN, resumed))  # a new network is at rest


def test_a_membrane_at_its_threshold_spikes() -> None:
    board = Board(chip=0)
    board.done(RequestType.CONFIGURE, configuration([1, 1], multiplier=65536))
    board.done(RequestType.WRITE, pack("<HIHb", 0, 0, 1, 1))
    for current, spikes in ((255, 0), (256, 1)):
        payload = run_head(0, 1, 1) + pack("<h", current)
        assert board.done(RequestType.RUN, payload) == pack("<H", spikes)


def test_a_membrane_stays_within_its_bounds() -> None:
    board = Board(chip=0)
    # All but 2^-16 of the membrane leaks away, which brings the bounds into sight.
    board.done(RequestType.CONFIGURE, configuration([2, 1], 65535, 6554, 1 << 22))
    board.done(RequestType.WRITE, pack("<HIHbb", 0, 0, 2, 127, -127))

    def membranes(kind: int, form: str, *values: int) -> tuple[int, ...]:
        head = run_head(kind, len(values) // 2, 1, [(1, 1, 0, 1)])
        payload = head + pack(form, *values)
        return unpack(f"<{len(values) // 2}h", board.done(RequestType.RUN, payload)[2:])

    bound = 1 << 30
    # The bound itself, less the threshold that the spike takes, after one step of leak.
    after = (bound - 6554 - ((bound - 6554) * 65535 >> 16)) >> 4
    assert membranes(1, "<4h", 4095, 0, 0, 0) == (32767, after)
    assert membranes(1, "<4h", 0, 4095, 0, 0) == (-32768, -1024)
    assert membranes(3, "<4B", 255, 0, 0, 0) == (0, 1024)
    assert membranes(3, "<4B", 0, 255, 0, 0) == (0, -1024)
    # A spike and the events of its step: what is taken away does not go below the bound, from
    # where halves come back into sight.
    board.done(RequestType.CONFIGURE, configuration([2, 1], 32768, 655360, 1 << 22))
    board.done(RequestType.WRITE, pack("<HIHbb", 0, 0, 2, 127, -127))
    assert membranes(3, "<28B", 255, 0, 0, 255, *[0] * 24)[-2:] == (-32768, -16384)


def test_the_fixed_pattern_has_the_spread_that_the_page_states() -> None:
    neurons = plain_board.pattern(11, 1, 4000, 65536, 6554)
    threshold, gain, leak = (
        np.array([getattr(n, name) for n in neurons]) for name in ("threshold", "gain", "leak")
    )
    assert [x.std() / x.mean() for x in (threshold, gain, leak)] == pytest.approx(
        [0.10, 0.10, 0.20], rel=0.05
    )


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_a_batch_is_its_samples_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    board = Board()
    board.network([12, 9, 4], rng)
    inputs = [stimulus(rng, 1, 10, 1, 12) for _ in range(4)]
    probes = [(1, 1, 0, 3)]
    one = [board.done(RequestType.RUN, run_head(1, 10, 1, probes) + x) for x in inputs]
    together = board.done(RequestType.RUN, run_head(1, 10, 4, probes) + b"".join(inputs))
    assert together == b"".join(one)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_probes_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    board = Board()
    board.network([10, 8, 3], rng)
    given_input = stimulus(rng, 0, 12, 1, 10)
    bare = board.done(RequestType.RUN, run_head(0, 12, 1) + given_input)
    probes = [(1, 1, 1, 1), (2, 0, 0, 1)]
    assert board.done(RequestType.RUN, run_head(0, 12, 1, probes) + given_input)[:6] == bare


def test_a_repeated_request_is_answered_and_not_executed() -> None:
    board = Board()
    board.network([4, 3], np.random.default_rng(0))
    run = Frame(RequestType.RUN, 77, run_head(0, 5, 1) + pack("<4h", 90, 80, -7, 3)).encode()
    answer = board.simulated.feed(run)
    for between in (b"", b"\0\0", b"\5\5\0", Frame(0x88, 1, b"echo").encode()):
        board.simulated.feed(between)
        assert board.simulated.feed(run) == answer
    whole, damaged, requests, again, runs, samples = board.stats()
    assert (whole, damaged, requests, again, runs, samples) == (2 + 1 + 4 + 1 + 1, 1, 4, 4, 1, 1)


def test_a_refusal_is_kept_like_any_other_answer() -> None:
    board = Board()
    write = Frame(RequestType.WRITE, 9, b"\0\0").encode()
    assert Frame.decode(board.simulated.feed(write)[:-1]).status == Status.NOT_CONFIGURED
    assert board.simulated.feed(write) == board.simulated.feed(write)
    assert board.stats()[2:4] == (2, 2)


def test_the_same_sequence_with_another_payload_is_another_request() -> None:
    simulated = SimulatedBoard()
    first, second = (Frame(RequestType.ECHO, 5, each).encode() for each in (b"a", b"b"))
    assert simulated.feed(first) != simulated.feed(second)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"\5ab", Status.COBS),
        (b"\5abcd", Status.LENGTH),
        (Frame(RequestType.HELLO, 0).encode()[:-2] + b"\x99", Status.CRC),
        (Frame(RequestType.ECHO, 0, b"\7" * 400).encode()[:-1], None),
        (Frame(RequestType.ECHO, 0, b"\7" * 401).encode()[:-1], Status.LENGTH),
        (Frame(RequestType.ECHO, 0, b"\0" * 401).encode()[:-1], Status.LENGTH),
        (b"\7" * 5000, Status.LENGTH),
    ],
)
def test_damage_is_told(line: bytes, status: Status | None) -> None:
    simulated = SimulatedBoard(hello=SMALL)
    answer = Frame.decode(simulated.feed(line + b"\0")[:-1])
    if status is None:
        assert answer.type == RequestType.ECHO | frames.ANSWER
    else:
        assert answer == Frame(RequestType.LINKERR, 0, status=status)


@pytest.mark.parametrize("kind", range(0x80, 0x100))
def test_an_answer_is_no_request(kind: int) -> None:
    board = Board()
    assert board.simulated.feed(Frame(kind, 0).encode()) == b""
    assert board.stats() == (2, 0, 1, 0, 0, 0)


def test_another_version_gets_a_hello_and_nothing_else() -> None:
    board = Board()
    assert board.ask(RequestType.HELLO, version=9).status == Status.OK
    assert board.ask(RequestType.STATS, version=9).status == Status.VERSION


def test_hello_tells_the_limits() -> None:
    board = Board(chip=12, hello=SMALL)
    told = Hello.decode(board.done(RequestType.HELLO))
    assert told == replace(SMALL, chip=12)
    assert (told.protocol, told.firmware, told.chip, told.boot_id) == (2, (2, 2, 0), 12, 1)


@pytest.mark.parametrize(
    "payload", [b"", b"SPKL", b"SPKX" + bytes(44), bytes(49), b"SPKL" + bytes(16) + b"\1\5abc"]
)
def test_what_is_no_hello_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"no HELLO|within a record"):
        Hello.decode(payload)


def test_a_reboot_forgets_all_but_counts_up() -> None:
    board = Board()
    board.network([4, 3], np.random.default_rng(0))
    before = Hello.decode(board.done(RequestType.HELLO)).boot_id
    board.simulated.reboot()
    assert Hello.decode(board.done(RequestType.HELLO)).boot_id != before
    assert board.ask(RequestType.CRC, bytes(4)).status == Status.NOT_CONFIGURED
    assert board.stats() == (3, 0, 3, 0, 0, 0)


@pytest.mark.parametrize(("kind", "payload", "status"), REFUSED)
def test_a_refusal_says_why_and_changes_nothing(kind: int, payload: bytes, status: Status) -> None:
    board = Board(hello=SMALL)
    board.network([4, 3], np.random.default_rng(0))
    before = board.done(RequestType.READ, read(0, 0, 12))
    assert board.ask(kind, payload).status == status
    assert board.done(RequestType.READ, read(0, 0, 12)) == before
    assert board.stats()[4] == 0


def test_the_largest_that_fits_fits() -> None:
    board = Board(hello=SMALL)
    board.done(RequestType.CONFIGURE, configuration([9, 8, 3], multiplier=1 << 22, leak=65535))
    board.done(RequestType.RUN, run_head(0, 1, 1, flags=KEEP) + bytes(18))
    board.done(RequestType.CONFIGURE, configuration([4, 3]))
    board.done(RequestType.RUN, run_head(2, 20, 19) + bytes(380))
    assert len(board.done(RequestType.RUN, run_head(2, 1, 66) + bytes(66))) == 396
    assert board.done(RequestType.ECHO, bytes(400)) == bytes(400)


@settings(max_examples=tries(12, 50), deadline=None)
@given(seed=SEEDS, cuts=st.integers(1, 50))
def test_it_does_not_matter_how_bytes_arrive(seed: int, cuts: int) -> None:
    rng = np.random.default_rng(seed)
    stream = b"".join(script(rng, SIMULATED, 13))
    whole, pieces = SimulatedBoard(seed), SimulatedBoard(seed)
    answers = b""
    for start in range(0, len(stream), cuts):
        answers += pieces.feed(stream[start : start + cuts])
    assert answers == whole.feed(stream)
