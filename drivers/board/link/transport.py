"""Byte streams to and from a board: serial ports, and ports that a network reaches."""

from __future__ import annotations

import errno
import io
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from drivers.errors import DeviceNotFound, LinkError

if TYPE_CHECKING:
    import serial

ALLOWED = "a serial port, socket://HOST:PORT, rfc2217://HOST:PORT or simulated://"
CHUNK = 65536
POLL = 0.002  # seconds between two looks at a port that cannot be waited for
# An unplugged adapter can accept nothing more, for ever.
WRITE_SECONDS = 30.0
DENIED = (errno.EACCES, errno.EPERM)
TAKEN = (errno.EAGAIN, errno.EBUSY)
NO_PORT = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR, errno.EISDIR)


class Transport(Protocol):
    """An open stream of bytes, both ways."""

    def read(self, timeout: float) -> bytes:
        """Whatever has come, waiting for the first byte of it up to `timeout` seconds.

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
            raise DeviceNotFound(_unopened(address, baud, error)) from None

    def read(self, timeout: float) -> bytes:
        """Whatever has come; see `Transport.read`."""
        with self._plugged():
            self._wait(timeout)
            return bytes(self._port.read(CHUNK))

    def write(self, data: bytes) -> None:
        """Send all of it; see `Transport.write`."""
        with self._plugged():
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
    def _plugged(self) -> Iterator[None]:
        import termios

        try:
            yield
        except (OSError, termios.error) as error:
            raise LinkError(
                f"{self._address} is gone ({error}): check cable and power of the board"
            ) from None


def _unopened(address: str, baud: int, error: Exception) -> str:
    """Why a port cannot be opened, and what to do about it."""
    number = getattr(error, "errno", None) or getattr(error.__context__, "errno", None)
    if number in DENIED:
        return (
            f"{address}: permission denied: join the group that owns the port, often "
            "`sudo usermod -aG dialout $USER`, and log in again"
        )
    if number in TAKEN:
        return f"{address} is in use by another process: stop that one, or name another port"
    if number in NO_PORT:
        return f"there is no serial port {address}: hil devices --scan lists those that are there"
    if number == errno.ECONNREFUSED:
        return f"nothing listens at {address}: start it, or name another address"
    return f"{address} cannot be opened at {baud} baud ({error}): give {ALLOWED}"
