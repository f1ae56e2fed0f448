"""What is wrong with a board: each planted fault is named, and a good line is measured."""

from __future__ import annotations

import errno
import random
import re
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import serial
from typer.testing import CliRunner

import drivers
from drivers.board import doctor, link
from drivers.board.doctor import examine
from drivers.board.frames import Frame
from drivers.board.hello import LeaseRecord
from drivers.board.simulated_board import SimulatedBoard
from hil.cli.app import app
from support.board_terminal import terminal
from support.plain_board import HELLO, answer, stuffed

Change = Callable[[bytes], bytes]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.06)
    monkeypatch.setattr(doctor, "PATIENCE", 0.06)
    monkeypatch.setattr(doctor, "LISTENING", 0.01)
    monkeypatch.setattr(doctor, "LATE", 0.012)
    monkeypatch.setattr(doctor, "SHORT", 20)
    monkeypatch.setattr(doctor, "LONG", 6)
    monkeypatch.setattr(doctor, "UNEVEN", 0.15)


class Planted:
    """A simulated board with something before its ears, and something before its mouth."""

    def __init__(self, hear: Change = bytes, say: Change = bytes, board: object = None) -> None:
        self.hear, self.say, self.board = hear, say, board or SimulatedBoard(5)

    def feed(self, data: bytes) -> bytes:
        return self.say(self.board.feed(self.hear(data)))  # type: ignore[attr-defined]


class Played:
    """A board that is a function from what was sent to what comes back."""

    def __init__(self, play: Change) -> None:
        self.feed = play


def sometimes(change: Change, share: float = 0.3) -> Change:
    rng = random.Random(1)
    return lambda data: change(data) if data and rng.random() < share else data


