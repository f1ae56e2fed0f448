"""Faults and pace: each does what it says, where it says, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers import LinkError, SettingError
from drivers.board import faults as faults_module
from drivers.board import transport as transport_module
from drivers.board.faults import FAULTS, Fault, FaultPlan, FaultyLine, parse_faults
from drivers.board.transport import PacedLine

SENT = [bytes([n, n, n, n]) + b"\0" for n in range(1, 21)]


class Loop:
    """A line that brings back what is sent."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.coming = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.arrived.append(data)
        self.coming += data

    def read(self, timeout: float) -> bytes:
        found, self.coming = self.coming, b""
        return found

    def close(self) -> None:
        self.closed = True


def sent(text: str, seed: int = 0, frames: list[bytes] = SENT) -> list[bytes]:
    """What arrives of frames sent over a line with faults."""
    loop = Loop()
    line = FaultyLine(loop, parse_faults(text, seed), reboot=lambda: None)
    for frame in frames:
        line.write(frame)
    return loop.arrived


def received(text: str, seed: int = 0) -> bytes:
    """What is read of frames that come over a line with faults."""
    loop = Loop()
    line = FaultyLine(loop, parse_faults(text, seed), reboot=lambda: None)
    loop.coming = b"".join(SENT)
    found = b""
    while piece := line.read(0.0):
        found += piece
    return found


# -- each fault -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [1, 7, 20])
def test_what_is_dropped_is_lost(place: int) -> None:
    expected = SENT[: place - 1] + SENT[place:]
    assert sent(f"drop@{place}") == expected
    assert received(f"drop@{place}") == b"".join(expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_flip_is_one_bit(seed: int) -> None:
    arrived = sent("flip@5", seed)
    assert arrived[:4] + arrived[5:] == SENT[:4] + SENT[5:]
    different = int.from_bytes(arrived[4], "big") ^ int.from_bytes(SENT[4], "big")
    assert different.bit_count() == 1


def test_flips_of_other_seeds_are_elsewhere() -> None:
    assert len({tuple(sent("flip@5", seed)) for seed in range(20)}) > 5


def test_a_duplicate_comes_at_once() -> None:
    assert b"".join(sent("duplicate@3")) == b"".join([*SENT[:3], *SENT[2:]])


def test_a_frame_out_of_order_comes_after_the_next() -> None:
    expected = b"".join([SENT[0], SENT[2], SENT[1], *SENT[3:]])
    assert b"".join(sent("reorder@2")) == received("reorder@2") == expected


def test_a_stall_holds_half_back_until_the_next() -> None:
    arrived = sent("stall@2")
    assert arrived[1] == SENT[1][:2] and arrived[2] == SENT[1][2:] + SENT[2]
    assert b"".join(arrived) == b"".join(SENT)


def test_a_stall_of_the_last_frame_never_ends() -> None:
    assert received("stall@20") == b"".join(SENT)[:-3]


def test_a_delay_only_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(faults_module.time, "sleep", slept.append)
    assert sent("delay@2,delay@4") == SENT
    assert len(slept) == 2 and min(slept) > 0


def test_a_reboot_comes_before_its_frame() -> None:
    loop = Loop()
    line = FaultyLine(
        loop, parse_faults("reboot@3", 0), reboot=lambda: loop.arrived.append(b"reboot")
    )
    for frame in SENT[:4]:
        line.write(frame)
    assert loop.arrived == [*SENT[:2], b"reboot", *SENT[2:4]]


def test_a_pulled_cable_stays_pulled_and_the_port_is_released() -> None:
    loop = Loop()
    line = FaultyLine(loop, parse_faults("disconnect@2", 0))
    line.write(SENT[0])
    for act in (lambda: line.write(SENT[1]), lambda: line.write(SENT[2]), lambda: line.read(0.0)):
        with pytest.raises(LinkError, match="plug it in"):
            act()
    assert loop.arrived == SENT[:1] and loop.closed


def test_frames_are_counted_both_ways() -> None:
    loop = Loop()
    line = FaultyLine(loop, parse_faults("drop@4", 0))
    found = b""
    for frame in SENT[:3]:
        line.write(frame)
        found += line.read(0.0)
    assert loop.arrived == SENT[:3]  # frames 1, 3, 5
    assert found == SENT[0] + SENT[2]  # of frames 2, 4, 6


# -- places -----------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.sampled_from(["drop", "duplicate"]), st.floats(0.02, 0.5), st.integers(0, 2**32 - 1))
def test_a_rate_is_kept(fault: Fault, rate: float, seed: int) -> None:
    frames = [b"\1\0"] * 4000
    arrived = Counter(sent(f"{fault}:{rate}", seed, frames))
    struck = 4000 - arrived[b"\1\0"]
    deviation = (4000 * rate * (1 - rate)) ** 0.5
    assert abs(struck - 4000 * rate) < 5 * deviation


@given(seed=st.integers(0, 2**32 - 1))
def test_a_seed_is_a_place_whatever_else_strikes(seed: int) -> None:
    def dropped(text: str) -> set[bytes]:
        return set(SENT) - set(sent(text, seed))

    assert dropped("drop:0.3") == dropped("drop:0.3,duplicate:0.0,reboot:0.5,delay:0")
    assert dropped("drop:0.3") <= dropped("drop:0.6")


def test_other_seeds_are_other_places() -> None:
    assert len({tuple(sent("drop:0.3", seed)) for seed in range(20)}) > 15


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("drp:0.1", "did you mean 'drop'"),
        ("", "known: delay"),
        ("drop", "RATE"),
        ("drop:", "RATE"),
        ("drop:1.5", "0 to 1"),
        ("drop:-0.1", "0 to 1"),
        ("drop:nan", "0 to 1"),
        ("drop:0.1,drop:0.2", "once"),
        ("drop@0", "N-th frame"),
        ("drop@x", "N-th frame"),
        ("drop@-1", "N-th frame"),
        ("drop:0.1,", "known"),
    ],
)
def test_bad_faults_are_refused(text: str, words: str) -> None:
    with pytest.raises(SettingError, match=words) as caught:
        parse_faults(text, 0)
    assert "\n" not in str(caught.value)


