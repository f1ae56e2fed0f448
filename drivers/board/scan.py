"""Which serial ports there are, and at which a board answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drivers.board.link.link import Link
from drivers.board.link.transport import SerialPort, Transport
from drivers.errors import DeviceError

BAUD = 115200
TRIES = 2  # a board that the opening of its port restarts misses the first


@dataclass(frozen=True, slots=True)
class Port:
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


def scan(connect: Callable[[str, int], Transport] = SerialPort) -> list[Port]:
    """Say HELLO at every serial port, at 115200 baud, to all at once.

    Args:
        connect: Opens a port at a rate.

    Returns:
        All ports, by address.
    """
    from serial.tools.list_ports import comports

    found = sorted((port.device, port.description or "") for port in comports())
    if not found:
        return []
    with ThreadPoolExecutor(len(found)) as at_once:
        return list(at_once.map(lambda port: _asked(port[0], port[1], connect), found))


def _asked(address: str, description: str, connect: Callable[[str, int], Transport]) -> Port:
    try:
        link = Link(connect(address, BAUD), address, BAUD, retries=TRIES - 1)
    except DeviceError as error:
        return Port(address, description, str(error).removeprefix(f"{address}: "), False)
    board = link.board
    link.close()
    version = ".".join(map(str, board.firmware))
    answer = f"{board.name} board, firmware {version}, chip {board.chip}"
    return Port(address, description, answer, True)
