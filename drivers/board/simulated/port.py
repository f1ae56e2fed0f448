"""The simulated board behind a port: a board without hardware."""

from __future__ import annotations

from drivers.board.simulated.board import SimulatedBoard
from drivers.errors import LinkError


class SimulatedPort:
    """A transport to a simulated board in this process, which computes while it is read from."""

    def __init__(self, board: SimulatedBoard) -> None:
        """Connect to a board."""
        self._board: SimulatedBoard | None = board
        self._given, self._sent = bytearray(), bytearray()

    def read(self, timeout: float) -> bytes:
        """What the board answers to all it was given; nothing else will come."""
        self._work()
        found = bytes(self._sent)
        self._sent.clear()
        return found

    def write(self, data: bytes) -> None:
        """Give bytes to the board."""
        self._connected()
        self._given += data

    def reboot(self) -> None:
        """Restart the board; what it was given before, it has answered before."""
        self._work()
        self._connected().reboot()

    def close(self) -> None:
        """Disconnect from the board."""
        self._board = None

    def _work(self) -> None:
        self._sent += self._connected().feed(bytes(self._given))
        self._given.clear()

    def _connected(self) -> SimulatedBoard:
        if self._board is None:
            raise LinkError("the port to the simulated board is closed")
        return self._board
