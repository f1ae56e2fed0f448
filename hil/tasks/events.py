"""Records of events, such as of an event camera or a silicon cochlea, counted into steps.

A record is a structured array with a row for each event, as the package `tonic` gives them: its
time `t`, and where it was, some of `x`, `y` and the polarity `p`. Rows of plain numbers are events
where the user says what their columns are, by a layout such as `txyp`. Time is cut into bins of
equal width, and each address is a channel. A bin in which several events of a channel fall holds
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, TypeGuard

import numpy as np
from numpy.lib.recfunctions import unstructured_to_structured
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from drivers.files.bounded import RATIO, UNPACKED
from hil.tasks.samples import LARGEST, STEPS, AmbiguousSamples, Lengths, Signals

DEFAULT_BINS = 100
FIELDS = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "p": ("p", "pol", "polarity"),
    "y": ("y",),
    "x": ("x", "unit", "units", "channel", "channels", "address"),
}
ADDRESSES = 1 << 20  # below which every address is


def is_event_layout(layout: str | None) -> TypeGuard[str]:
    """Tell whether a layout names columns of events: `t`, and some of `x`, `y` and `p`, once."""
    return layout is not None and "t" in layout and sorted({*layout} & {*FIELDS}) == sorted(layout)


def name_columns(x: NDArray[Any], layout: str, name: str) -> NDArray[Any]:
    """Make records of rows of plain numbers.

    Args:
        x: `(events, columns)`.
        layout: The name of each column, such as `txyp`.
        name: What a refusal calls them.

    Raises:
        ValueError: When they have another number of columns.
    """
    if x.dtype.names:
        return x
    if x.ndim != 2 or x.shape[1] != len(layout) or x.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} is {x.dtype} of shape {x.shape}: events of layout {layout} are rows of "
            f"{len(layout)} numbers, with the number of events of each sample"
        )
    records: NDArray[Any] = unstructured_to_structured(
        x, np.dtype([(letter, x.dtype) for letter in layout])
    )
    return records


def check_no_events(x: NDArray[Any], lengths: Lengths, name: str) -> None:
    """Refuse rows of plain numbers that look like events: one column grows, the rest is whole.

    Raises:
        AmbiguousSamples: With the layout that they seem to have.
    """
    looks_alike = x.ndim == 2 and 2 <= x.shape[1] <= 4 and x.dtype.kind in "iuf"
    if not looks_alike or not len(x) or not np.isfinite(x).all() or x.max() <= 1:
        return
    first, last = np.cumsum(lengths) - lengths, np.cumsum(lengths) - 1
    follows = np.ones(len(x), bool)
    follows[first] = False
    whole = ((x == np.rint(x)) & (x >= -1) & (x < ADDRESSES)).all(axis=0)
    grows = (x[1:] >= x[:-1])[follows[1:]].all(axis=0)
    grows &= (x[last] > x[first])[lengths > 1].all(axis=0) & follows.any()
    for t in np.flatnonzero(grows):
        others = [n for n in range(x.shape[1]) if n != t]
        if whole[others].all():
            letters = "xyp" if len(others) == 3 or x[:, others[-1]].max() > 1 else "xp"
            columns = [*letters[: len(others)]]
            guess = "".join([*columns[:t], "t", *columns[t:]])
            raise AmbiguousSamples(
                f"{name} holds rows of {x.shape[1]} numbers, of which one grows and the others are "
                f"whole: events, such as {guess} for the order of time, x, y and polarity, or "
                f"signals, {STEPS}? say which",
                layout=guess,
            )


@dataclass(frozen=True, eq=False)
class Records:
    """N records of events.

    Attributes:
        events: One record after the other, with named fields.
        lengths: `(N,)` number of events of each.
    """

    events: NDArray[Any]
    lengths: Lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: NDArray[np.int64]) -> Records:
        """Some of the records, by number, ascending."""
        wanted = np.isin(np.arange(len(self)), rows)
        return Records(self.events[np.repeat(wanted, self.lengths)], self.lengths[wanted])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an event."""
        return self.events.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """`(N,)`."""
        return (len(self),)


