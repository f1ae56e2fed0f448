"""From what a user has to one form: axes and lengths of samples.

Samples come as an array, a sparse matrix, or a list of signals or of records of events. Signals of
different lengths stand one after the other in one array, with their lengths, or each in a row that
is filled up behind its end: with anything where lengths are given, else with NaN.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.files.bounded import RATIO, UNPACKED
from hil.tasks import samples as axes
from hil.tasks.events import Records, check_no_events, is_event_layout, name_columns
from hil.tasks.samples import Lengths, Signals

Raw = NDArray[Any] | Signals | Records
"""Samples in one form: features or images `(N, ...)`, signals, or records of events."""
LONGEST = 1 << 31  # steps, or events, of a sample
REMEDY = "give an array, or a list of one array for each sample, (steps, channels)"


def read_samples(
    x: Any, lengths: NDArray[Any] | None, layout: str | None, name: str
) -> tuple[Raw, str]:
    """Give the axes of samples their meaning.

    Args:
        x: Whatever `join_samples` takes.
        lengths: Of signals and records in one array, where they are known.
        layout: The one that the user states, or None.
        name: What a refusal calls them.

    Returns:
        Features, images, signals or records, and the layout.

    Raises:
        AmbiguousSamples: When it cannot be known what the axes mean.
        ValueError: When they are no samples.
    """
    if lengths is None:
        x, lengths = join_samples(x, layout, name)
    if is_event_layout(layout):
        x = name_columns(x, layout, name)
    if x.dtype.names:
        if lengths is None or x.shape != (lengths.sum(),):
            raise ValueError(
                f"{name} holds {x.size} events: say how many each sample has, by lengths that sum "
                "to that, or give a list of one array for each"
            )
        return Records(x, lengths), axes.STEPS
    if lengths is None:
        layout = axes.infer_layout(x, layout, name)
        if layout not in axes.SIGNALS:
            return x, layout
        values = axes.to_signals(x, layout)
        rows = Signals(values, lengths := _find_lengths(values)).steps
    elif x.ndim in (1, 2) and lengths.sum() == len(x):
        if layout is None:
            check_no_events(x, lengths, name)
            layout = axes.SINGLE if x.ndim == 1 else axes.STEPS
        axes.check_layout(layout, name, of_signals=True)
        rows = x.reshape(len(x), -1)
    elif x.ndim in (2, 3) and len(lengths) == len(x):
        layout = axes.infer_layout(x, layout, name, lengths)
        values = axes.to_signals(x, layout)
        if lengths.max() > values.shape[1]:
            raise ValueError(f"{name} has {values.shape[1]} steps, and lengths of {lengths.max()}")
        rows = Signals(values, lengths).steps
    else:
        raise ValueError(
            f"{name} has shape {x.shape}, and its {len(lengths)} lengths sum to {lengths.sum()}: "
            "give all steps one after the other, (sum of lengths, channels), or (N, steps, "
            "channels)"
        )
    return _mark_events(Signals.from_rows(rows, lengths)), layout


def join_samples(x: Any, layout: str | None, name: str) -> tuple[NDArray[Any], Lengths | None]:
    """Bring what a program gave into one array.

    Args:
        x: An array, what numpy makes one of, a sparse matrix of scipy, or a list of signals
            `(T_i, n)` of different lengths, or of records of events.
        layout: The one that the user states, or None.
        name: What a refusal calls them.

    Returns:
        The array, and the lengths where signals stand one after the other in it, steps first.

    Raises:
        ValueError: When it is none of these.
    """
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        return _densify(x, name), None
    is_list = isinstance(x, list | tuple) or (isinstance(x, np.ndarray) and x.dtype == object)
    if not is_list and not is_event_layout(layout):
        return np.asarray(x), None
    try:
        pieces = [np.asarray(piece) for piece in x]
    except ValueError:
        raise ValueError(f"{name} is no array: {REMEDY}") from None
    shapes = {piece.shape for piece in pieces}
    events = is_event_layout(layout) or any(piece.dtype.names for piece in pieces)
    if len(shapes) <= 1 and not events:
        return np.asarray(pieces), None
    if layout == axes.CHANNELS_FIRST:
        pieces = [piece.T for piece in pieces]
    forms = {(piece.dtype.names, piece.shape[1:]) for piece in pieces}
    if len(forms) != 1 or () in shapes or max(piece.ndim for piece in pieces) > 2:
        some = ", ".join(str(shape) for shape in sorted(shapes, key=str)[:3])
        raise ValueError(f"{name} holds arrays of shape {some}: {REMEDY}, all of the same channels")
    return np.concatenate(pieces), np.array([len(piece) for piece in pieces], np.int64)


def check_lengths(lengths: NDArray[Any], samples: int, name: str) -> Lengths:
    """Refuse what are no lengths of so many samples.

    Raises:
        ValueError: When they are none.
    """
    if lengths.shape != (samples,) or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"{name} is {lengths.dtype} of shape {lengths.shape}: give the length of each of the "
            f"{samples} samples, whole numbers"
        )
    if lengths.min(initial=1) < 1 or lengths.max(initial=1) >= LONGEST:
        raise ValueError(f"{name} holds {lengths.min()} to {lengths.max()}: give 1 to {LONGEST}")
    return lengths.astype(np.int64)


def check_numbers(x: NDArray[Any], name: str) -> None:
    """Refuse features that are not finite real numbers.

    Raises:
        ValueError: When they are not.
    """
    if x.dtype.kind not in "buif":
        raise ValueError(f"{name} is {x.dtype}: give real numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinity: clean the data first")


def _densify(x: Any, name: str) -> NDArray[Any]:
    """Make an array of a sparse matrix, unless that takes far more memory."""
    size, stored = prod(x.shape) * x.dtype.itemsize, x.nnz * x.dtype.itemsize
    if size > max(UNPACKED, RATIO * stored):
        raise ValueError(
            f"{name} is a sparse matrix of shape {x.shape}, which takes {size >> 20} MiB as an "
            "array: leave features out, or give fewer samples"
        )
    dense: NDArray[Any] = x.toarray()
    return dense


def _find_lengths(values: NDArray[Any]) -> Lengths:
    """Find where signals end: where nothing but NaN follows."""
    count, longest = values.shape[:2]
    if values.dtype.kind != "f" or not count:
        return np.full(count, longest, np.int64)
    there = ~np.isnan(values).all(axis=2)
    there[:, 0] = True
    lengths: Lengths = longest - there[:, ::-1].argmax(axis=1).astype(np.int64)
    return lengths


def _mark_events(signals: Signals) -> Signals:
    """Take whole numbers for events where they are zeros and ones alone."""
    values = signals.values
    if values.dtype.kind not in "biu" or values.min(initial=0) < 0 or values.max(initial=0) > 1:
        return signals
    return Signals(values.astype(np.uint8), signals.lengths, events=True)
