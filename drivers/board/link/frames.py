"""Frames of the protocol: how they are written, found in a stream of bytes, and checked."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum

from drivers.board.link import cobs

VERSION = 2
HEADER, CRC = 4, 4  # bytes
OVERHEAD = HEADER + CRC
ANSWER = 0x80  # bit of the type


class Type(IntEnum):
    """What a request asks for."""

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
    """How a request went."""

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


class Damaged(Exception):
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
        status: How it went; 0 in a request.
        version: Of the protocol.
    """

    type: int
    sequence: int
    payload: bytes = b""
    status: int = Status.OK
    version: int = VERSION


def encode(frame: Frame) -> bytes:
    """The bytes of a frame, ended by a zero."""
    return cobs.encode(_body(frame) + checksum(frame).to_bytes(CRC, "little")) + b"\0"


def checksum(frame: Frame) -> int:
    """The CRC-32 that a frame ends with."""
    return zlib.crc32(_body(frame))


def _body(frame: Frame) -> bytes:
    return bytes((frame.version, frame.sequence, frame.type, frame.status)) + frame.payload


def decode(stuffed: bytes) -> Frame:
    """The frame in the bytes before a zero.

    Raises:
        Damaged: When they are not a whole frame.
    """
    try:
        whole = cobs.decode(stuffed)
    except ValueError:
        raise Damaged(Status.COBS) from None
    if len(whole) < OVERHEAD:
        raise Damaged(Status.LENGTH)
    body, crc = whole[:-CRC], whole[-CRC:]
    if zlib.crc32(body) != int.from_bytes(crc, "little"):
        raise Damaged(Status.CRC)
    version, sequence, kind, status = body[:HEADER]
    return Frame(kind, sequence, body[HEADER:], status, version)


def line_bytes(payload: int) -> int:
    """Most bytes on the line of a frame with a payload of so many."""
    return cobs.longest(payload + OVERHEAD) + 1


class Splitter:
    """Cuts a stream of bytes at its zeros."""

    def __init__(self, longest: int) -> None:
        """Forget what is longer than `longest` bytes, the zero not counted."""
        self._longest = longest
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes | None]:
        """What each zero ended, without it; None for what was too long, nothing for empty."""
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
