"""The port of a board: opening it, losing it, finding it; simulated boards play them."""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pytest
import serial
from serial.rfc2217 import PortManager
from serial.tools import list_ports
from typer.testing import CliRunner

import drivers
from drivers import DeviceNotFound, LinkError, Network, Probe, SettingError, Stimulus
from drivers.board import link as link_module
from drivers.board import ports as ports_module
from drivers.board.faults import FAULTS
from drivers.board.holders import PROCESSES, find_holder
from drivers.board.link import Link
from drivers.board.scanning import scan_ports
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from drivers.board.transport import SerialPort
from hil.cli.app import app
from support.board_terminal import terminal
from support.paths import ROOT

# -- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("board:", DeviceNotFound, "names no port"),
        ("board:/dev/no-such-port", DeviceNotFound, "there is no serial port /dev/no-such-port"),
        ("board:/dev/null", DeviceNotFound, "/dev/null cannot be opened at 115200 baud"),
        ("board:socket://127.0.0.1", DeviceNotFound, "socket://HOST:PORT"),
        ("board:nothing://x", DeviceNotFound, "'nothing://x' is no port of a board: give a serial"),
        ("board:hwgrep://.", DeviceNotFound, "'hwgrep://.' is no port of a board"),
        ("board:loop://", DeviceNotFound, "'loop://' is no port of a board"),
        ("board:spy://loop://?file=made", DeviceNotFound, "is no port of a board"),
        ("board:spy://loop://", DeviceNotFound, "'spy://loop://' is no port of a board"),
        ("board:ALT://loop://", DeviceNotFound, "'ALT://loop://' is no port of a board"),
        ("board:/", DeviceNotFound, "'/' is no port of a board"),
        ("board:/etc/passwd", DeviceNotFound, "'/etc/passwd' is no port of a board"),
        ("board:\0", DeviceNotFound, "is no port of a board"),
        ("board:simulated://here", DeviceNotFound, "'simulated://here' is no port of a board"),
        ("board:simulated://?sead=1", SettingError, "did you mean 'seed'"),
        ("board:/dev/no-such-port?seed=1", SettingError, "'seed' is unknown"),
        ("board:simulated://?seed=-1", SettingError, "seed = -1: give a whole number from 0"),
        ("board:simulated://?seed=4294967296", SettingError, "to 4294967295"),
        ("board:simulated://?baud=fast", SettingError, "baud = fast"),
        ("board:simulated://?pace=0", SettingError, "pace = 0"),
        ("board:simulated://?fault=drip:0.1", SettingError, "did you mean 'drop'"),
        ("board:simulated://?fault=drop:0.1&fault_seed=x", SettingError, "fault_seed = x"),
    ],
)
def test_bad_addresses(url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as caught:
        drivers.open(url)
    assert "\n" not in str(caught.value)
    answered = CliRunner().invoke(app, ["train", "digits", "--device", url])
    assert answered.exit_code == 2
    assert answered.stderr.count("\n") == 1 and words in answered.stderr


# -- its port ---------------------------------------------------------------------------------


def test_a_terminal_is_for_one_and_is_released() -> None:
    with terminal(SimulatedBoard(3)) as (path, _):
        for _ in range(2):
            with drivers.open(f"board:{path}?baud=921600") as device:
                assert device.info.identity.serial == "chip-3"
                device.configure(Network.feed_forward((20, 30)))
                device.write_weights(0, np.ones((20, 30)))
                with pytest.raises(DeviceNotFound, match="in use by another process"):
                    drivers.open(f"board:{path}")
                assert device.transfer_seconds > 0


def test_a_port_is_released_when_nothing_good_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "PATIENCE", 0.05)
    ours, theirs = os.openpty()
    try:
        path = os.ttyname(theirs)
        for _ in range(2):  # in use, if the first had kept it
            with pytest.raises(LinkError):
                Link(SerialPort(path, 115200), path, 115200, retries=0)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_pulled_cable_is_told_and_the_port_released() -> None:
    with terminal(SimulatedBoard(0)) as (path, _):
        device = drivers.open(f"board:{path}")
        device.configure(Network.feed_forward((4, 3)))
    with pytest.raises(LinkError, match=r"is gone .* check cable and power"):
        device.run(Stimulus.current(np.ones((1, 4)), steps=5))
    device.close()


class Listener:
    """A simulated board on a network port of this machine, for one host after another."""

    def __init__(self, board: SimulatedBoard) -> None:
        self.board = board
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self.server.getsockname()[1]}"
        self.line: socket.socket | None = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                self.line, _ = self.server.accept()
                while data := self.line.recv(65536):
                    self.line.sendall(self.board.feed(data))
            except OSError:
                if self.server.fileno() < 0:
                    return

    def pull(self) -> None:
        assert self.line is not None
        self.line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


