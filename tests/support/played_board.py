"""A port whose board is a function from a request to what comes back, on a clock of its own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

# From the protocol's page: magic, version, 0, payload, firmware, boot, chip; then records.
HELLO = struct.pack("<4sBBHIII", b"SPKL", 2, 0, 1024, 0x020000, 7, 3) + b"\1\4fake"


def stuffed(body: bytes) -> bytes:
    """A frame on the line, by the protocol's page: header and payload, crc, COBS, zero."""
    rest, out = body + zlib.crc32(body).to_bytes(4, "little") + b"\0", bytearray()
    for block in rest[:-1].split(b"\0"):
        while len(block) >= 254:
            out += b"\xff" + block[:254]
            block = block[254:]
        out += bytes([len(block) + 1]) + block
    return bytes(out) + b"\0"


def answer(
    request: bytes, payload: bytes = b"", status: int = 0, version: int = 2, turn: int = 0
) -> bytes:
    """The answer to a request of up to 250 bytes as it went over the line."""
    body = unstuffed(request)
    return stuffed(bytes([version, (body[1] + turn) % 256, body[2] | 0x80, status]) + payload)


def unstuffed(frame: bytes) -> bytes:
    data, out = frame.strip(b"\0"), bytearray()
    while data:
        out += data[1 : data[0]] + b"\0"
        data = data[data[0] :]
    return bytes(out[:-1])


class Clock:
    """Time that passes only where somebody waits."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


Played = Callable[[bytes], bytes]


class Fake:
    """A port with a board behind it, which is a function from a request to what comes back."""

    def __init__(self, play: Played, clock: Clock | None = None, piece: int = 1 << 20) -> None:
        self.play, self.clock, self.piece = play, clock, piece
        self.sent: list[bytes] = []
        self.closed = 0
        self.coming = b""

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        self.coming += self.play(data)

    def read(self, timeout: float) -> bytes:
        found, self.coming = self.coming[: self.piece], self.coming[self.piece :]
        if self.clock is not None:
            self.clock.now += 1e-4 if found else timeout
        return found

    def close(self) -> None:
        self.closed += 1


def greeting(request: bytes) -> bytes:
    return answer(request, HELLO)
