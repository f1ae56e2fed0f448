"""Consistent overhead byte stuffing: a frame without zero bytes.

Cheshire & Baker 1999, IEEE/ACM Transactions on Networking 7(2):159.
"""

from __future__ import annotations

LONGEST = 254  # bytes of a block, its code not counted


def encode(data: bytes) -> bytes:
    """The same bytes, stuffed; holds no zero."""
    stuffed = bytearray()
    for block in data.split(b"\0"):
        start = 0
        while len(block) - start >= LONGEST:
            stuffed.append(LONGEST + 1)
            stuffed += block[start : start + LONGEST]
            start += LONGEST
        stuffed.append(len(block) - start + 1)
        stuffed += block[start:]
    if len(block) >= LONGEST and start == len(block):
        del stuffed[-1]  # nothing follows a full block at the end
    return bytes(stuffed)


def decode(stuffed: bytes) -> bytes:
    """The bytes that `encode` was given.

    Raises:
        ValueError: When it is not valid COBS.
    """
    if 0 in stuffed:
        raise ValueError("a zero byte inside a frame")
    blocks, at, end = [], 0, len(stuffed)
    while at < end:
        code = stuffed[at]
        if at + code > end:
            raise ValueError("a block reaches beyond its frame")
        blocks.append(stuffed[at + 1 : at + code])
        at += code
        if code <= LONGEST and at < end:
            blocks.append(b"\0")
    return b"".join(blocks)


def longest(size: int) -> int:
    """Most bytes that `size` bytes are stuffed into, by any sender."""
    return size + size // LONGEST + 1
