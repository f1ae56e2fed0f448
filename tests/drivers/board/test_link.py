"""The link: one exchange is one execution, whatever the line does, and one clear error at the end.

The board at the other end is played by a few lines here, and by the simulated board where it has
to count.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import DeviceRestarted, LinkError, ProtocolMismatch
from drivers.board import link as link_module
from drivers.board.faults import Fault, FaultPlan, FaultyLine
from drivers.board.frames import RequestType
from drivers.board.link import FIRST, FLOOR, LATENCY, Link, RoundTrip
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from drivers.errors import CapacityError
from support.plain_board import HELLO, Clock, Fake, Played, answer, greeting, stuffed, unstuffed

OLD_HELLO = struct.pack(
    "<4sBBHIIIHHIHH16s", b"SPKL", 1, 8, 1024, 0x010000, 7, 3, 64, 64, 4096, 100, 0, b"old"
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(link_module, "time", made)
    return made


def opened(play: Played, clock: Clock | None = None, baud: int = 115200) -> tuple[Link, Fake]:
    """A link to a board that says HELLO as it should, and then does as told."""
    port = Fake(greeting, clock)
    made = Link(port, "board:fake", baud)
    port.play, port.sent = play, []
    return made, port


# -- nothing lost, nothing twice --------------------------------------------------------------

FRAMES = st.integers(min_value=1, max_value=30)
LINE_FAULTS: st.SearchStrategy[Fault] = st.sampled_from(["drop", "flip", "duplicate", "stall"])


@given(
    faults=st.lists(st.tuples(LINE_FAULTS, FRAMES), max_size=3),
    seed=st.integers(0, 2**32 - 1),
    payloads=st.lists(st.binary(max_size=300), min_size=5, max_size=10),
)
def test_each_exchange_is_executed_once(
    faults: list[tuple[Fault, int]], seed: int, payloads: list[bytes]
) -> None:
    simulated = SimulatedBoard()
    line = FaultyLine(SimulatedPort(simulated), FaultPlan(chosen=frozenset(faults), seed=seed))
    link = Link(line, "board:simulated", 115200)
    assert [link.exchange(RequestType.ECHO, payload) for payload in payloads] == payloads
    _, _, requests, _, _, _ = struct.unpack("<6I", link.exchange(RequestType.STATS))
    assert requests == 1 + len(payloads) + 1


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_line_for_long(seed: int) -> None:
    rates: dict[Fault, float] = {"drop": 0.03, "flip": 0.03, "duplicate": 0.03, "stall": 0.02}
    line = FaultyLine(SimulatedPort(SimulatedBoard()), FaultPlan(rates, seed=seed))
    link = Link(line, "board:simulated", 115200)
    for n in range(400):  # further than sequence numbers go
        payload = n.to_bytes(2, "little") * (n % 40)
        assert link.exchange(RequestType.ECHO, payload) == payload
    whole, damaged, requests, again, _, _ = struct.unpack("<6I", link.exchange(RequestType.STATS))
    assert requests == 402
    assert damaged and again and whole == requests + again


@given(seed=st.integers(0, 2**32 - 1), frames=st.lists(FRAMES, max_size=3))
def test_frames_out_of_order_mix_nothing_up(seed: int, frames: list[int]) -> None:
    chosen: frozenset[tuple[Fault, int]] = frozenset(("reorder", n) for n in frames)
    link = Link(
        FaultyLine(SimulatedPort(SimulatedBoard()), FaultPlan(chosen=chosen, seed=seed)),
        "board:simulated",
        115200,
    )
    for n in range(10):
        assert link.exchange(RequestType.ECHO, bytes([n])) == bytes([n])


def test_a_retry_is_the_same_bytes() -> None:
    lost = iter([True, True, False])
    link, port = opened(lambda r: b"" if next(lost) else answer(r, b"found"))
    assert link.exchange(RequestType.ECHO, b"sought") == b"found"
    assert len(port.sent) == 3 and len(set(port.sent)) == 1


def test_a_silent_board_is_given_up(clock: Clock) -> None:
    """Not before it had the time to start anew, however fast it was before."""
    link, port = opened(answer, clock)
    for _ in range(20):
        link.exchange(RequestType.ECHO)
    port.play, port.sent, began = lambda r: b"", [], clock.now
    with pytest.raises(LinkError, match=r"no answer to ECHO in \d+ tries: nothing came back"):
        link.exchange(RequestType.ECHO)
    assert 6 <= len(port.sent) <= 20
    assert 6.0 <= clock.now - began <= 8.0


def test_answers_to_others_are_no_answers() -> None:
    """Late, early, of another type, or no answer at all; the right one is among them."""

    def play(request: bytes) -> bytes:
        sequence = unstuffed(request)[1]
        wrong_type = stuffed(bytes([2, sequence, 0x82, 0]) + b"stats")
        not_one = stuffed(bytes([2, sequence, 0x03, 0]) + b"request")
        late, early = answer(request, b"late", turn=-1), answer(request, b"early", turn=1)
        right = answer(request, b"right")
        return late + early + wrong_type + not_one + right + answer(request, b"second")

    for piece in (1, 7, 1 << 20):
        link, port = opened(play)
        port.piece = piece
        assert link.exchange(RequestType.ECHO) == b"right"
        assert len(port.sent) == 1
        port.play = lambda r: answer(r, b"next")  # what was left over does not stand for it
        assert link.exchange(RequestType.ECHO) == b"next"


def test_sequence_numbers_go_up_by_one() -> None:
    link, port = opened(answer)
    for _ in range(300):
        link.exchange(RequestType.ECHO)
    first = unstuffed(port.sent[0])[1]
    expected = [(first + n) % 256 for n in range(300)]
    assert [unstuffed(each)[1] for each in port.sent] == expected


# -- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("baud", [9600, 115200, 921600])
def test_it_waits_as_long_as_the_line_and_the_work_take(clock: Clock, baud: int) -> None:
    link, _ = opened(lambda r: b"", clock, baud)
    began = clock.now
    with pytest.raises(LinkError):
        link.exchange(RequestType.ECHO, bytes(1000), answer=2000, work=3.0)
    least = 3.0 + 3000 * 10 / baud
    assert least + 6 < clock.now - began < 6 * (least + 2)


def test_a_complaint_is_answered_at_once(clock: Clock) -> None:
    linkerr = stuffed(bytes([2, 0, 0xFF, 0x11]))
    plays = iter([lambda r: linkerr, lambda r: answer(r, b"fine")])
    link, port = opened(lambda r: next(plays)(r), clock)
    began = clock.now
    assert link.exchange(RequestType.ECHO) == b"fine"
    assert len(port.sent) == 2
    assert clock.now - began < 0.1 < link_module.PATIENCE


def test_a_complaint_about_noise_loses_no_answer(clock: Clock) -> None:
    linkerr = stuffed(bytes([2, 0, 0xFF, 0x12]))
    link, port = opened(lambda r: linkerr + answer(r, b"fine"), clock)
    assert link.exchange(RequestType.ECHO) == b"fine"
    assert len(port.sent) == 1


def test_time_of_the_line_is_told_from_that_of_the_board(clock: Clock) -> None:
    class Slow(Fake):
        def write(self, data: bytes) -> None:
            clock.now += 2.0
            super().write(data)

        def read(self, timeout: float) -> bytes:
            clock.now += 0.5
            return super().read(timeout)

    port = Slow(greeting)
    link = Link(port, "board:slow", 115200)
    port.play, before = answer, link.line_seconds
    link.exchange(RequestType.ECHO)
    assert link.board_seconds == pytest.approx(0.5)
    assert link.line_seconds - before == pytest.approx(2.0)


# -- what is no board -------------------------------------------------------------------------


def text(request: bytes) -> bytes:
    return b"login: " * 20


def cut(request: bytes) -> bytes:
    return answer(request, HELLO)[:20]


def damaged(request: bytes) -> bytes:
    whole = bytearray(answer(request, HELLO))
    whole[9] ^= 0x10
    return bytes(whole)


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (lambda r: b"", "nothing came back"),
        (text, r"\d+ bytes came that are no whole frame"),
        (cut, "no whole frame"),
        (damaged, "answers arrive damaged"),
        (lambda r: r, "echoes"),
        (lambda r: stuffed(bytes([2, 0, 0xFF, 0x11])), "requests arrive damaged"),
        (lambda r: answer(r, HELLO, turn=3), "no whole frame|nothing|damaged"),
    ],
)
def test_what_is_no_board_is_told_in_one_line(clock: Clock, play: Played, words: str) -> None:
    port = Fake(play, clock)
    with pytest.raises(LinkError, match=words) as caught:
        Link(port, "board:fake", 115200)
    assert "\n" not in str(caught.value) and "board:fake" in str(caught.value)
    assert port.closed == 1


@pytest.mark.parametrize(
    "noise", [b"\x55" * 512, b"\0", b"\0\x05abcd\0\x02" * 50, bytes(range(256))]
)
def test_babble_without_end_ends(clock: Clock, noise: bytes) -> None:
    class Babbling(Fake):
        def read(self, timeout: float) -> bytes:
            clock.now += 1e-2
            return noise

    port = Babbling(lambda r: b"", clock)
    with pytest.raises(LinkError):
        Link(port, "board:fake", 115200)
    assert port.closed == 1
    assert clock.now < 30


@given(noise=st.binary(max_size=400), piece=st.integers(1, 50))
def test_noise_before_an_answer_does_not_matter(noise: bytes, piece: int) -> None:
    """Unless it runs into the answer, in which case the next try finds it."""
    plays: Iterator[Played] = itertools.chain(
        [lambda r: noise + answer(r, HELLO)], itertools.repeat(greeting)
    )
    port = Fake(lambda r: next(plays)(r), piece=piece)
    link = Link(port, "board:fake", 115200)
    assert link.board.name == "fake" and link.board.boot_id == 7
    assert len(port.sent) <= 2


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (
            lambda r: answer(r, OLD_HELLO, version=1),
            "version 1 .* this host version 2: flash the firmware that comes with this host",
        ),
        (
            lambda r: answer(r, b"SPKL\3" + bytes(99), version=3),
            "version 3 .* this host version 2: update this host, or flash",
        ),
        (lambda r: answer(r, b"", status=0x25, version=0), "version 0"),
        (lambda r: answer(r, HELLO[:-2]), "within a record"),
        (lambda r: answer(r, HELLO[:19]), "19 bytes"),
        (lambda r: answer(r, b"XPKL" + HELLO[4:]), "no HELLO"),
        *(
            (lambda r, s=status: answer(r, b"", status=s), f"refuses HELLO with status {status:#x}")
            for status in (0x20, 0x23, 0x24, 0x26, 0x77)
        ),
    ],
)
def test_another_protocol_is_named(play: Played, words: str) -> None:
    port = Fake(play)
    with pytest.raises(ProtocolMismatch, match=words) as caught:
        Link(port, "board:fake", 115200)
    assert "\n" not in str(caught.value)
    assert port.closed == 1 and len(port.sent) == 1


# -- what a board refuses ---------------------------------------------------------------------


def test_a_board_that_restarted_is_named_with_its_boots() -> None:
    def play(request: bytes) -> bytes:
        if unstuffed(request)[2] == RequestType.HELLO:
            return answer(request, HELLO[:12] + struct.pack("<I", 8) + HELLO[16:])
        return answer(request, b"", status=0x24)

    link, _ = opened(play)
    assert link.board.boot_id == 7
    with pytest.raises(DeviceRestarted, match="boot 0x7, now 0x8"):
        link.exchange(RequestType.RUN)
    assert link.board.boot_id == 8


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (0x20, ProtocolMismatch),
        (0x21, ProtocolMismatch),
        (0x22, ProtocolMismatch),
        (0x23, CapacityError),
        (0x26, CapacityError),
    ],
)
def test_a_final_refusal_is_not_tried_again(status: int, error: type[Exception]) -> None:
    link, port = opened(lambda r: answer(r, b"", status=status))
    with pytest.raises(error):
        link.exchange(RequestType.CONFIGURE)
    assert len(port.sent) == 1


def test_the_port_is_released_when_stopped() -> None:
    def play(request: bytes) -> bytes:
        raise KeyboardInterrupt

    port = Fake(play)
    with pytest.raises(KeyboardInterrupt):
        Link(port, "board:fake", 115200)
    assert port.closed == 1


SECONDS = st.floats(1e-4, 10.0)
STATED = st.floats(0, 5.0)


def rfc_6298(samples: list[float]) -> float:
    """The retransmission timeout after some round trips, as sections 2.2 and 2.3 write it."""
    first, *others = samples
    srtt, rttvar = first, first / 2
    for r in others:
        rttvar = (1 - 0.25) * rttvar + 0.25 * abs(srtt - r)
        srtt = (1 - 0.125) * srtt + 0.125 * r
    return srtt + 4 * rttvar


@given(samples=st.lists(SECONDS, min_size=1, max_size=50), line=STATED, work=STATED)
def test_it_is_the_timeout_of_rfc_6298(samples: list[float], line: float, work: float) -> None:
    trip = RoundTrip()
    for seconds in samples:
        trip.record_answer(seconds, line, work)
    assert trip.timeout(line, work) == pytest.approx(max(FLOOR, rfc_6298(samples)))


@given(seconds=SECONDS, line=STATED, work=STATED, other=STATED, lost=st.integers(0, 9))
def test_it_goes_with_what_is_stated_and_doubles_with_what_is_lost(
    seconds: float, line: float, work: float, other: float, lost: int
) -> None:
    trip = RoundTrip()
    assert trip.timeout(line, work) == line + FIRST
    trip.record_answer(seconds, line, work)
    share = 3 * seconds / (line + work + LATENCY)
    for _ in range(lost):
        trip.record_loss()
    least = max(FLOOR, share * (other + LATENCY))
    assert trip.timeout(other, 0.0) == pytest.approx(2**lost * least)
    trip.record_answer(seconds, line, work)
    assert trip.timeout(line, work) < 4 * max(FLOOR, seconds)


class Line(Fake):
    """A port whose answers take a while, or are lost."""

    def __init__(self, clock: Clock, delay: float) -> None:
        super().__init__(greeting, clock)
        self.time, self.delay, self.lost = clock, delay, 0
        self.due: list[tuple[float, bytes]] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        if self.lost:
            self.lost -= 1
            return
        self.due.append((self.time.now + self.delay, self.play(data)))

    def read(self, timeout: float) -> bytes:
        if not self.due or self.due[0][0] > self.time.now + timeout:
            self.time.now += timeout
            return b""
        when, data = self.due.pop(0)
        self.time.now = max(self.time.now, when)
        return data


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], tuple[Link, Line, Clock]]:
    def made(delay: float) -> tuple[Link, Line, Clock]:
        clock = Clock()
        monkeypatch.setattr(link_module, "time", clock)
        port = Line(clock, delay)
        link = Link(port, "board:line", 115200)
        port.play = lambda request: answer(request, b"fine")
        return link, port, clock

    return made


def spent(link: Link, clock: Clock) -> float:
    began = clock.now
    assert link.exchange(RequestType.ECHO, b"sought") == b"fine"
    return clock.now - began


@pytest.mark.parametrize("delay", [0.0003, 0.02, 0.5])
def test_a_lost_frame_costs_a_few_round_trips(
    line: Callable[[float], tuple[Link, Line, Clock]], delay: float
) -> None:
    link, port, clock = line(delay)
    for _ in range(30):
        spent(link, clock)
    port.lost, port.sent = 1, []
    assert spent(link, clock) < max(3 * delay, delay + 2 * FLOOR)
    assert len(port.sent) == 2


def test_what_was_sent_twice_is_not_measured(
    line: Callable[[float], tuple[Link, Line, Clock]],
) -> None:
    """Karn's rule: a timeout that proved too short stays doubled until something is measured."""
    link, port, clock = line(0.05)
    for _ in range(30):
        spent(link, clock)
    port.delay, port.sent = 0.5, []
    spent(link, clock)
    assert len(port.sent) > 1
    for _ in range(30):  # late answers come in the meantime, and are those of nobody
        port.sent = []
        spent(link, clock)
    assert len(port.sent) == 1
    port.lost = 1
    assert spent(link, clock) < 3 * 0.5


def test_a_line_that_never_falls_silent_ends_as_well(
    line: Callable[[float], tuple[Link, Line, Clock]],
) -> None:
    link, port, clock = line(0.001)

    def noise(timeout: float) -> bytes:
        clock.now += 0.001
        return b"\x55"

    port.read = noise  # type: ignore[method-assign]
    began = clock.now
    with pytest.raises(link_module.LinkError, match=r"no whole frame|damaged"):
        link.exchange(RequestType.STATS)
    assert clock.now - began < 20
