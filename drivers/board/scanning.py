"""Which boards are there: ports by their USB identity, and who answers at those that may be asked.

A byte that is written to somebody's instrument may start it. So no port is opened unless its USB
device says that it is a board of this project, or the user names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from drivers.board.link import Link
from drivers.board.ports import BAUD, find_port, list_ports, usb_identity
from drivers.board.transport import SerialPort, Transport
from drivers.errors import DeviceError

OURS = "spikeloop"  # is in what the USB device of our firmware says about itself
TRIES = 2  # a board that the opening of its port restarts misses the first
Connect = Callable[[str, int], Transport]


@dataclass(frozen=True, slots=True)
class ScannedPort:
    """A serial port of this machine, or a port that a user named.

    Attributes:
        port: Its name.
        target: As `board:` takes it: by its USB identity where it has a serial number.
        vendor: Of its USB device; empty where that says nothing.
        product: Likewise.
        serial: Likewise.
        answer: What the board there is, or why there is none.
        board: Whether one answered.
        owner: Who has the board, by its lease; empty for nobody.
    """

    port: str
    target: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    answer: str = ""
    board: bool = False
    owner: str = ""


def list_usb_ports() -> list[ScannedPort]:
    """List the serial ports that are USB devices; none is opened."""
    return [each for each in _list_ports() if each.target.startswith("usb:")]


def scan_ports(named: Iterable[str] = (), connect: Connect = SerialPort) -> list[ScannedPort]:
    """List the ports, and say HELLO where a board of ours or a named one is, to all at once.

    Args:
        named: What follows `board:` in the addresses of those that the user allows to ask.
        connect: Opens a port at a rate.

    Returns:
        All ports of this machine, then those named that are no such.
    """
    allowed = scan_named(named, connect)
    asked = {port.port for port in allowed}
    others = [port for port in _list_ports() if port.port not in asked]
    if not others:
        return allowed
    refusal = "not asked: name it in the lab file to allow it"

    def ask(port: ScannedPort) -> ScannedPort:
        is_ours = OURS in f"{port.vendor} {port.product}".lower()
        return _greet(port, BAUD, connect) if is_ours else replace(port, answer=refusal)

    with ThreadPoolExecutor(len(others)) as threads:
        return sorted([*allowed, *threads.map(ask, others)], key=lambda port: port.port)


def scan_named(named: Iterable[str], connect: Connect = SerialPort) -> list[ScannedPort]:
    """Say HELLO where the user allows it, to all at once; arguments as of `scan_ports`."""
    targets = list(named)
    listed = {port.port: port for port in _list_ports()}

    def ask(target: str) -> ScannedPort:
        name, _, options = target.partition("?")
        baud = dict(each.partition("=")[::2] for each in options.split("&")).get("baud", "")
        try:
            port = find_port(name)
        except DeviceError as error:
            return ScannedPort(name, target, answer=str(error))
        known = listed.get(port, ScannedPort(port, target))
        rate = int(baud) if baud.isdecimal() else BAUD
        return _greet(replace(known, target=target), rate, connect)

    with ThreadPoolExecutor(max(1, len(targets))) as threads:
        return list(threads.map(ask, targets))


def _list_ports() -> list[ScannedPort]:
    return [
        ScannedPort(
            port.device,
            f"usb:{usb_identity(port)}" if port.serial_number else port.device,
            port.manufacturer or "",
            port.product or port.description or "",
            port.serial_number or "",
        )
        for port in list_ports()
    ]


def _greet(port: ScannedPort, baud: int, connect: Connect) -> ScannedPort:
    try:
        link = Link(connect(port.port, baud), port.port, baud, retries=TRIES - 1)
    except DeviceError as error:
        return replace(port, answer=str(error).removeprefix(f"{port.port}: "))
    board = link.board
    link.close()
    version = ".".join(map(str, board.firmware))
    answer = f"{board.name} board, firmware {version}, chip {board.chip}"
    owner = board.lease.name if board.lease and board.lease.number else ""
    answer += f", in use by {owner}" if owner else ""
    return replace(port, answer=answer, board=True, owner=owner)
