"""Ports of boards: opened by what follows `board:` in an address, and looked for here."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drivers.board.faults import FaultPlan, FaultyLine, parse_faults
from drivers.board.link import Link
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from drivers.board.transport import ALLOWED, PacedLine, SerialPort, Transport
from drivers.errors import DeviceError, DeviceNotFound, SettingError
from drivers.refusals import nearest

BAUD = 115200
BAUDS = range(50, 100_000_001)
SEEDS = range(1 << 32)
SIMULATED = "simulated://"
NETWORK = ("socket", "rfc2217")  # schemes of ports that a network reaches
SCAN_TRIES = 2  # a board that the opening of its port restarts misses the first


def open_link(
    target: str, options: Mapping[str, str], reboot: Callable[[], None] | None = None
) -> Link:
    """Open a port, with what the options put between it and the link, and say HELLO.

    Args:
        target: A port, or `simulated://`.
        options: `baud`, `pace`, `fault` and `fault_seed`; `seed` of the simulated board.
        reboot: Restarts the board, for the fault `reboot`; the simulated board brings its own.

    Raises:
        DeviceNotFound: When it is no port, or there is no such one, or it cannot be opened.
        SettingError: For an option that is unknown or out of range.
        LinkError: When nothing answers.
        ProtocolMismatch: When what answers is no board of this protocol.
    """
    if not target:
        raise DeviceNotFound("board: names no port: write board:PORT, see hil devices --scan")
    simulated = target == SIMULATED
    if not simulated:
        _check_port(target)
    allowed = ["baud", "pace", "fault", "fault_seed", *(["seed"] if simulated else [])]
    for option in options:
        if option not in allowed:
            raise SettingError(f"board option {option!r} is unknown: {nearest(option, allowed)}")
    baud = _parse_whole(options, "baud", BAUD, BAUDS)
    pace = _parse_whole(options, "pace", 0, BAUDS)
    fault_seed = _parse_whole(options, "fault_seed", 0, SEEDS)
    seed = _parse_whole(options, "seed", 1, SEEDS)
    plan = parse_faults(options["fault"], fault_seed) if "fault" in options else FaultPlan()
    port: Transport
    if simulated:
        port = simulated_port = SimulatedPort(SimulatedBoard(seed))
        reboot = simulated_port.reboot
    else:
        port = SerialPort(target, baud)
    try:
        line: Transport = PacedLine(port, pace) if pace else port
        if "fault" in options:
            line = FaultyLine(line, plan, reboot)
        link = Link(line, f"board:{target}", min(baud, pace or baud))
        link.take_lease()
        return link
    except BaseException:
        port.close()
        raise


def _check_port(target: str) -> None:
    """Refuse what pySerial opens and no board is at: by other schemes it loads and writes files."""
    scheme, is_url, _ = target.partition("://")
    allowed = not is_url or scheme.lower() in NETWORK
    if allowed and not is_url:
        try:
            allowed = stat.S_ISCHR(os.stat(target).st_mode)
        except OSError:  # not there, or not to be looked at: opening says so
            pass
        except ValueError:  # a NUL in it
            allowed = False
    if not allowed:
        raise DeviceNotFound(f"{target!r} is no port of a board: give {ALLOWED}")


def _parse_whole(options: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    if name not in options:
        return default
    text = options[name]
    if not (text.isascii() and text.isdigit() and int(text) in allowed):
        raise SettingError(
            f"board option {name} = {text}: give a whole number from {allowed[0]} to {allowed[-1]}"
        )
    return int(text)


@dataclass(frozen=True, slots=True)
class ScannedPort:
    """A serial port of this machine.

    Attributes:
        address: As `board:` takes it.
        description: What the system says that is plugged in there.
        answer: What the board there is, or why there is none.
        board: Whether one answered.
    """

    address: str
    description: str
    answer: str
    board: bool


def scan_ports(connect: Callable[[str, int], Transport] = SerialPort) -> list[ScannedPort]:
    """Say HELLO at every serial port, at 115200 baud, to all at once.

    Args:
        connect: Opens a port at a rate.

    Returns:
        All ports, by address.
    """
    from serial.tools.list_ports import comports

    ports = sorted((port.device, port.description or "") for port in comports())
    if not ports:
        return []
    with ThreadPoolExecutor(len(ports)) as threads:
        return list(threads.map(lambda port: _scan_port(port[0], port[1], connect), ports))


def _scan_port(
    address: str, description: str, connect: Callable[[str, int], Transport]
) -> ScannedPort:
    try:
        link = Link(connect(address, BAUD), address, BAUD, retries=SCAN_TRIES - 1)
    except DeviceError as error:
        reason = str(error).removeprefix(f"{address}: ")
        return ScannedPort(address, description, reason, False)
    board = link.board
    link.close()
    version = ".".join(map(str, board.firmware))
    answer = f"{board.name} board, firmware {version}, chip {board.chip}"
    if board.lease and board.lease.number:
        answer += f", in use by {board.lease.name}"
    return ScannedPort(address, description, answer, True)
