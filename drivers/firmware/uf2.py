"""An image of the RP2040 as a UF2 file, which is dragged onto the board.

`python uf2.py SECOND_STAGE IMAGE FILE.uf2` puts both, raw, to the beginning of the flash.
"""

from __future__ import annotations

import sys
from pathlib import Path
from struct import pack

FLASH = 0x10000000
STAGE = 256  # bytes of the second stage, the last four its checksum
PART = 256  # bytes of the image in a block
FAMILY = 0xE48BFF56  # of the RP2040, github.com/microsoft/uf2


def checksum(data: bytes) -> int:
    """Compute the CRC-32 of the boot ROM: not reflected, not inverted at the end."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 1 << 31 else 0)) & 0xFFFFFFFF
    return crc


def to_uf2(stage: bytes, image: bytes) -> bytes:
    """Join a second stage and an image.

    Raises:
        ValueError: For a second stage that is longer than the boot ROM loads.
    """
    if len(stage) > STAGE - 4:
        raise ValueError(f"second stage of {len(stage)} bytes: {STAGE - 4} is the most")
    stage = stage.ljust(STAGE - 4, b"\0")
    whole = stage + pack("<I", checksum(stage)) + image
    count = -(-len(whole) // PART)
    blocks = []
    for number in range(count):
        at = number * PART
        head = pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, FLASH + at, PART, number, count, FAMILY)
        data = whole[at : at + PART].ljust(476, b"\0")
        blocks.append(head + data + pack("<I", 0x0AB16F30))
    return b"".join(blocks)


if __name__ == "__main__":
    first, second, made = map(Path, sys.argv[1:])
    made.write_bytes(to_uf2(first.read_bytes(), second.read_bytes()))
