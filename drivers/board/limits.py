"""What a board is and has room for, as its HELLO tells."""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass

MAGIC = b"SPKL"
FORM = "<4sBBHIIIHHIHH16s"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a board has room for.

    Attributes:
        name: Of the port of the firmware, at most 16 characters of ASCII.
        layers: Most layers of neurons.
        inputs: Most inputs, at most 4096, so that sums fit 32 bits and products 64.
        neurons: Most neurons in a layer, at most 4096.
        weights: Most weights in all.
        steps: Most steps of a run.
        payload: Longest payload, in bytes.
    """

    name: str = "simulated"
    layers: int = 8
    inputs: int = 4096
    neurons: int = 1024
    weights: int = 1 << 20
    steps: int = 1024
    payload: int = 16384


@dataclass(frozen=True, slots=True)
class Hello:
    """Answer to HELLO.

    Attributes:
        limits: What the board has room for.
        boot_id: Differs from boot to boot.
        chip: Seed of its fixed pattern.
        firmware: Major, minor and patch version.
        protocol: Version.
    """

    limits: Limits
    boot_id: int
    chip: int
    firmware: tuple[int, int, int]
    protocol: int

    def encode(self) -> bytes:
        """As the payload of an answer to HELLO."""
        name, layers, inputs, neurons, weights, steps, payload = astuple(self.limits)
        major, minor, patch = self.firmware
        return struct.pack(
            FORM,
            MAGIC,
            self.protocol,
            layers,
            payload,
            major << 16 | minor << 8 | patch,
            self.boot_id,
            self.chip,
            inputs,
            neurons,
            weights,
            steps,
            0,
            name.encode("ascii"),
        )

    @classmethod
    def decode(cls, payload: bytes) -> Hello:
        """From the payload of an answer to HELLO.

        Raises:
            ValueError: When it is not one.
        """
        if len(payload) != struct.calcsize(FORM) or not payload.startswith(MAGIC):
            raise ValueError(f"an answer of {len(payload)} bytes is no HELLO of a board")
        (
            _,
            protocol,
            layers,
            room,
            firmware,
            boot_id,
            chip,
            inputs,
            neurons,
            weights,
            steps,
            _,
            n,
        ) = struct.unpack(FORM, payload)
        name = n.rstrip(b"\0").decode("ascii", "replace")
        limits = Limits(name, layers, inputs, neurons, weights, steps, room)
        version = firmware >> 16, firmware >> 8 & 255, firmware & 255
        return cls(limits, boot_id, chip, version, protocol)
