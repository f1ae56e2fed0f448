"""From what follows `board:` to a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping

from drivers.board.link.faults import Faulty, Places, parse
from drivers.board.link.link import Link
from drivers.board.link.pace import Paced
from drivers.board.link.transport import ALLOWED, SerialPort, Transport
from drivers.board.simulated.board import SimulatedBoard
from drivers.board.simulated.port import SimulatedPort
from drivers.errors import DeviceNotFound, SettingError
from drivers.refusals import nearest

BAUD = 115200
BAUDS = range(50, 100_000_001)
SEEDS = range(1 << 32)
SIMULATED = "simulated://"
NETWORK = ("socket", "rfc2217")  # schemes of ports that a network reaches


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
    known = ["baud", "pace", "fault", "fault_seed", *(["seed"] if simulated else [])]
    for option in options:
        if option not in known:
            raise SettingError(f"board option {option!r} is unknown: {nearest(option, known)}")
    baud = _whole(options, "baud", BAUD, BAUDS)
    pace = _whole(options, "pace", 0, BAUDS)
    fault_seed, seed = _whole(options, "fault_seed", 0, SEEDS), _whole(options, "seed", 1, SEEDS)
    places = parse(options["fault"], fault_seed) if "fault" in options else Places()
    port: Transport
    if simulated:
        port = simulated_port = SimulatedPort(SimulatedBoard(seed))
        reboot = simulated_port.reboot
    else:
        port = SerialPort(target, baud)
    try:
        line: Transport = Paced(port, pace) if pace else port
        if "fault" in options:
            line = Faulty(line, places, reboot)
        return Link(line, f"board:{target}", min(baud, pace or baud))
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


def _whole(options: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    if name not in options:
        return default
    text = options[name]
    if not (text.isascii() and text.isdigit() and int(text) in allowed):
        raise SettingError(
            f"board option {name} = {text}: give a whole number from {allowed[0]} to {allowed[-1]}"
        )
    return int(text)