class Binning(BaseModel):
    """Rule by which events become steps and channels.

    Attributes:
        steps: Bins of the longest record, T.
        width: Time that a bin lasts, in the unit of the records.
        from_first_event: Whether time counts from the first event of each record, else from 0.
        sides: Polarities, height and width: channel `(p height + y) width + x`.
        merged: Share of the events of the training part that share their bin with an earlier one,
            and are lost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: PositiveInt
    width: PositiveFloat
    from_first_event: bool
    sides: tuple[PositiveInt, PositiveInt, PositiveInt]
    merged: Annotated[float, Field(ge=0, le=1)] = 0.0

    @classmethod
    def fit(cls, parts: Mapping[str, Records], bins: int) -> Binning:
        """Fit the binning of records, each as long as needed.

        Time counts from 0, unless that would leave all of them empty for longer than the longest
        lasts.

        Args:
            parts: Records by what a refusal calls them, the training part first.
            bins: T.

        Raises:
            ValueError: When they are no events, or too many bins.
        """
        sides = [1, 1, 1]
        longest = latest = 0.0
        earliest = np.inf
        for name, records in parts.items():
            columns = _read_columns(records.events, name)
            first, last = _find_ends(columns["t"], records.lengths)
            longest, latest = max(longest, (last - first).max()), max(latest, last.max())
            earliest = min(earliest, first.min())
            sides = [
                max(side, int(columns[key].max()) + 1)
                for side, key in zip(sides, "pyx", strict=True)
            ]
        late = bool(earliest < 0 or earliest > longest)
        width = (longest if late else latest) / bins or 1.0
        (name, train), *_ = parts.items()
        binning = cls(steps=bins, width=float(width), from_first_event=late, sides=tuple(sides))
        kept = np.count_nonzero(binning.apply(train, name).values)
        return binning.model_copy(update={"merged": float(1 - kept / len(train.events))})

    @property
    def channels(self) -> int:
        """Number of addresses, n."""
        return prod(self.sides)

    def apply(self, records: Records, name: str) -> Signals:
        """Count records into signals of zeros and ones.

        Args:
            records: The records.
            name: What a refusal calls them.

        Raises:
            ValueError: When they are no such events.
        """
        events, lengths = records.events, records.lengths
        size = len(lengths) * self.steps * self.channels
        if size > min(LARGEST, max(UNPACKED, RATIO * events.nbytes)):
            raise ValueError(
                f"{name}: {len(lengths)} records in {self.steps} bins of {self.channels} addresses "
                f"are {size >> 20} MiB: pool neighbouring addresses, or ask for fewer bins"
            )
        columns = _read_columns(events, name)
        for key, side in zip("pyx", self.sides, strict=True):
            if (highest := int(columns[key].max())) >= side:
                raise ValueError(
                    f"{name} has events at {key} = {highest}: the network was trained on {key} "
                    f"below {side}"
                )
        first, last = _find_ends(columns["t"], lengths)
        start = first if self.from_first_event else np.zeros_like(first)
        bins = (columns["t"] - np.repeat(start, lengths)) / self.width
        if bins.min() < 0 or bins.max() > self.steps * (1 + 1e-6):
            raise ValueError(
                f"{name} has records of up to {(last - start).max():g}: the network was trained on "
                f"0 to {self.steps * self.width:g}: cut them"
            )
        step = np.minimum(bins.astype(np.int64), self.steps - 1)
        _, height, across = self.sides
        channel = (columns["p"] * height + columns["y"]) * across + columns["x"]
        values = np.zeros((len(lengths), self.steps, self.channels), np.uint8)
        values[np.repeat(np.arange(len(lengths)), lengths), step, channel] = 1
        ends = np.minimum(((last - start) / self.width).astype(np.int64), self.steps - 1) + 1
        return Signals(values, ends, events=True)


def _read_columns(events: NDArray[Any], name: str) -> dict[str, NDArray[Any]]:
    """Read times as float64, and addresses as int64: a single 0 where there is no such field."""
    fields = {field.lower(): field for field in events.dtype.names or ()}
    columns: dict[str, NDArray[Any]] = {}
    for key, usual in FIELDS.items():
        field = next((fields[word] for word in usual if word in fields), None)
        values = np.zeros(1, np.int64) if field is None else events[field]
        if (field is None and key == "t") or values.dtype.kind not in "biuf" or values.ndim != 1:
            raise ValueError(
                f"{name} holds records of {', '.join(fields)}: give events with t, and some of x, "
                "y and p, all of them numbers"
            )
        columns[key] = values.astype(np.float64)
    if not len(events) or not all(np.isfinite(values).all() for values in columns.values()):
        raise ValueError(f"{name} holds no events, or NaN or infinity: clean the data first")
    if columns["p"].min() < 0:  # -1 and 1
        columns["p"] = (columns["p"] > 0).astype(np.float64)
    for key in "pyx":
        values = columns[key]
        if values.min() < 0 or values.max() >= ADDRESSES or (values != np.rint(values)).any():
            raise ValueError(
                f"{name} has events at {key} = {values.min():g} to {values.max():g}: "
                "give whole numbers from 0"
            )
        columns[key] = values.astype(np.int64)
    return columns


def _find_ends(t: NDArray[Any], lengths: Lengths) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the times of the first and of the last event of each record."""
    starts = np.cumsum(lengths) - lengths
    return np.minimum.reduceat(t, starts), np.maximum.reduceat(t, starts)
