"""Byte streams to and from a board: serial ports, ports that a network reaches, slower lines."""

from __future__ import annotations

import errno
import io
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from drivers.board.holders import find_group, find_holder
from drivers.errors import DeviceNotFound, LinkError

if TYPE_CHECKING:
    import serial

ALLOWED = "a serial port, socket://HOST:PORT, rfc2217://HOST:PORT or simulated://"
CHUNK = 65536
POLL = 0.002  # seconds between two looks at a port that cannot be waited for
# An unplugged adapter can accept nothing more, for ever.
WRITE_SECONDS = 30.0
BITS = 10  # of a byte on the line: start, eight, stop
PIECE = 0.005  # seconds of the line that are handed over at once
DENIED = (errno.EACCES, errno.EPERM)
IN_USE = (errno.EAGAIN, errno.EBUSY)
NO_PORT = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR, errno.EISDIR)


class Transport(Protocol):
    """An open stream of bytes, both ways."""

    def read(self, timeout: float) -> bytes:
        """Read whatever has come, waiting for the first byte up to `timeout` seconds.

        Returns:
            At least one byte, or none when nothing came. A transport that knows that nothing will
            come need not wait.

        Raises:
            LinkError: When the other end is gone.
        """

    def write(self, data: bytes) -> None:
        """Send all of it, and return when it is sent.

        Raises:
            LinkError: When the other end is gone.
        """

    def close(self) -> None:
        """Release the port. Closing twice is fine."""


class PortGone(LinkError):
    """The system says that a port is there no more."""


class SerialPort:
    """A port that pySerial opens, for this process alone."""

    def __init__(self, address: str, baud: int) -> None:
        """Open it.

        Args:
            address: A serial port, `socket://HOST:PORT` or `rfc2217://HOST:PORT`.
            baud: Its rate, where it has one.

        Raises:
            DeviceNotFound: When it cannot be opened.
        """
        import serial

        self._address = address
        # pySerial's RFC 2217 has no such timeout, and refuses it.
        bounded = not address.lower().startswith("rfc2217://")
        try:
            self._port: serial.SerialBase = serial.serial_for_url(
                address,
                baudrate=baud,
                timeout=0,
                write_timeout=WRITE_SECONDS if bounded else None,
                exclusive=True,
            )
        except (OSError, ValueError) as error:
            raise DeviceNotFound(_explain_failure(address, baud, error)) from None

    def read(self, timeout: float) -> bytes:
        """Read whatever has come; see `Transport.read`."""
        with self._report_loss():
            self._wait(timeout)
            return bytes(self._port.read(CHUNK))

    def write(self, data: bytes) -> None:
        """Send all of it; see `Transport.write`."""
        with self._report_loss():
            self._port.write(data)
            self._port.flush()

    def close(self) -> None:
        """Release the port."""
        self._port.close()

    def _wait(self, timeout: float) -> None:
        try:
            number = self._port.fileno()
        except io.UnsupportedOperation:
            until = time.monotonic() + timeout
            while not self._port.in_waiting and time.monotonic() < until:
                time.sleep(POLL)
        else:
            select.select([number], [], [], timeout)

    @contextmanager
    def _report_loss(self) -> Iterator[None]:
        import termios

        try:
            yield
        except (OSError, termios.error) as error:
            raise PortGone(
                f"{self._address} is gone ({error}): check cable and power of the board"
            ) from None


def error_number(error: BaseException | None) -> int | None:
    """Find the number that the system gave an error, or one that led to it."""
    while error is not None and getattr(error, "errno", None) is None:
        error = error.__context__
    return getattr(error, "errno", None)


def _explain_failure(address: str, baud: int, error: Exception) -> str:
    """Say why a port cannot be opened, and what to do about it."""
    number = error_number(error)
    if number in DENIED:
        group = find_group(address)
        return (
            f"{address}: permission denied: join the group that owns the port, "
            f"`sudo usermod -aG {group} $USER`, and log in again"
        )
    if number in IN_USE:
        holder = find_holder(address) or "another process"
        return f"{address} is in use by {holder}: stop that one, or name another port"
    if number in NO_PORT:
        return f"there is no serial port {address}: hil devices --scan lists those that are there"
    if number == errno.ECONNREFUSED:
        return f"nothing listens at {address}: start it, or name another address"
    return f"{address} cannot be opened at {baud} baud ({error}): give {ALLOWED}"


class PacedLine:
    """A transport that takes as long as a serial line would, each way on its own."""

    def __init__(self, inner: Transport, baud: int) -> None:
        """Slow `inner` down to `baud` bits per second."""
        self._inner = inner
        self._byte = BITS / baud
        self._piece = max(1, int(PIECE / self._byte))
        self._received = bytearray()
        self._read_free = self._write_free = 0.0

    def read(self, timeout: float) -> bytes:
        """Read what the line has carried meanwhile; see `Transport.read`."""
        if not self._received:
            self._received += self._inner.read(timeout)
        piece = bytes(self._received[: self._piece])
        del self._received[: self._piece]
        self._read_free = self._wait_until_carried(piece, self._read_free)
        return piece

    def write(self, data: bytes) -> None:
        """Send all of it; see `Transport.write`."""
        self._write_free = self._wait_until_carried(data, self._write_free)
        self._inner.write(data)

    def close(self) -> None:
        """Release the port."""
        self._inner.close()

    def _wait_until_carried(self, data: bytes, free: float) -> float:
        """Wait until a line that is free from a certain time on has carried some bytes."""
        until = max(free, time.monotonic()) + len(data) * self._byte
        time.sleep(max(0.0, until - time.monotonic()))
        return until
