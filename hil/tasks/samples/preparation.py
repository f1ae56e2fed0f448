"""What stands between what a user has and what a network takes: scaling of features, and labels.

It is fitted once, on the training part, and kept with a run, so that new samples are shown to the
network as the first ones were and its answers come back as the labels that were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError
from hil.tasks.samples import layout, raw
from hil.tasks.samples.events import Binning
from hil.tasks.samples.signals import Signals
from hil.tasks.samples.spec import SampleSpec

Features = NDArray[np.uint8] | NDArray[np.float32]
"""`(N, n_features)`: uint8 where 255 stands for 1, or float32 in [0, 1]."""
Samples = Features | Signals
"""Features, or signals likewise, `(N, T, n_channels)`."""

FORM = {"shape": "iu", "layout": "U", "events": "b", "binning": "f"}
KEYS = {"low": "f", "high": "f", "labels": "biuU", "class_names": "U", "feature_names": "U"}


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
        layout: What the axes of an image are, as `hil.tasks.samples.layout` has it.
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

    @classmethod
    def none(
        cls,
        shape: tuple[int, ...],
        axes: str,
        classes: int,
        *,
        most: float = 1.0,
        events: bool = False,
    ) -> Preparation:
        """That of samples that come as the network takes them, with classes by number.

        Args:
            shape: That of a sample.
            axes: Their layout.
            classes: C.
            most: What stands for 1: 255 for bytes, else 1.
            events: Whether signals are events.
        """
        size = layout.features(shape, axes)
        return cls(
            low=np.zeros(size),
            high=np.full(size, most),
            labels=np.arange(classes),
            class_names=np.arange(classes).astype(str),
            feature_names=np.empty(0, str),
            shape=shape,
            layout=axes,
            events=events,
        )

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], name: str) -> Preparation:
        """From what `arrays` gave.

        Args:
            arrays: The arrays by name.
            name: What a refusal calls the file.

        Raises:
            FileFormatError: When they are none of a preparation.
        """
        for key, kinds in {**KEYS, **FORM}.items():
            if key not in arrays:
                raise FileFormatError(f"{name}: {key}: is missing")
            if arrays[key].ndim != 1 or arrays[key].dtype.kind not in kinds:
                found = arrays[key]
                raise FileFormatError(f"{name}: {key}: is {found.dtype} of shape {found.shape}")
        shape = tuple(int(side) for side in arrays["shape"][:4])
        axes = str("".join(arrays["layout"][:1]))
        dimensions = len(axes) if axes in layout.KNOWN else 1 if axes == layout.TABLE else 0
        if len(shape) != dimensions:
            raise FileFormatError(f"{name}: layout: {axes[:9]!r} of samples of shape {shape}")
        if min(shape) < 1:
            raise FileFormatError(f"{name}: shape: {shape}")
        size, classes = layout.features(shape, axes), len(arrays["labels"])
        lengths = {"low": (size,), "high": (size,), "feature_names": (0, size)}
        for key, allowed in {**lengths, "class_names": (classes,)}.items():
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
        binning = _binning(arrays["binning"], shape, name) if len(arrays["binning"]) else None
        if (binning is not None and not events) or (events and axes not in layout.SIGNALS):
            raise FileFormatError(f"{name}: events: those of samples that are no events")
        texts = (arrays["labels"], arrays["class_names"], arrays["feature_names"])
        return cls(low, high, *texts, shape, axes, events, binning)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays by name, which `restored` takes."""
        kept = {key: getattr(self, key) for key in KEYS}
        form = {
            "shape": np.asarray(self.shape),
            "layout": np.asarray([self.layout]),
            "events": np.asarray([self.events]),
            "binning": np.asarray([] if self.binning is None else self.binning.numbers),
        }
        return {**kept, **form}

    def apply(self, x: Any, name: str = "x", lengths: raw.Lengths | None = None) -> Samples:
        """Samples as the network takes them.

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
            return self._signals(x, name)
        if lengths is None:
            x, lengths = raw.flat(x, self.layout, name)
        if self.steps is not None:
            wanted = [f"up to {n}" if a == "T" else f"{n}" for a, n in self._sides]
            if x.dtype.names is None and lengths is None and x.ndim != 1 + len(self.layout):
                raise ValueError(f"{name} has shape {x.shape}: give (samples, {', '.join(wanted)})")
            found, _ = raw.taken(x, lengths, self.layout, name, self.binning)
            assert isinstance(found, Signals)
            return self._signals(found, name)
        if x.shape[1:] not in ((self.features,), self.shape):
            raise ValueError(
                f"{name} has shape {x.shape}: give (samples, {', '.join(map(str, self.shape))})"
            )
        check_numbers(x, name)
        rows = layout.rows(x.reshape(len(x), *self.shape), self.layout)
        self._check_scale(rows, name)
        if rows.dtype == np.uint8 and not self.low.any() and (self.high == 255).all():
            return rows
        return self._scaled(rows)

    def _signals(self, found: Signals, name: str) -> Signals:
        """Signals, scaled and filled up to the length of the longest."""
        assert self.steps is not None
        if found.shape[2] != self.features:
            raise ValueError(
                f"{name} has {found.shape[2]} channels: the network was trained on {self.features}"
            )
        most = found.lengths.max(initial=1)
        if most > self.steps:
            raise ValueError(
                f"{name} has signals of {most} steps: the network was trained on up to "
                f"{self.steps}: cut them"
            )
        if self.events and not found.events:
            raise ValueError(f"{name} holds more than 0 and 1: the network was trained on events")
        if self.events and found.shape[1] == self.steps:
            return found
        rows = found.steps
        check_numbers(rows, name)
        if self.events:
            return replace(Signals.padded(rows, found.lengths, self.steps), events=True)
        self._check_scale(rows, name)
        return Signals.padded(self._scaled(rows), found.lengths, self.steps)

    def _scaled(self, rows: NDArray[Any]) -> NDArray[np.float32]:
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
        return layout.image_shape(self.shape, self.layout)

    @property
    def spec(self) -> SampleSpec:
        """Size and kind of the samples."""
        return SampleSpec(self.features, self.classes, self.steps, self.events)

    @property
    def features(self) -> int:
        """Number of features of a sample, or of channels of a signal."""
        return layout.features(self.shape, self.layout)

    @property
    def steps(self) -> int | None:
        """Steps of the longest signal; None where samples are none."""
        return layout.steps(self.shape, self.layout)

    @property
    def _sides(self) -> Iterable[tuple[str, int]]:
        return zip(self.layout, self.shape, strict=True)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def scales(self) -> bool:
        """Whether features are changed by more than the division of bytes by 255."""
        return bool(self.low.any()) or not ((self.high == 1).all() or (self.high == 255).all())


def _binning(numbers: NDArray[Any], shape: tuple[int, ...], name: str) -> Binning:
    try:
        found = Binning.of(numbers)
    except ValueError as error:
        raise FileFormatError(f"{name}: binning: {error}") from None
    if (found.steps, found.channels) != shape:
        raise FileFormatError(f"{name}: binning: is not of samples of shape {shape}")
    return found


def check_numbers(x: NDArray[Any], name: str) -> None:
    """Refuse features that are not finite real numbers.

    Raises:
        ValueError: When they are not.
    """
    if x.dtype.kind not in "buif":
        raise ValueError(f"{name} is {x.dtype}: give real numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinity: clean the data first")
