"""From what a user has to what a network takes: axes, lengths, scaling and labels.

Samples come as an array, a sparse matrix, or a list of signals or of records of events. Signals of
different lengths stand one after the other in one array, with their lengths, or each in a row that
is filled up behind its end: with anything where lengths are given, else with NaN.

How they are scaled and labelled is fitted once, on the training part, and kept with a run, so that
new samples are shown to the network as the first ones were and its answers come back as the labels
that were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError
from drivers.files.bounded import RATIO, UNPACKED
from hil.tasks import samples as axes
from hil.tasks.events import Binning, check_no_events, is_event_layout, name_columns
from hil.tasks.samples import AmbiguousLayout, Lengths, Samples, SampleSpec, Signals

Raw = NDArray[Any] | Signals
LONGEST = 1 << 31  # steps, or events, of a sample
REMEDY = "give an array, or a list of one array for each sample, (steps, channels)"

# Arrays of a kept preparation, and the kinds of numbers that each may hold.
FITTED = {"low": "f", "high": "f", "labels": "biuU", "class_names": "U", "feature_names": "U"}
FORM = {"shape": "iu", "layout": "U", "events": "b", "binning": "f", "event_columns": "U"}


# -- arrays as they come ----------------------------------------------------------------------


def stack_samples(x: Any, layout: str | None, name: str) -> tuple[NDArray[Any], Lengths | None]:
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
    inner = {piece.shape[1:] for piece in pieces}
    kinds = {piece.dtype.names for piece in pieces}
    if () in shapes or len(inner) > 1 or len(next(iter(inner))) > 1 or len(kinds) > 1:
        shown = ", ".join(str(shape) for shape in sorted(shapes, key=str)[:3])
        raise ValueError(
            f"{name} holds arrays of shape {shown}: {REMEDY}, all of the same channels"
        )
    return np.concatenate(pieces), np.array([len(piece) for piece in pieces], np.int64)


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


def select_samples(
    x: NDArray[Any], lengths: Lengths | None, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], Lengths | None]:
    """Select samples by number, ascending, from an array as `stack_samples` gives it."""
    if lengths is None or (len(lengths) == len(x) and lengths.sum() != len(x)):
        return x[rows], None if lengths is None else lengths[rows]
    wanted = np.isin(np.arange(len(lengths)), rows)
    return x[np.repeat(wanted, lengths)], lengths[rows]


def interpret_axes(
    x: NDArray[Any],
    lengths: Lengths | None,
    asked: str | None,
    name: str,
    binning: Binning | None = None,
) -> tuple[Raw, str]:
    """Give the axes of samples their meaning.

    Args:
        x: The samples in one array.
        lengths: Of signals, where they are known.
        asked: The layout that they are said to have, or None.
        name: What a refusal calls them.
        binning: How events are counted, where they are.

    Returns:
        Features, images, or signals with their steps first, and the layout.

    Raises:
        AmbiguousLayout: When it cannot be known what the axes mean.
        ValueError: When they are no samples.
    """
    if x.dtype.names:
        if lengths is None or binning is None:
            raise ValueError(f"{name} holds events: give a list of one array for each sample")
        return binning.apply(x, lengths, name), axes.STEPS
    if lengths is None:
        layout = axes.infer_layout(x, asked, name)
        if layout not in axes.SIGNALS:
            return x, layout
        values = axes.to_signals(x, layout)
        lengths = _find_lengths(values)
        rows = Signals(values, lengths).steps
    elif x.ndim in (1, 2) and lengths.sum() == len(x):
        if asked is None:
            check_no_events(x, lengths, name)
        layout = asked or (axes.SINGLE if x.ndim == 1 else axes.STEPS)
        _check_of_signals(layout, name)
        rows = x.reshape(len(x), -1)
    elif x.ndim in (2, 3) and len(lengths) == len(x):
        layout = asked or _infer_of_padded(x, lengths, name)
        _check_of_signals(layout, name)
        values = axes.to_signals(x, axes.infer_layout(x, layout, name))
        if lengths.max() > values.shape[1]:
            raise ValueError(f"{name} has {values.shape[1]} steps, and lengths of {lengths.max()}")
        rows = Signals(values, lengths).steps
    else:
        raise ValueError(
            f"{name} has shape {x.shape}, and its {len(lengths)} lengths sum to {lengths.sum()}: "
            "give all steps one after the other, (sum of lengths, channels), or (N, steps, "
            "channels)"
        )
    signals = Signals.from_rows(rows, lengths)
    values = signals.values
    whole = values.dtype.kind in "iu" and 0 <= values.min(initial=0) <= values.max(initial=0) <= 1
    if whole or values.dtype.kind == "b":  # zeros and ones alone are events
        return Signals(values.astype(np.uint8), lengths, events=True), layout
    return signals, layout


def _infer_of_padded(x: NDArray[Any], lengths: Lengths, name: str) -> str:
    """Find the layout of signals that are filled up to the length of the longest."""
    if x.ndim == 2:
        return axes.SINGLE
    sides, longest = {axes.STEPS: x.shape[1], axes.CHANNELS_FIRST: x.shape[2]}, lengths.max()
    if longest > max(sides.values()):
        raise ValueError(f"{name} has shape {x.shape}, and lengths of up to {longest}")
    long_enough = [layout for layout, side in sides.items() if longest <= side]
    exact = [layout for layout, side in sides.items() if longest == side]
    for fitting in (long_enough, exact):
        if len(fitting) == 1:
            return fitting[0]
    raise AmbiguousLayout(
        f"{name} has shape {x.shape} and lengths up to {longest}: {axes.STEPS} for (N, "
        f"steps, channels) or {axes.CHANNELS_FIRST} for (N, channels, steps)? say which",
        axes.STEPS,
    )


def _find_lengths(values: NDArray[Any]) -> Lengths:
    """Find where signals end: where nothing but NaN follows."""
    count, longest = values.shape[:2]
    if values.dtype.kind != "f" or not count:
        return np.full(count, longest, np.int64)
    there = ~np.isnan(values).all(axis=2)
    there[:, 0] = True
    lengths: Lengths = longest - there[:, ::-1].argmax(axis=1).astype(np.int64)
    return lengths


def _check_of_signals(layout: str, name: str) -> None:
    if layout not in axes.SIGNALS:
        raise ValueError(
            f"layout {layout!r:.40}: {name} has lengths, as signals have: give "
            f"{', '.join(axes.SIGNALS)} or none"
        )


def check_numbers(x: NDArray[Any], name: str) -> None:
    """Refuse features that are not finite real numbers.

    Raises:
        ValueError: When they are not.
    """
    if x.dtype.kind not in "buif":
        raise ValueError(f"{name} is {x.dtype}: give real numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinity: clean the data first")


# -- as a network takes them ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Preparation:
    """A fitted preparation of samples.

    Attributes:
        low: `(n,)` what becomes 0, of each feature, or of each channel of a signal.
        high: `(n,)` what becomes 1. Beyond the two, values are clipped.
        labels: `(C,)` the label of each class.
        class_names: `(C,)` what each class is called.
        feature_names: `(n,)` what each feature is called, or none, `(0,)`.
        shape: That of a sample as it is given: `(n,)`, or that of an image.
        layout: Meaning of the axes of a sample, as in `hil.tasks.samples`.
        events: Whether signals are events.
        binning: How records of events are counted, where they are such.
        event_columns: Columns of events that come as plain numbers, such as `txyp`; empty where
            they come as records.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    labels: NDArray[Any]
    class_names: NDArray[np.str_]
    feature_names: NDArray[np.str_]
    shape: tuple[int, ...]
    layout: str
    events: bool = False
    binning: Binning | None = None
    event_columns: str = ""

    @classmethod
    def identity(
        cls,
        shape: tuple[int, ...],
        layout: str,
        classes: int,
        *,
        highest: float = 1.0,
        events: bool = False,
    ) -> Preparation:
        """Make that of samples that come as the network takes them, with classes by number.

        Args:
            shape: That of a sample.
            layout: Their layout.
            classes: C.
            highest: What stands for 1: 255 for bytes, else 1.
            events: Whether signals are events.
        """
        size = axes.count_features(shape, layout)
        return cls(
            low=np.zeros(size),
            high=np.full(size, highest),
            labels=np.arange(classes),
            class_names=np.arange(classes).astype(str),
            feature_names=np.empty(0, str),
            shape=shape,
            layout=layout,
            events=events,
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], name: str) -> Preparation:
        """Make one of what `arrays` gave.

        Args:
            arrays: The arrays by name.
            name: What a refusal calls the file.

        Raises:
            FileFormatError: When they are none of a preparation.
        """
        for key, kinds in {**FITTED, **FORM}.items():
            if key not in arrays:
                raise FileFormatError(f"{name}: {key}: is missing")
            array = arrays[key]
            if array.ndim != 1 or array.dtype.kind not in kinds:
                raise FileFormatError(f"{name}: {key}: is {array.dtype} of shape {array.shape}")
        shape = tuple(int(side) for side in arrays["shape"][:4])
        layout, columns = (str("".join(arrays[key][:1])) for key in ("layout", "event_columns"))
        dimensions = {axes.TABLE: 1} | {known: len(known) for known in axes.LAYOUTS}
        if len(shape) != dimensions.get(layout, 0):
            raise FileFormatError(f"{name}: layout: {layout[:9]!r} of samples of shape {shape}")
        if min(shape) < 1:
            raise FileFormatError(f"{name}: shape: {shape}")
        size, classes = axes.count_features(shape, layout), len(arrays["labels"])
        sizes = {"low": (size,), "high": (size,), "feature_names": (0, size)}
        for key, allowed in {**sizes, "class_names": (classes,)}.items():
            if len(arrays[key]) not in allowed:
                raise FileFormatError(f"{name}: {key}: has {len(arrays[key])} entries")
        low, high = (arrays[key].astype(np.float64) for key in ("low", "high"))
        if classes < 2:
            raise FileFormatError(f"{name}: labels: {classes} classes")
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).all()):
            raise FileFormatError(f"{name}: high: is not above low everywhere")
        if len(np.unique(arrays["labels"])) != classes:
            raise FileFormatError(f"{name}: labels: one is there twice")
        events = bool(arrays["events"].all())
        binning = _read_binning(arrays["binning"], shape, name) if len(arrays["binning"]) else None
        if (binning is not None and not events) or (events and layout not in axes.SIGNALS):
            raise FileFormatError(f"{name}: events: those of samples that are no events")
        if columns and (binning is None or not is_event_layout(columns)):
            raise FileFormatError(f"{name}: event_columns: {columns[:9]!r} of these samples")
        texts = (arrays["labels"], arrays["class_names"], arrays["feature_names"])
        return cls(low, high, *texts, shape, layout, events, binning, columns)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give it as arrays by name, which `from_arrays` takes."""
        return {
            **{key: getattr(self, key) for key in FITTED},
            "shape": np.asarray(self.shape),
            "layout": np.asarray([self.layout]),
            "events": np.asarray([self.events]),
            "binning": np.asarray([] if self.binning is None else self.binning.numbers, float),
            "event_columns": np.asarray([self.event_columns]),
        }

    def apply(self, x: Any, name: str = "x", lengths: Lengths | None = None) -> Samples:
        """Make of samples what the network takes.

        Args:
            x: `(N, n)` or `(N, *shape)`, real numbers; signals may have fewer steps, or be a list
                of one for each sample.
            name: What a refusal calls it.
            lengths: Of signals that stand one after the other, or are filled up.

        Returns:
            `(N, n)`: bytes where bytes were given and 255 stands for 1, else float32 in [0, 1]. The
            channels of a pixel stand side by side, whatever the layout. Signals of float32
            likewise, or of bytes where they are events.

        Raises:
            ValueError: When these are no such samples.
        """
        if isinstance(x, Signals):
            return self._prepare_signals(x, name)
        if lengths is None:
            x, lengths = stack_samples(x, self.event_columns or self.layout, name)
        if self.event_columns:
            x = name_columns(x, self.event_columns, name)
        if self.steps is not None:
            if x.dtype.names is None and lengths is None and x.ndim != 1 + len(self.layout):
                sides = zip(self.layout, self.shape, strict=True)
                wanted = [f"up to {n}" if axis == "T" else f"{n}" for axis, n in sides]
                raise ValueError(f"{name} has shape {x.shape}: give (samples, {', '.join(wanted)})")
            signals, _ = interpret_axes(x, lengths, self.layout, name, self.binning)
            assert isinstance(signals, Signals)
            return self._prepare_signals(signals, name)
        if x.shape[1:] not in ((self.features,), self.shape):
            raise ValueError(
                f"{name} has shape {x.shape}: give (samples, {', '.join(map(str, self.shape))})"
            )
        check_numbers(x, name)
        rows = axes.to_rows(x.reshape(len(x), *self.shape), self.layout)
        self._check_scale(rows, name)
        if rows.dtype == np.uint8 and not self.low.any() and (self.high == 255).all():
            return rows
        return self._scale(rows)

    def _prepare_signals(self, signals: Signals, name: str) -> Signals:
        """Scale signals, and fill them up to the length of the longest."""
        assert self.steps is not None
        if signals.shape[2] != self.features:
            raise ValueError(
                f"{name} has {signals.shape[2]} channels: the network was trained on "
                f"{self.features}"
            )
        if (longest := signals.lengths.max(initial=1)) > self.steps:
            raise ValueError(
                f"{name} has signals of {longest} steps: the network was trained on up to "
                f"{self.steps}: cut them"
            )
        if self.events and not signals.events:
            raise ValueError(f"{name} holds more than 0 and 1: the network was trained on events")
        if self.events and signals.shape[1] == self.steps:
            return signals
        rows = signals.steps
        check_numbers(rows, name)
        if self.events:
            padded = Signals.from_rows(rows, signals.lengths, self.steps)
            return replace(padded, events=True)
        self._check_scale(rows, name)
        return Signals.from_rows(self._scale(rows), signals.lengths, self.steps)

    def _scale(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        scaled = np.clip((rows - self.low) / (self.high - self.low), 0, 1)
        return scaled.astype(np.float32)

    def _check_scale(self, rows: NDArray[Any], name: str) -> None:
        """Refuse bytes for numbers in [0, 1], and the other way round: all would be 1, or 0."""
        if not rows.size or self.low.any():
            return
        if rows.dtype == np.uint8 and (self.high == 1).all() and rows.max() > 1:
            raise ValueError(
                f"{name} holds bytes, and the network was trained on numbers in [0, 1]: give "
                f"{name} / 255"
            )
        unit = rows.dtype.kind == "f" and rows.min() >= 0 and rows.max() <= 1
        if unit and (self.high == 255).all() and (rows != np.rint(rows)).any():
            raise ValueError(
                f"{name} holds numbers in [0, 1], and the network was trained on bytes: give "
                f"(255 * {name}).astype('uint8')"
            )

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Height, width and, where there are several, channels; None where it is no image."""
        return axes.image_shape(self.shape, self.layout)

    @property
    def spec(self) -> SampleSpec:
        """Size and kind of the samples."""
        return SampleSpec(self.features, self.classes, self.steps, self.events)

    @property
    def features(self) -> int:
        """Number of features of a sample, or of channels of a signal."""
        return axes.count_features(self.shape, self.layout)

    @property
    def steps(self) -> int | None:
        """Steps of the longest signal; None where samples are none."""
        return axes.count_steps(self.shape, self.layout)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def is_scaling(self) -> bool:
        """True where features are changed by more than the division of bytes by 255."""
        return bool(self.low.any()) or not ((self.high == 1).all() or (self.high == 255).all())


def _read_binning(numbers: NDArray[Any], shape: tuple[int, ...], name: str) -> Binning:
    try:
        binning = Binning.from_numbers(numbers)
    except ValueError as error:
        raise FileFormatError(f"{name}: binning: {error}") from None
    if (binning.steps, binning.channels) != shape:
        raise FileFormatError(f"{name}: binning: is not of samples of shape {shape}")
    return binning
