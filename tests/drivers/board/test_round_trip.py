"""Timeouts from measured round trips: RFC 6298 by another hand, and a link on a line that loses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.board import link as link_module
from drivers.board.frames import RequestType
from drivers.board.link import FIRST, FLOOR, LATENCY, Link, RoundTrip
from support.played_board import Clock, Fake, answer, greeting

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
