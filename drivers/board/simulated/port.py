"""The twin of a board behind a port: a board without hardware."""

from __future__ import annotations

from drivers.board.simulated.board import Twin
from drivers.contract.errors import LinkError


class TwinPort:
    """A transport to a twin in this process, which works while it is read from."""

    def __init__(self, twin: Twin) -> None:
        """Plug in."""
        self._twin: Twin | None = twin
        self._given, self._sent = bytearray(), bytearray()

    def read(self, timeout: float) -> bytes:
        """What the twin answers to all it was given; nothing else will come."""
        self._work()
        found = bytes(self._sent)
        self._sent.clear()
        return found

    def write(self, data: bytes) -> None:
        """Give bytes to the twin."""
        self._plugged()
        self._given += data

    def reboot(self) -> None:
        """Restart the twin; what it was given before, it has answered before."""
        self._work()
        self._plugged().reboot()

    def close(self) -> None:
        """Unplug."""
        self._twin = None

    def _work(self) -> None:
        self._sent += self._plugged().feed(bytes(self._given))
        self._given.clear()

    def _plugged(self) -> Twin:
        if self._twin is None:
            raise LinkError("the port to the twin is closed")
        return self._twin
