"""Ports of boards: opened by what follows `board:` in an address."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from drivers.board.faults import FaultPlan, FaultyLine, parse_faults
from drivers.board.link import Link
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from drivers.board.transport import ALLOWED, PacedLine, SerialPort, Transport
from drivers.errors import DeviceNotFound, SettingError, nearest, parse_number

if TYPE_CHECKING:
    from serial.tools.list_ports_common import ListPortInfo

BAUD = 115200
BAUDS, SEEDS = (50, 100_000_000), (0, (1 << 32) - 1)
SIMULATED = "simulated://"
NETWORK = ("socket", "rfc2217")  # schemes of ports that a network reaches


def open_link(target: str, options: Mapping[str, str]) -> Link:
    """Open a port, with what the options put between it and the link, and say HELLO.

    Arguments and errors as of `open_line`, and:

    Raises:
        LinkError: When nothing answers.
        ProtocolMismatch: When what answers is no board of this protocol.
    """
    line, rate = open_line(target, options)
    try:
        link = Link(line, f"board:{target}", rate)
        link.take_lease()
        return link
    except BaseException:
        line.close()
        raise


def open_line(target: str, options: Mapping[str, str]) -> tuple[Transport, int]:
    """Open a port, with what the options put before it.

    Args:
        target: A port, or `simulated://`.
        options: `baud`, `pace`, `fault` and `fault_seed`; `seed` of the simulated board.

    Returns:
        The line, and its rate.

    Raises:
        DeviceNotFound: When it is no port, or there is no such one, or it cannot be opened.
        SettingError: For an option that is unknown or out of range.
    """
    if not target:
        raise DeviceNotFound("board: names no port: write board:PORT, see hil devices --scan")
    simulated = target == SIMULATED
    port_name = target if simulated else find_port(target)
    allowed = ["baud", "pace", "fault", "fault_seed", *(["seed"] if simulated else [])]
    for option in options:
        if option not in allowed:
            raise SettingError(f"board option {option!r} is unknown: {nearest(option, allowed)}")
    baud = parse_number(options, "baud", BAUD, BAUDS, int)
    pace = parse_number(options, "pace", 0, BAUDS, int)
    fault_seed = parse_number(options, "fault_seed", 0, SEEDS, int)
    seed = parse_number(options, "seed", 1, SEEDS, int)
    plan = parse_faults(options["fault"], fault_seed) if "fault" in options else FaultPlan()
    line: Transport
    reboot: Callable[[], None] | None = None  # what a fault may do to the board
    if simulated:
        line = simulated_port = SimulatedPort(SimulatedBoard(seed))
        reboot = simulated_port.reboot
    else:
        line = SerialPort(port_name, baud)
    line = PacedLine(line, pace) if pace else line
    return FaultyLine(line, plan, reboot) if "fault" in options else line, min(baud, pace or baud)


def find_port(target: str) -> str:
    """Find the port that a board has now: that of the USB identity, or the serial number, named.

    Raises:
        DeviceNotFound: When it is no port, or none or several boards are of that identity.
    """
    if not (os.path.exists(target) or "://" in target or "\0" in target):
        is_usb, named = target.startswith("usb:"), target.removeprefix("usb:").split(":", 2)
        ports = [
            port.device
            for port in list_ports()
            if (is_usb and usb_identity(port).split(":", 2)[: len(named)] == _upper(named))
            or (port.serial_number and port.serial_number == target)
        ]
        if len(ports) > 1:
            raise DeviceNotFound(f"{target} is {' and '.join(ports)}: name one of them")
        if is_usb and not ports:
            raise DeviceNotFound(
                f"no board {target} is plugged in: hil devices lists those that are, give "
                "usb:VID:PID:SERIAL"
            )
        target = ports[0] if ports else target
    _check_port(target)
    return target


def _upper(named: Sequence[str]) -> list[str]:
    return [each.upper() for each in named[:2]] + list(named[2:])


def list_ports() -> list[ListPortInfo]:
    """List the serial ports of this machine, by name; none is opened."""
    from serial.tools.list_ports import comports

    return sorted(comports(), key=lambda port: str(port.device))


def usb_identity(port: ListPortInfo) -> str:
    """Write vendor, product and serial number as in `usb:VID:PID:SERIAL`; empty for no USB."""
    if port.vid is None:
        return ""
    serial = f":{port.serial_number}" if port.serial_number else ""
    return f"{port.vid:04X}:{port.pid:04X}{serial}"


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
