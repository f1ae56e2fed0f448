"""What stands between what a user has and what a network takes: scaling of features, and labels.

It is fitted once, on the training part, and kept with a run, so that new samples are shown to the
network as the first ones were and its answers come back as the labels that were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.contract.errors import FileFormatError
from hil.tasks.samples import layout
from hil.tasks.samples.signals import Signals
from hil.tasks.samples.spec import SampleSpec

Features = NDArray[np.uint8] | NDArray[np.float32]
"""`(N, n_features)`: uint8 where 255 stands for 1, or float32 in [0, 1]."""
Samples = Features | Signals
"""Features, or signals likewise, `(N, T, n_channels)`."""

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

    @classmethod
    def none(cls, shape: tuple[int, ...], axes: str, classes: int, most: float) -> Preparation:
        """That of samples that come as the network takes them, with classes by number.

        Args:
            shape: That of a sample.
            axes: Their layout.
            classes: C.
            most: What stands for 1: 255 for bytes, else 1.
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
        for key, kinds in {**KEYS, "shape": "iu", "layout": "U"}.items():
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
        texts = (arrays["labels"], arrays["class_names"], arrays["feature_names"])
        return cls(low, high, *texts, shape, axes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays by name, which `restored` takes."""
        kept = {key: getattr(self, key) for key in KEYS}
        return {**kept, "shape": np.asarray(self.shape), "layout": np.asarray([self.layout])}

    def apply(self, x: NDArray[Any], name: str = "x") -> Samples:
        """Samples as the network takes them.

        Args:
            x: `(N, n)` or `(N, *shape)`, real numbers; a signal may have fewer steps.
            name: What a refusal calls it.

        Returns:
            `(N, n)`: bytes where bytes were given and 255 stands for 1, else float32 in [0, 1]. The
            channels of a pixel stand side by side, whatever the layout. Signals of float32
            likewise.

        Raises:
            ValueError: When these are no such samples.
        """
        if self.steps is not None:
            return self._signals(x, name)
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

    def _signals(self, x: NDArray[Any], name: str) -> Signals:
        assert self.steps is not None
        wanted = dict(zip(self.layout, self.shape, strict=True))
        found = dict(zip(self.layout, x.shape[1:], strict=False))
        if x.ndim != 1 + len(self.layout) or {**found, "T": self.steps} != wanted:
            sides = ", ".join(f"up to {n}" if axis == "T" else f"{n}" for axis, n in wanted.items())
            raise ValueError(f"{name} has shape {x.shape}: give (samples, {sides})")
        if not 1 <= found["T"] <= self.steps:
            raise ValueError(
                f"{name} has {found['T']} steps, and the network was trained on up to "
                f"{self.steps}: cut it"
            )
        check_numbers(x, name)
        raw = Signals.whole(layout.signals(x, self.layout))
        self._check_scale(raw.steps, name)
        return Signals.padded(self._scaled(raw.steps), raw.lengths, self.steps)

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
        return SampleSpec(self.features, self.classes, self.steps)

    @property
    def features(self) -> int:
        """Number of features of a sample, or of channels of a signal."""
        return layout.features(self.shape, self.layout)

    @property
    def steps(self) -> int | None:
        """Steps of the longest signal; None where samples are none."""
        return layout.steps(self.shape, self.layout)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def scales(self) -> bool:
        """Whether features are changed by more than the division of bytes by 255."""
        return bool(self.low.any()) or not ((self.high == 1).all() or (self.high == 255).all())


def check_numbers(x: NDArray[Any], name: str) -> None:
    """Refuse features that are not finite real numbers.

    Raises:
        ValueError: When they are not.
    """
    if x.dtype.kind not in "buif":
        raise ValueError(f"{name} is {x.dtype}: give real numbers")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinity: clean the data first")
