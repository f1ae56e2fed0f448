"""Fault injection: frames are lost, damaged, doubled or late, and boards restart, on purpose."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from drivers.board.transport import Transport
from drivers.errors import LinkError, SettingError, nearest

Fault = Literal[
    "drop",  # the frame is lost
    "flip",  # one bit of it is another one
    "duplicate",  # it arrives twice
    "reorder",  # it arrives after the next one of its direction
    "delay",  # it, and all after it, arrive late
    "stall",  # half of it arrives, and the rest only with the next one
    "disconnect",  # the cable is pulled
    "reboot",  # the board restarts before it
]
Direction = Literal["out", "in"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
DELAY = 0.05  # seconds


@dataclass(frozen=True)
class FaultPlan:
    """Plan of where faults strike; frames are counted from 1, requests and answers together.

    Attributes:
        rates: Probability for each frame, by fault.
        chosen: Faults at certain frames.
        seed: Of the random places, and of which bit flips.
    """

    rates: dict[Fault, float] = field(default_factory=dict)
    chosen: frozenset[tuple[Fault, int]] = frozenset()
    seed: int = 0

    def has_fault(self, fault: Fault) -> bool:
        """Tell whether a fault strikes anywhere."""
        return fault in self.rates or any(kind == fault for kind, _ in self.chosen)


def parse_faults(text: str, seed: int) -> FaultPlan:
    """Read a plan from `KIND:RATE,KIND@FRAME,...`.

    Raises:
        SettingError: For an unknown kind, or a rate or frame number that is not valid.
    """
    rates, chosen = dict[Fault, float](), set[tuple[Fault, int]]()
    for part in text.split(","):
        name, rate, value = part.partition(":")
        place = ""
        if not rate:
            name, _, place = part.partition("@")
        if name not in FAULTS:
            raise SettingError(f"fault {name!r} is unknown: {nearest(name, FAULTS)}")
        kind = name
        if place.isascii() and place.isdigit() and int(place):
            chosen.add((kind, int(place)))
        elif (rate_value := _parse_rate(value)) is not None and kind not in rates:
            rates[kind] = rate_value
        else:
            raise SettingError(
                f"fault {part!r}: write {name}:RATE once, with a rate per frame of 0 to 1, or "
                f"{name}@N for the N-th frame"
            )
    return FaultPlan(rates, frozenset(chosen), seed)


def _parse_rate(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


class FaultyLine:
    """A transport on which faults strike; each write is one frame."""

    def __init__(
        self, inner: Transport, plan: FaultPlan, reboot: Callable[[], None] | None = None
    ) -> None:
        """Put faults on a line.

        Args:
            inner: The line.
            plan: Where they strike.
            reboot: Restarts the board at the other end.

        Raises:
            SettingError: When nothing can restart the board, and the plan asks for it.
        """
        if reboot is None and plan.has_fault("reboot"):
            raise SettingError(
                "fault 'reboot': nothing here can restart this board: leave it out, or use board:simulated://"
            )
        self._inner, self._plan, self._reboot = inner, plan, reboot
        where, which = np.random.SeedSequence(plan.seed).spawn(2)
        self._where, self._which = np.random.default_rng(where), np.random.default_rng(which)
        self._frames = 0
        self._is_pulled = False
        self._cut, self._received = bytearray(), bytearray()
        self._stuck: dict[Direction, bytes] = {"out": b"", "in": b""}
        self._overtaken: dict[Direction, bytes] = {"out": b"", "in": b""}

    def read(self, timeout: float) -> bytes:
        """Read frames as the faults leave them; see `Transport.read`."""
        until = time.monotonic() + timeout
        while not self._received:
            self._check_plugged()
            data = self._inner.read(max(0.0, until - time.monotonic()))
            if not data:
                break
            *ended, rest = (bytes(self._cut) + data).split(b"\0")
            self._cut = bytearray(rest)
            for piece in ended:
                self._received += self._apply_faults("in", piece + b"\0")
        received = bytes(self._received)
        self._received.clear()
        return received

    def write(self, data: bytes) -> None:
        """Send a frame as the faults leave it; see `Transport.write`."""
        self._check_plugged()
        arriving = self._apply_faults("out", data)
        if arriving:
            self._inner.write(arriving)

    def close(self) -> None:
        """Release the port."""
        self._inner.close()

    def _apply_faults(self, direction: Direction, frame: bytes) -> bytes:
        """Compute what arrives when a frame is sent."""
        self._frames += 1
        # As many draws for each frame, so that a rate does not move the places of other faults.
        draws = dict(zip(FAULTS, self._where.random(len(FAULTS)), strict=True))
        faults = {
            fault
            for fault in FAULTS
            if draws[fault] < self._plan.rates.get(fault, 0.0)
            or (fault, self._frames) in self._plan.chosen
        }
        bit = int(self._which.integers(8 * len(frame)))
        if "disconnect" in faults:
            self._is_pulled = True
            self._check_plugged()
        if "reboot" in faults and self._reboot is not None:
            self._reboot()
        if "drop" in faults:
            frame = b""
        if "flip" in faults and frame:
            flipped = int.from_bytes(frame, "little") ^ 1 << bit
            frame = flipped.to_bytes(len(frame), "little")
        if "duplicate" in faults:
            frame *= 2
        if "delay" in faults:
            time.sleep(DELAY)
        before, after = self._stuck[direction], self._overtaken[direction]
        self._stuck[direction] = self._overtaken[direction] = b""
        if "stall" in faults:
            half = len(frame) // 2
            frame, self._stuck[direction] = frame[:half], frame[half:]
        elif "reorder" in faults:
            frame, self._overtaken[direction] = b"", frame
        return before + frame + after

    def _check_plugged(self) -> None:
        if self._is_pulled:
            self._inner.close()
            raise LinkError("the cable was pulled (fault disconnect): plug it in again")