def flip(data: bytes) -> bytes:
    """Another bit in the middle; zeros, which end frames, stay."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x40 or 0x41]) + data[middle + 1 :]


def wait(seconds: float) -> Change:
    def late(data: bytes) -> bytes:
        time.sleep(seconds if data else 0)
        return data

    return late


def once_at(number: int, act: Callable[[], None]) -> Change:
    calls = iter(range(1000))

    def change(data: bytes) -> bytes:
        if next(calls) == number:
            act()
        return data

    return change


def unplug() -> None:
    raise OSError


def restarting() -> Planted:
    board = SimulatedBoard(5)
    return Planted(hear=once_at(14, board.reboot), board=board)


def lie(data: bytes) -> bytes:
    """Another payload of an echo, in a frame that is whole."""
    if not data or (frame := Frame.decode(data.strip(b"\0"))).type != 0x83:
        return data
    return replace(frame, payload=frame.payload[::-1] + b"!").encode()


def speak(version: int) -> Played:
    return Played(lambda sent: answer(sent, HELLO, version=version))


PLANTS: dict[str, tuple[str, object]] = {
    "silent": ("silent", Played(lambda sent: b"")),
    "bridged": ("echo", Played(bytes)),
    "console": ("another program", Played(lambda sent: b"\r\nlogin: \r\nPassword:")),
    "garbage": ("garbled", Played(lambda sent: bytes(range(1, 256)))),
    "older": ("older firmware", speak(1)),
    "newer": ("newer firmware", speak(3)),
    "terse": ("incomplete HELLO", Played(lambda sent: answer(sent, HELLO))),
    "refusing": ("refuses", Played(lambda sent: answer(sent, status=0x20))),
    "stale": ("stale answers", Played(lambda sent: answer(sent, HELLO, turn=3))),
    "deaf": ("requests damaged", Played(lambda sent: stuffed(bytes([2, 0, 0xFF, 0x11])))),
    "stm32": ("loader waiting", Played(lambda sent: b"\x1f" * len(sent))),
    "7 bits": ("seven bits", Planted(say=lambda data: bytes(byte & 0x7F for byte in data))),
    "cr lf": ("newlines", Planted(say=lambda data: data.replace(b"\n", b"\r\n"))),
    "xon": ("flow control", Planted(say=lambda data: re.sub(b"[\x11\x13]", b"", data))),
    "drops": ("loses frames", Planted(say=sometimes(lambda data: b""))),
    "rx noise": ("requests damaged", Planted(hear=sometimes(flip))),
    "tx noise": ("answers damaged", Planted(say=sometimes(flip))),
    "overrun": ("loses long frames", Planted(hear=lambda data: data[:200])),
    "hub": ("late", Planted(say=wait(0.024))),
    "stalls": ("uneven", Planted(say=once_at(14, lambda: time.sleep(0.25)))),
    "brown-out": ("restarts", restarting()),
    "loose cable": ("unplugged", Planted(say=once_at(14, unplug))),
    "bad memory": ("wrong answers", Planted(say=lie)),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault, board = PLANTS[name]
    monkeypatch.setattr(doctor, "RATES", (115200,))
    if name == "stalls":
        monkeypatch.setattr(link, "PATIENCE", 1.0)
    with terminal(board) as (path, _):  # type: ignore[arg-type]
        found = examine(path, {})
    assert (found.fault, bool(found.line)) == (fault, True), found


def test_a_board_of_another_host_is_held() -> None:
    board = SimulatedBoard(5)
    with terminal(board) as (path, _):
        theirs = drivers.open(f"board:{path}")  # its host lets go of the port, not of the board
        theirs._link._transport.close()  # type: ignore[attr-defined]
        number = board._lease.number

        def use() -> None:
            board._lease = LeaseRecord(number, 7, board._lease.used + 1, "ada@bench, process 9")

        board.feed = _after(use, board.feed)  # type: ignore[method-assign]
        found = examine(path, {})
    assert found.fault == "held" and "ada@bench" in found.line


def _after(act: Callable[[], None], feed: Change) -> Change:
    def change(data: bytes) -> bytes:
        act()
        return feed(data)

    return change


def test_another_rate_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    board, ours = SimulatedBoard(5), list[int]()

    def feed(data: bytes) -> bytes:
        answer = board.feed(data)
        is_right = termios.tcgetattr(ours[0])[4] == termios.B57600
        return answer if is_right else bytes(byte ^ 0x5A for byte in answer)

    with terminal(Played(feed)) as (path, theirs):
        ours.append(theirs)
        found = examine(path, {"baud": "9600"})
        assert found.fault == "wrong rate" and found.address == f"board:{path}?baud=57600"
        assert found.address in found.line
        assert examine(path, {"baud": "57600"}).fault == ""


def test_noise_that_comes_by_itself_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "RATES", ())
    monkeypatch.setattr(doctor, "LISTENING", 0.05)
    with terminal(Played(lambda sent: b""), unasked=b"\xf3\x81") as (path, _):
        time.sleep(0.05)
        assert examine(path, {}).fault == "noise"


def test_a_port_that_does_not_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert examine("/dev/no-such", {}, tmp_path).fault == "no port"
    loader = tmp_path / "1-2"
    loader.mkdir()
    (loader / "idVendor").write_text("2e8a\n")
    (loader / "idProduct").write_text("0003\n")
    found = examine("/dev/no-such", {}, tmp_path)
    assert found.fault == "loader waiting" and "RP2040" in found.line

    def refuse(*arguments: object, **settings: object) -> None:
        raise serial.SerialException(errno.EACCES, "no")

    with terminal(SimulatedBoard()) as (path, _):
        monkeypatch.setattr(serial, "serial_for_url", refuse)
        found = examine(path, {})
        group = Path(path).group()
    assert found.fault == "permission" and f"-aG {group} " in found.line


def test_a_port_that_another_process_has() -> None:
    hold = "import sys, serial; p = serial.Serial(sys.argv[1], exclusive=True); print(); input()"
    with terminal(SimulatedBoard()) as (path, _):
        command = [sys.executable, "-c", hold, path]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, **pipes) as other:  # type: ignore[call-overload]
            other.stdout.readline()
            found = examine(path, {})
            other.communicate(b"\n")
    assert found.fault == "held" and f"process {other.pid} " in found.line


def test_a_good_line_is_measured_and_its_board_left_as_it_was() -> None:
    with terminal(board := SimulatedBoard(5)) as (path, _):
        with drivers.open(f"board:{path}") as device:
            device.configure(drivers.Network.feed_forward((4, 3)))
        before = board._network  # type: ignore[attr-defined]
        result = CliRunner().invoke(app, ["board", "doctor", f"board:{path}"])
        given_back = time.monotonic() + 10
        while board._lease.number and time.monotonic() < given_back:  # type: ignore[attr-defined]
            time.sleep(0.01)
    assert result.exit_code == 0, result.stdout
    assert board._network is before and board._lease.number == 0  # type: ignore[attr-defined]
    names = [line.partition("\t")[0] for line in result.stdout.splitlines()]
    assert names[1:-1] == ["board", "round trip", "losses", "goodput"]
    assert f"use board:{path}" in result.stdout


def test_the_doctor_is_for_boards() -> None:
    result = CliRunner().invoke(app, ["board", "doctor", "emulator:mixed-signal"])
    assert result.exit_code == 2 and "hil check" in result.stderr
    with terminal(Played(bytes)) as (path, _):
        told = CliRunner().invoke(app, ["board", "doctor", f"board:{path}"])
    assert told.exit_code == 1 and told.stdout.startswith("echo: ")


def test_flow_control_is_named_whatever_the_numbers_of_the_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link.os, "urandom", lambda n: b"\x11" * n)
    test_a_planted_fault_is_named("xon", monkeypatch)