def test_a_network_port_that_closes_is_told_and_can_be_opened_again() -> None:
    listener = Listener(SimulatedBoard(2))
    stimulus = Stimulus.current(np.ones((300, 40)), steps=5)
    with drivers.open(f"board:{listener.url}") as device:
        device.configure(Network.feed_forward((40, 30)))
        device.write_weights(0, np.full((40, 30), 0.1))
        expected = device.run(stimulus, [Probe(1)])
        listener.pull()
        with pytest.raises(LinkError, match="is gone"):
            device.run(stimulus)
    with drivers.open(f"board:{listener.url}") as device:
        device.configure(Network.feed_forward((40, 30)))
        device.write_weights(0, np.full((40, 30), 0.1))
        again = device.run(stimulus, [Probe(1)])
        np.testing.assert_array_equal(again.samples[Probe(1)], expected.samples[Probe(1)])
    listener.close()
    with pytest.raises(DeviceNotFound, match="nothing listens"):
        drivers.open(f"board:{listener.url}")


def test_a_serial_port_behind_a_network_port() -> None:
    """RFC 2217: the server is pySerial's own, the port behind it a simulated board."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = server.accept()

        class Connection:
            def write(self, data: bytes) -> None:
                line.sendall(data)

        manager = PortManager(serial.serial_for_url("loop://"), Connection())
        board = SimulatedBoard(4)
        while data := line.recv(4096):
            answer = board.feed(b"".join(manager.filter(data)))
            line.sendall(b"".join(manager.escape(answer)))

    threading.Thread(target=serve, daemon=True).start()
    url = f"board:rfc2217://127.0.0.1:{server.getsockname()[1]}?baud=57600"
    results = []
    for address in (url, "board:simulated://?seed=4"):
        with drivers.open(address) as device:
            device.configure(Network.feed_forward((12, 8), (1.0,)))
            device.write_weights(0, np.random.default_rng(0).normal(size=(12, 8)))
            results.append(device.run(Stimulus.current(np.ones((30, 12)), steps=20), [Probe(1)]))
    server.close()
    np.testing.assert_array_equal(results[0].samples[Probe(1)], results[1].samples[Probe(1)])


@pytest.mark.skipif(not PROCESSES.exists(), reason="this system shows no processes")
@pytest.mark.parametrize("is_locker_first", [True, False])
def test_who_locked_a_port_is_named_and_not_who_has_it_open(is_locker_first: bool) -> None:
    """As the board itself has its pseudo-terminal open."""
    (board, port), owners = os.openpty(), {}
    name = os.ttyname(port)
    with ExitStack() as stack:
        for locks in (is_locker_first, not is_locker_first):
            act = "fcntl.flock(port, fcntl.LOCK_EX); " if locks else ""
            code = "import fcntl, sys; "
            code += f"port = open({name!r}); {act}print(flush=True); sys.stdin.read()"
            command, pipe = [sys.executable, "-ISc", code], subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe)
            owners[locks] = stack.enter_context(process).pid
            assert process.stdout and process.stdout.read(1) == b"\n"
        said = find_holder(name)
    os.close(board)
    os.close(port)
    assert f"process {owners[True]} " in said


def test_a_bridge_of_rx_and_tx_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "PATIENCE", 0.05)
    with pytest.raises(LinkError, match="echoes"):
        Link(SerialPort("loop://", 115200), "loop://", 115200, retries=0)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied: join the group"),
        (errno.EPERM, "permission denied"),
        (errno.EBUSY, "in use by another process"),
        (errno.ENODEV, "there is no serial port"),
        (errno.EIO, "cannot be opened"),
    ],
)
def test_why_a_port_does_not_open(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise serial.SerialException(number, f"could not open port: {os.strerror(number)}")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(DeviceNotFound, match=words):
        drivers.open("board:/dev/ttyACM0")


# -- finding it -------------------------------------------------------------------------------


class Adapter:
    """What a system says that is plugged in."""

    def __init__(self, device: str, serial: str | None = None, maker: str = "FTDI") -> None:
        self.device, self.description = device, "n/a"
        self.manufacturer, self.product, self.serial_number = maker, "a cable", serial
        self.vid, self.pid = (0x0403, 0x6001) if serial else (None, None)


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda *there: monkeypatch.setattr(list_ports, "comports", lambda: list(there))


class Deaf:
    def __init__(self) -> None:
        self.sent = b""

    def read(self, timeout: float) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        pass


def test_a_scan_asks_boards_of_ours_and_those_named_alone(
    plug: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf, opened = Deaf(), list[tuple[str, int]]()

    def connect(address: str, baud: int) -> Deaf | SimulatedPort:
        opened.append((address, baud))
        if address == "/dev/a":
            raise DeviceNotFound(f"{address}: permission denied: join the group")
        return deaf if address == "/dev/c" else SimulatedPort(SimulatedBoard(6))

    monkeypatch.setattr(ports_module, "SerialPort", connect)
    monkeypatch.setattr(link_module, "PATIENCE", 0.1)
    ours = Adapter("/dev/b", "B7", "spikeloop")
    plug(Adapter("/dev/c", "C"), Adapter("/dev/a", "A"), ours, Adapter("/dev/d", "D"))
    ports = scan_ports(["usb:0403:6001:A", "C?baud=9600", "usb:0403:6001:gone"])
    assert sorted(opened) == [("/dev/a", 115200), ("/dev/b", 115200), ("/dev/c", 9600)]
    by_port = {port.port: port for port in ports}
    assert by_port["/dev/a"].answer.startswith("permission denied")
    assert by_port["/dev/b"].answer == "simulated board, firmware 2.2.0, chip 6"
    assert by_port["/dev/b"].target == "usb:0403:6001:B7"
    assert "nothing came back" in by_port["/dev/c"].answer and deaf.sent
    assert by_port["/dev/d"].answer.startswith("not asked")
    assert "is plugged in" in by_port["usb:0403:6001:gone"].answer


def test_a_terminal_that_is_nobodys_board_gets_no_byte(plug: Callable[..., None]) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    try:
        path = os.ttyname(theirs)
        plug(Adapter(path, "X1"))
        assert CliRunner().invoke(app, ["devices"]).exit_code == 0
        scanned = CliRunner().invoke(app, ["devices", "--scan"])
        assert scanned.exit_code == 0 and "not asked" in scanned.stdout
        assert CliRunner().invoke(app, ["lab", "scan"]).exit_code == 0
        assert CliRunner().invoke(app, ["lab", "list"]).exit_code == 0
        assert not select.select([ours], [], [], 0)[0]
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_board_is_found_by_its_identity_whatever_port_it_has(plug: Callable[..., None]) -> None:
    with terminal(SimulatedBoard(9)) as (one, _), terminal(SimulatedBoard(9)) as (two, _):
        for path in (one, two):
            plug(Adapter("/dev/other", "A0"), Adapter(path, "S9"), Adapter("/dev/ttyS0"))
            for target in ("usb:0403:6001:S9", "S9"):
                with drivers.open(f"board:{target}") as device:
                    assert device.info.identity.serial == "chip-9"
    plug(Adapter("/dev/x", "X"), Adapter("/dev/y", "Y"))
    with pytest.raises(DeviceNotFound, match="is /dev/x and /dev/y: name one"):
        drivers.open("board:usb:0403:6001")
    with pytest.raises(DeviceNotFound, match="no board usb:0403:6001:Z is plugged in"):
        drivers.open("board:usb:0403:6001:Z")


def test_devices_lists_what_is_plugged_in_and_scan_who_answers(plug: Callable[..., None]) -> None:
    with terminal(SimulatedBoard(9)) as (path, _):
        plug(Adapter(path, "S9", "spikeloop"))
        listed = CliRunner().invoke(app, ["devices"])
        *_, line = listed.stdout.splitlines()
        assert line == f"board:usb:0403:6001:S9\tspikeloop a cable S9 at {path}"
        scanned = CliRunner().invoke(app, ["devices", "--scan"])
        assert scanned.exit_code == 0
        header, line = scanned.stdout.splitlines()
        assert header == "port\tvendor\tproduct\tserial number\twho answers"
        answer = "simulated board, firmware 2.2.0, chip 9"
        assert line == f"board:usb:0403:6001:S9\tspikeloop\ta cable\tS9\t{answer}"
    plug()
    none = CliRunner().invoke(app, ["devices", "--scan"])
    assert none.exit_code == 0 and not none.stdout and "no serial ports" in none.stderr


def test_the_page_names_every_option_and_fault() -> None:
    page = ROOT.joinpath("docs", "boards.md").read_text(encoding="utf-8")

    def named(header: str) -> list[str]:
        table = page.partition(f"\n| {header} |")[2].partition("\n\n")[0]
        return re.findall(r"^\| `(\w+)` \|", table, flags=re.M)

    assert named("fault") == list(FAULTS)
    for option in named("option"):
        value = "drop:0" if option == "fault" else "100000"
        drivers.open(f"board:simulated://?{option}={value}").close()
    with pytest.raises(SettingError) as caught:
        drivers.open("board:simulated://?x=1")
    assert sorted(named("option")) == str(caught.value).rpartition("known: ")[2].split(", ")
