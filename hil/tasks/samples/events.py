"""Records of events, such as of an event camera or a silicon cochlea, counted into steps.

A record is a structured array with a row for each event, as the package `tonic` gives them: its
time `t`, and where it was, some of `x`, `y` and the polarity `p`. Time is cut into bins of equal
width, and each address is a channel. A bin in which several events of a channel fall holds one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.files.bounded import RATIO, UNPACKED
from hil.tasks.samples.signals import MOST, Signals

BINS = 100
FIELDS = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "p": ("p", "pol", "polarity"),
    "y": ("y",),
    "x": ("x", "unit", "units", "channel", "channels", "address"),
}


@dataclass(frozen=True)
class Binning:
    """How events become steps and channels.

    Attributes:
        steps: Bins of the longest record, T.
        width: Time that a bin lasts, in the unit of the records.
        own_start: Whether time counts from the first event of each record, else from 0.
        sides: Polarities, height and width: channel `(p height + y) width + x`.
        merged: Share of the events of the training part that share their bin with an earlier one,
            and are lost.
    """

    steps: int
    width: float
    own_start: bool
    sides: tuple[int, int, int]
    merged: float = 0.0

    @classmethod
    def fitted(
        cls, records: Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]], bins: int
    ) -> Binning:
        """That of records, each as long as needed.

        Time counts from 0, unless that would leave all of them empty for longer than the longest
        lasts.

        Args:
            records: Events of each part by what a refusal calls it, the training part first: one
                record after the other, and the number of events of each.
            bins: T.

        Raises:
            ValueError: When they are no events, or too many bins.
        """
        read = {name: (_columns(x, name), lengths) for name, (x, lengths) in records.items()}
        sides = [1, 1, 1]
        longest = latest = 0.0
        earliest = np.inf
        for columns, lengths in read.values():
            first, last = _ends(columns["t"], lengths)
            longest, latest = max(longest, (last - first).max()), max(latest, last.max())
            earliest = min(earliest, first.min())
            for side, key in enumerate("pyx"):
                sides[side] = max(sides[side], int(columns[key].max()) + 1)
        own_start = bool(earliest < 0 or earliest > longest)
        width = (longest if own_start else latest) / bins or 1.0
        found = cls(bins, float(width), own_start, (sides[0], sides[1], sides[2]))
        (name, (events, lengths)), *_ = records.items()
        kept = np.count_nonzero(found.apply(events, lengths, name).values)
        return cls(bins, found.width, own_start, found.sides, float(1 - kept / len(events)))

    @classmethod
    def of(cls, numbers: NDArray[Any]) -> Binning:
        """From what `numbers` gave.

        Raises:
            ValueError: When they are none of a binning.
        """
        if numbers.shape != (7,) or not np.isfinite(numbers).all():
            raise ValueError("is not of 7 finite numbers")
        steps, width, own_start, *sides, merged = numbers.tolist()
        whole = [steps, own_start, *sides]
        if any(n != int(n) or not 0 <= n < 1 << 31 for n in whole) or min(steps, *sides) < 1:
            raise ValueError("has counts that are none")
        if not (width > 0 and 0 <= merged <= 1):
            raise ValueError("has no width, or a share out of 0 to 1")
        each = (int(sides[0]), int(sides[1]), int(sides[2]))
        return cls(int(steps), width, bool(own_start), each, merged)

    @property
    def numbers(self) -> list[float]:
        """As numbers, which `of` takes."""
        return [self.steps, self.width, float(self.own_start), *self.sides, self.merged]

    @property
    def channels(self) -> int:
        """Number of addresses, n."""
        return prod(self.sides)

    def apply(self, events: NDArray[Any], lengths: NDArray[np.int64], name: str) -> Signals:
        """Records as signals of zeros and ones.

        Args:
            events: One record after the other.
            lengths: `(N,)` number of events of each.
            name: What a refusal calls them.

        Raises:
            ValueError: When they are no such events.
        """
        size = len(lengths) * self.steps * self.channels
        if size > min(MOST, max(UNPACKED, RATIO * events.nbytes)):
            raise ValueError(
                f"{name}: {len(lengths)} records in {self.steps} bins of {self.channels} addresses "
                f"are {size >> 20} MiB: pool neighbouring addresses, or ask for fewer bins"
            )
        columns = _columns(events, name)
        for key, side in zip("pyx", self.sides, strict=True):
            if int(columns[key].max()) >= side:
                raise ValueError(
                    f"{name} has events at {key} = {int(columns[key].max())}: the network was "
                    f"trained on {key} below {side}"
                )
        first, last = _ends(columns["t"], lengths)
        start = first if self.own_start else np.zeros_like(first)
        at = (columns["t"] - np.repeat(start, lengths)) / self.width
        if at.min() < 0 or at.max() > self.steps * (1 + 1e-6):
            raise ValueError(
                f"{name} has records of up to {(last - start).max():g}: the network was trained on "
                f"0 to {self.steps * self.width:g}: cut them"
            )
        step = np.minimum(at.astype(np.int64), self.steps - 1)
        _, height, across = self.sides
        channel = (columns["p"] * height + columns["y"]) * across + columns["x"]
        values = np.zeros((len(lengths), self.steps, self.channels), np.uint8)
        record = np.repeat(np.arange(len(lengths)), lengths)
        values[record, step, channel] = 1
        ends = np.minimum(((last - start) / self.width).astype(np.int64), self.steps - 1) + 1
        return Signals(values, ends, events=True)


def _columns(events: NDArray[Any], name: str) -> dict[str, NDArray[Any]]:
    """Times as float64, and addresses as int64: a single 0 where there is no such field."""
    names = {known.lower(): known for known in events.dtype.names or ()}
    found: dict[str, NDArray[Any]] = {}
    for key, usual in FIELDS.items():
        field = next((names[known] for known in usual if known in names), None)
        values = np.zeros(1, np.int64) if field is None else events[field]
        if (field is None and key == "t") or values.dtype.kind not in "biuf" or values.ndim != 1:
            raise ValueError(
                f"{name} holds records of {', '.join(names)}: give events with t, and some of x, y "
                "and p, all of them numbers"
            )
        found[key] = values.astype(np.float64)
    if not len(events) or not all(np.isfinite(values).all() for values in found.values()):
        raise ValueError(f"{name} holds no events, or NaN or infinity: clean the data first")
    if found["p"].min() < 0:  # -1 and 1
        found["p"] = (found["p"] > 0).astype(np.float64)
    for key in "pyx":
        values = found[key]
        if values.min() < 0 or values.max() >= 1 << 20 or (values != np.rint(values)).any():
            raise ValueError(
                f"{name} has events at {key} = {values.min():g} to {values.max():g}: "
                "give whole numbers from 0"
            )
        found[key] = values.astype(np.int64)
    return found


def _ends(t: NDArray[Any], lengths: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Times of the first and of the last event of each record."""
    starts = np.cumsum(lengths) - lengths
    return np.minimum.reduceat(t, starts), np.maximum.reduceat(t, starts)