@given(st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(1, 10**6)), min_size=1))
def test_what_is_written_is_what_is_meant(chosen: list[tuple[Fault, int]]) -> None:
    text = ",".join(f"{fault}@{place}" for fault, place in chosen)
    assert parse_faults(text, 3) == FaultPlan(chosen=frozenset(chosen), seed=3)


def test_a_reboot_needs_something_that_can() -> None:
    with pytest.raises(SettingError, match="restart"):
        FaultyLine(Loop(), parse_faults("reboot:0.1", 0))


def test_faults_by_address() -> None:
    with drivers.open("board:simulated://?fault=drop:0.1,flip:0.1&fault_seed=4") as device:
        assert device.info.identity.name == "board:simulated"
    with pytest.raises(LinkError, match="cable"):
        drivers.open("board:simulated://?fault=disconnect@1")


# -- pace -------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(transport_module, "time", made)
    return made


@pytest.mark.parametrize("baud", [300, 9600, 115200, 921600])
def test_a_byte_takes_ten_bits(clock: Clock, baud: int) -> None:
    loop = Loop()
    line = PacedLine(loop, baud)
    line.write(bytes(1000))
    assert clock.now - 100 == pytest.approx(10_000 / baud)
    found, pieces = b"", 0
    while piece := line.read(1.0):
        found, pieces = found + piece, pieces + 1
    assert found == bytes(1000)
    assert clock.now - 100 == pytest.approx(20_000 / baud)
    assert pieces > 1


def test_a_line_that_rested_saves_nothing_up(clock: Clock) -> None:
    line = PacedLine(Loop(), 9600)
    line.write(bytes(96))
    clock.now += 50
    began = clock.now
    line.write(bytes(96))
    assert clock.now - began == pytest.approx(0.1)


def test_nothing_comes_of_nothing(clock: Clock) -> None:
    assert PacedLine(Loop(), 9600).read(1.0) == b""
