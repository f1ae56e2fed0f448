"""Search for boards: ports by their USB identity, and who answers at those that may be asked.

A byte that is written to somebody's instrument may start it. So no port is opened unless its USB
device says that it is a board of this project, or the user names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import parse_qsl

from drivers.board.link import Link
from drivers.board.ports import SIMULATED, find_port, list_ports, open_line, usb_identity
from drivers.errors import DeviceError

OURS = "spikeloop"  # is in what the USB device of our firmware says about itself
TRIES = 2  # a board that the opening of its port restarts misses the first


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
        owner: Who has the board, by its lease; empty for nobody.
    """

    port: str
    target: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    answer: str = ""
    owner: str = ""


def list_usb_ports() -> list[ScannedPort]:
    """List the serial ports that are USB devices; none is opened."""
    return [each for each in _list_ports() if each.target.startswith("usb:")]


def scan_ports(named: Iterable[str] = ()) -> list[ScannedPort]:
    """List the ports, and say HELLO where a board of ours or a named one is, to all at once.

    Args:
        named: What follows `board:` in the addresses of those that the user allows to ask.

    Returns:
        All ports of this machine, then those named that are no such.
    """
    allowed = scan_named(named)
    asked = {port.port for port in allowed}
    others = [port for port in _list_ports() if port.port not in asked]
    ours = [port for port in others if OURS in f"{port.vendor} {port.product}".lower()]
    answers = {port.port: port for port in scan_named(port.target for port in ours)}
    refusal = "not asked: name it in the lab file to allow it"
    others = [answers.get(port.port, replace(port, answer=refusal)) for port in others]
    return sorted([*allowed, *others], key=lambda port: port.port)


def scan_named(named: Iterable[str]) -> list[ScannedPort]:
    """Say HELLO where the user allows it, to all at once; arguments as of `scan_ports`."""
    targets, listed = list(named), {port.port: port for port in _list_ports()}
    with ThreadPoolExecutor(max(1, len(targets))) as threads:
        return list(threads.map(partial(_greet, listed), targets))


def _greet(listed: Mapping[str, ScannedPort], target: str) -> ScannedPort:
    name, _, options = target.partition("?")
    port = name
    try:
        port = name if name == SIMULATED else find_port(name)
        line, rate = open_line(port, dict(parse_qsl(options)))
        link = Link(line, port, rate, retries=TRIES - 1)
    except DeviceError as error:
        answer, owner = str(error).removeprefix(f"{port}: "), ""
    else:
        board = link.board
        link.close()
        version = ".".join(map(str, board.firmware))
        answer = f"{board.name} board, firmware {version}, chip {board.chip}"
        owner = board.lease.name if board.lease and board.lease.number else ""
        answer += f", in use by {owner}" if owner else ""
    there = listed.get(port, ScannedPort(port, target))
    return replace(there, target=target, answer=answer, owner=owner)


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
