"""Frames of the protocol: how they are written, found in a stream of bytes, and checked.

On the line no frame holds a zero: consistent overhead byte stuffing, Cheshire & Baker 1999,
IEEE/ACM Transactions on Networking 7(2):159.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum

VERSION = 2
HEADER, CRC = 4, 4  # bytes
OVERHEAD = HEADER + CRC
ANSWER = 0x80  # bit of the type
BLOCK = 254  # most bytes of a block of COBS, its code not counted


class RequestType(IntEnum):
    """Kinds of request, and of complaint."""

    HELLO = 0x01
    STATS = 0x02
    ECHO = 0x03
    CONFIGURE = 0x04
    WRITE = 0x05
    READ = 0x06
    CRC = 0x07
    RUN = 0x08
    DELAYS = 0x09
    TRIM = 0x0A
    LINKERR = 0xFF


class Status(IntEnum):
    """Outcomes of a request."""

    OK = 0x00
    CRC = 0x11
    COBS = 0x12
    LENGTH = 0x13
    UNKNOWN = 0x20
    SIZE = 0x21
    VALUE = 0x22
    ROOM = 0x23
    NOT_CONFIGURED = 0x24
    VERSION = 0x25
    UNSUPPORTED = 0x26
    OWNED = 0x27


class FrameDamaged(Exception):
    """Bytes between two zeros that do not form a whole frame."""

    def __init__(self, status: Status) -> None:
        """Say by the status of a LINKERR what is wrong with them."""
        super().__init__(status.name)
        self.status = status


@dataclass(frozen=True, slots=True)
class Frame:
    """One request or answer.

    Attributes:
        type: What is asked for; bit 7 is set in an answer.
        sequence: Number of the exchange, 0 to 255.
        payload: By type.
        status: How it went; in a request, the lease that it is made under, 0 for none.
        version: Of the protocol.
    """

    type: int
    sequence: int
    payload: bytes = b""
    status: int = Status.OK
    version: int = VERSION

    def encode(self) -> bytes:
        """Write the frame as it goes over the line, ended by a zero."""
        return stuff(self._body() + self.checksum().to_bytes(CRC, "little")) + b"\0"

    def checksum(self) -> int:
        """Compute the CRC-32 that the frame ends with."""
        return zlib.crc32(self._body())

    def _body(self) -> bytes:
        return bytes((self.version, self.sequence, self.type, self.status)) + self.payload

    @classmethod
    def decode(cls, stuffed: bytes) -> Frame:
        """Read the bytes before a zero.

        Raises:
            FrameDamaged: When they are not a whole frame.
        """
        whole = unstuff(stuffed)
        if len(whole) < OVERHEAD:
            raise FrameDamaged(Status.LENGTH)
        body, crc = whole[:-CRC], whole[-CRC:]
        if zlib.crc32(body) != int.from_bytes(crc, "little"):
            raise FrameDamaged(Status.CRC)
        version, sequence, kind, status = body[:HEADER]
        return cls(kind, sequence, body[HEADER:], status, version)


def stuff(data: bytes) -> bytes:
    """Encode bytes as COBS; the result holds no zero."""
    stuffed = bytearray()
    for block in data.split(b"\0"):
        start = 0
        while len(block) - start >= BLOCK:
            stuffed.append(BLOCK + 1)
            stuffed += block[start : start + BLOCK]
            start += BLOCK
        stuffed.append(len(block) - start + 1)
        stuffed += block[start:]
    if len(block) >= BLOCK and start == len(block):
        del stuffed[-1]  # nothing follows a full block at the end
    return bytes(stuffed)


def unstuff(stuffed: bytes) -> bytes:
    """Decode what `stuff` gave.

    Raises:
        FrameDamaged: When it is not valid COBS.
    """
    if 0 in stuffed:
        raise FrameDamaged(Status.COBS)
    blocks, at, end = [], 0, len(stuffed)
    while at < end:
        code = stuffed[at]
        if at + code > end:
            raise FrameDamaged(Status.COBS)
        blocks.append(stuffed[at + 1 : at + code])
        at += code
        if code <= BLOCK and at < end:
            blocks.append(b"\0")
    return b"".join(blocks)


def max_line_bytes(payload: int) -> int:
    """Compute the most bytes on the line of a frame with a payload of so many."""
    size = payload + OVERHEAD
    return size + size // BLOCK + 2  # one code more than full blocks, and the zero


class FrameSplitter:
    """Cuts a stream of bytes at its zeros."""

    def __init__(self, longest: int) -> None:
        """Forget what is longer than `longest` bytes, the zero not counted."""
        self._longest = longest
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes | None]:
        """Take in bytes.

        Returns:
            What each zero ended, without it; None for what was too long, nothing for empty.
        """
        *whole, rest = data.split(b"\0")
        pieces: list[bytes | None] = []
        for part in whole:
            self._keep(part)
            if self._rest:
                pieces.append(bytes(self._rest) if len(self._rest) <= self._longest else None)
            self._rest = bytearray()
        self._keep(rest)
        return pieces

    def _keep(self, part: bytes) -> None:
        # One byte too many tells that it was too long, and is all that has to be remembered.
        self._rest += part[: max(0, self._longest + 1 - len(self._rest))]
