"""A faster line slowed down to a certain rate."""

from __future__ import annotations

import time

from drivers.board.link.transport import Transport

BITS = 10  # of a byte on the line: start, eight, stop
PIECE = 0.005  # seconds of the line that are handed over at once


class Paced:
    """A transport that takes as long as a serial line would, each way on its own."""

    def __init__(self, inner: Transport, baud: int) -> None:
        """Slow `inner` down to `baud` bits per second."""
        self._inner = inner
        self._byte = BITS / baud
        self._piece = max(1, int(PIECE / self._byte))
        self._came = bytearray()
        self._read_free = self._write_free = 0.0

    def read(self, timeout: float) -> bytes:
        """What the line has carried meanwhile; see `Transport.read`."""
        if not self._came:
            self._came += self._inner.read(timeout)
        piece = bytes(self._came[: self._piece])
        del self._came[: self._piece]
        self._read_free = self._carried(piece, self._read_free)
        return piece

    def write(self, data: bytes) -> None:
        """Send all of it; see `Transport.write`."""
        self._write_free = self._carried(data, self._write_free)
        self._inner.write(data)

    def close(self) -> None:
        """Release the port."""
        self._inner.close()

    def _carried(self, data: bytes, free: float) -> float:
        """Wait until a line that is free from a certain time on has carried some bytes."""
        until = max(free, time.monotonic()) + len(data) * self._byte
        time.sleep(max(0.0, until - time.monotonic()))
        return until
