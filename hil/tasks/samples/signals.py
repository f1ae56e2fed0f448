"""Samples in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.files.bounded import RATIO, UNPACKED

MOST = 8 << 30  # bytes of all signals, however large their file


@dataclass(frozen=True, eq=False)
class Signals:
    """N signals of n channels, each of a length of its own, T steps at most.

    Attributes:
        values: `(N, T, n)`, 0 after the end of a signal.
        lengths: `(N,)` int64, steps of each signal, 1 to T.
        events: Whether values are events, 0 or 1.
    """

    values: NDArray[Any]
    lengths: NDArray[np.int64]
    events: bool = False

    def __post_init__(self) -> None:
        """Refuse what are no signals."""
        if self.values.ndim != 3 or 0 in self.values.shape[1:]:
            raise ValueError(
                f"signals have shape {self.values.shape}: give (N, steps, channels), at least one "
                "step and one channel"
            )
        lengths, most = self.lengths, self.values.shape[1]
        if lengths.shape != (len(self.values),) or lengths.dtype != np.int64:
            raise ValueError(
                f"lengths of {len(self.values)} signals are {lengths.dtype} of shape "
                f"{lengths.shape}: give one int64 for each"
            )
        if len(lengths) and not 1 <= lengths.min() <= lengths.max() <= most:
            raise ValueError(
                f"lengths of signals are {lengths.min()} to {lengths.max()}: give 1 to {most}"
            )

    @classmethod
    def whole(cls, values: NDArray[Any], *, events: bool = False) -> Signals:
        """Signals that all last T steps, `(N, T, n)`."""
        return cls(values, np.full(len(values), values.shape[1], np.int64), events)

    @classmethod
    def padded(
        cls, rows: NDArray[Any], lengths: NDArray[np.int64], steps: int | None = None
    ) -> Signals:
        """Signals that stand one after the other.

        Args:
            rows: `(sum of lengths, n)`, the steps of all signals.
            lengths: `(N,)`.
            steps: T; the longest of them when None.
        """
        most = int(lengths.max(initial=1)) if steps is None else steps
        size = len(lengths) * most * rows[:1].size * rows.itemsize
        if size > min(MOST, max(UNPACKED, RATIO * rows.nbytes)):
            raise ValueError(
                f"{len(lengths)} signals of up to {most} steps in {rows[:1].size} channels take "
                f"{size >> 20} MiB: cut the longest"
            )
        values = np.zeros((len(lengths), most, *rows.shape[1:]), rows.dtype)
        values[np.arange(most) < lengths[:, np.newaxis]] = rows
        return cls(values, lengths)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | NDArray[Any] | Sequence[int]) -> Signals:
        """Some of the signals: a slice, numbers or truth values of samples."""
        return Signals(self.values[rows], self.lengths[rows], self.events)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(N, T, n)`."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.values.dtype

    @property
    def lasting(self) -> NDArray[np.bool_]:
        """Which steps are those of each signal, `(N, T)`."""
        found: NDArray[np.bool_] = np.arange(self.shape[1]) < self.lengths[:, np.newaxis]
        return found

    @property
    def steps(self) -> NDArray[Any]:
        """All steps of all signals, one after the other, `(sum of lengths, n)`."""
        found: NDArray[Any] = self.values[self.lasting]
        return found
