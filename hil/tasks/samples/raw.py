"""Samples as they are given: arrays, signals of different lengths, records of events.

Signals of different lengths stand one after the other in one array, with their lengths, or each in
a row that is filled up behind its end: with anything where lengths are given, else with NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.tasks.samples import layout
from hil.tasks.samples.events import Binning
from hil.tasks.samples.signals import Signals

Raw = NDArray[Any] | Signals
Lengths = NDArray[np.int64]
LONGEST = 1 << 31  # steps, or events, of a sample
OWN = "give an array, or a list of one array for each sample, (steps, channels)"


def flat(x: Any, asked: str | None, name: str) -> tuple[NDArray[Any], Lengths | None]:
    """What a program gave, as one array.

    Args:
        x: An array, what numpy makes one of, or a list of signals `(T_i, n)` of different lengths,
            or of records of events.
        asked: The layout that the user says they have, or None.
        name: What a refusal calls them.

    Returns:
        The array, and the lengths where signals stand one after the other in it, steps first.

    Raises:
        ValueError: When it is none of these.
    """
    several = isinstance(x, list | tuple) or (isinstance(x, np.ndarray) and x.dtype == object)
    if not several:
        return np.asarray(x), None
    try:
        pieces = [np.asarray(piece) for piece in x]
    except ValueError:
        raise ValueError(f"{name} is no array: {OWN}") from None
    shapes = {piece.shape for piece in pieces}
    events = any(piece.dtype.names for piece in pieces)
    if len(shapes) <= 1 and not events:
        return np.asarray(pieces), None
    if asked == layout.CHANNELS_FIRST:
        pieces = [piece.T for piece in pieces]
    inner = {piece.shape[1:] for piece in pieces}
    kinds = {piece.dtype.names for piece in pieces}
    if () in shapes or len(inner) > 1 or len(next(iter(inner))) > 1 or len(kinds) > 1:
        told = ", ".join(str(shape) for shape in sorted(shapes, key=str)[:3])
        raise ValueError(f"{name} holds arrays of shape {told}: {OWN}, all of the same channels")
    return np.concatenate(pieces), np.array([len(piece) for piece in pieces], np.int64)


def lengths_of(given: NDArray[Any], samples: int, name: str) -> Lengths:
    """The lengths of samples.

    Args:
        given: What was given as such.
        samples: How many samples there are.
        name: What a refusal calls it.

    Raises:
        ValueError: When they are none.
    """
    if given.shape != (samples,) or given.dtype.kind not in "iu":
        raise ValueError(
            f"{name} is {given.dtype} of shape {given.shape}: give the length of each of the "
            f"{samples} samples, whole numbers"
        )
    if given.min(initial=1) < 1 or given.max(initial=1) >= LONGEST:
        raise ValueError(f"{name} holds {given.min()} to {given.max()}: give 1 to {LONGEST}")
    return given.astype(np.int64)


def taken(
    x: NDArray[Any],
    lengths: Lengths | None,
    asked: str | None,
    name: str,
    binning: Binning | None = None,
) -> tuple[Raw, str]:
    """Samples with the meaning of their axes.

    Args:
        x: The samples in one array.
        lengths: Of signals, where they are known.
        asked: The layout that they are said to have, or None.
        name: What a refusal calls them.
        binning: How events are counted, where they are.

    Returns:
        Features, images, or signals with their steps first, and the layout.

    Raises:
        OpenLayout: When it cannot be known what the axes mean.
        ValueError: When they are no samples.
    """
    if x.dtype.names:
        if lengths is None or binning is None:
            raise ValueError(f"{name} holds events: give a list of one array for each sample")
        return binning.apply(x, lengths, name), layout.STEPS
    if lengths is None:
        axes = layout.of(x, asked, name)
        if axes not in layout.SIGNALS:
            return x, axes
        values = layout.signals(x, axes)
        return _signals(Signals.padded(*_ended(values))), axes
    if x.ndim in (1, 2) and lengths.sum() == len(x):
        axes = asked or (layout.SINGLE if x.ndim == 1 else layout.STEPS)
        _check_signals(axes, name)
        return _signals(Signals.padded(x.reshape(len(x), -1), lengths)), axes
    if x.ndim not in (2, 3) or len(lengths) != len(x):
        raise ValueError(
            f"{name} has shape {x.shape}, and its {len(lengths)} lengths sum to {lengths.sum()}: "
            "give all steps one after the other, (sum of lengths, channels), or (N, steps, "
            "channels)"
        )
    axes = asked or _filled(x, lengths, name)
    _check_signals(axes, name)
    values = layout.signals(x, layout.of(x, axes, name))
    if lengths.max() > values.shape[1]:
        raise ValueError(f"{name} has {values.shape[1]} steps, and lengths of {lengths.max()}")
    whole = Signals(values, lengths)
    return _signals(Signals.padded(whole.steps, lengths)), axes


def chosen(
    x: NDArray[Any], lengths: Lengths | None, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], Lengths | None]:
    """Some of the samples, in ascending order, with their lengths.

    Args:
        x: The samples in one array.
        lengths: Of signals, where they are known.
        rows: Numbers of the samples.
    """
    if lengths is None or (len(lengths) == len(x) and lengths.sum() != len(x)):
        return x[rows], None if lengths is None else lengths[rows]
    wanted = np.isin(np.arange(len(lengths)), rows)
    return x[np.repeat(wanted, lengths)], lengths[rows]


def _filled(x: NDArray[Any], lengths: Lengths, name: str) -> str:
    """The layout of signals that are filled up to the length of the longest."""
    if x.ndim == 2:
        return layout.SINGLE
    sides = {layout.STEPS: x.shape[1], layout.CHANNELS_FIRST: x.shape[2]}
    for fitting in (
        [axes for axes, side in sides.items() if lengths.max() <= side],
        [axes for axes, side in sides.items() if lengths.max() == side],
    ):
        if len(fitting) == 1:
            return fitting[0]
    if lengths.max() > max(sides.values()):
        raise ValueError(f"{name} has shape {x.shape}, and lengths of up to {lengths.max()}")
    raise layout.OpenLayout(
        f"{name} has shape {x.shape} and lengths up to {lengths.max()}: {layout.STEPS} for (N, "
        f"steps, channels) or {layout.CHANNELS_FIRST} for (N, channels, steps)? say which",
        layout.STEPS,
    )


def _ended(values: NDArray[Any]) -> tuple[NDArray[Any], Lengths]:
    """The steps of signals, which end where nothing but NaN follows, and their lengths."""
    count, most = values.shape[:2]
    lengths = np.full(count, most, np.int64)
    if values.dtype.kind == "f" and count:
        there = ~np.isnan(values).all(axis=2)
        there[:, 0] = True
        lengths = most - there[:, ::-1].argmax(axis=1).astype(np.int64)
    return Signals(values, lengths).steps, lengths


def _check_signals(axes: str, name: str) -> None:
    if axes not in layout.SIGNALS:
        raise ValueError(
            f"layout {axes!r:.40}: {name} has lengths, as signals have: give "
            f"{', '.join(layout.SIGNALS)} or none"
        )


def _signals(found: Signals) -> Signals:
    """Truth values, and whole numbers that are 0 and 1 alone, are events."""
    values = found.values
    if values.dtype.kind == "b" or (
        values.dtype.kind in "iu" and values.max(initial=0) <= 1 and values.min(initial=0) >= 0
    ):
        return Signals(values.astype(np.uint8), found.lengths, events=True)
    return found
