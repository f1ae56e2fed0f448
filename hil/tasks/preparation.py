"""From samples in one form to what a network takes: scaling, lengths and labels.

How samples are scaled and labelled is fitted once, on the training part, and kept with a run, so
that new samples are shown to the network as the first ones were and its answers come back as the
labels that were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    ValidationError,
    model_validator,
)

from drivers.files.bounded import check_schema, describe_first
from hil.tasks import samples as axes
from hil.tasks.events import Binning, Records, is_event_layout
from hil.tasks.reading import Raw, check_numbers, join_samples, read_samples
from hil.tasks.samples import Lengths, Samples, SampleSpec, Signals

FILLED = 0.5  # of [0, 1]: numbers that take up less of it are in some small unit


def _read_array(values: Any, kinds: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in kinds):
        raise ValueError(f"is {array.dtype} of shape {array.shape}")
    return array


_AS_LIST = PlainSerializer(lambda array: array.tolist())
Numbers = Annotated[
    NDArray[np.float64],
    BeforeValidator(lambda values: _read_array(values, "iuf").astype(np.float64)),
    _AS_LIST,
]
Texts = Annotated[
    NDArray[np.str_], BeforeValidator(lambda values: _read_array(values, "U").astype(str)), _AS_LIST
]


def name_classes(labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Name classes by their labels, as a preparation takes them."""
    return {"labels": labels, "class_names": labels.astype(str)}


def name_targets(targets: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Name outputs for real numbers by theirs; 0 and 1 stand for the range of those to train on.

    Args:
        targets: `(N, K)`.
    """
    low, high = targets.min(axis=0), targets.max(axis=0)
    high = np.where(high > low, high, low + 1)
    return {**name_classes(np.arange(len(low))), "target_low": low, "target_high": high}


Labelling = Annotated[
    NDArray[Any], BeforeValidator(lambda values: _read_array(values, "biuU")), _AS_LIST
]


class Preparation(BaseModel):
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
        target_low: `(K,)` what an output of 0 stands for, where targets are real numbers; else
            `(0,)`. `labels` and `class_names` are then those of the outputs.
        target_high: The same of 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    low: Numbers
    high: Numbers
    labels: Labelling
    class_names: Texts
    feature_names: Texts = Field(default_factory=lambda: np.empty(0, str))
    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=3)]
    layout: Literal["", "HW", "HWC", "CHW", "TC", "CT", "T"]
    events: bool = False
    binning: Binning | None = None
    event_columns: str = ""
    target_low: Numbers = Field(default_factory=lambda: np.empty(0))
    target_high: Numbers = Field(default_factory=lambda: np.empty(0))

    @model_validator(mode="after")
    def _check(self) -> Preparation:
        """Refuse what does not go together."""
        if len(self.shape) != (len(self.layout) or 1):
            raise ValueError(f"layout {self.layout!r} of samples of shape {self.shape}")
        sizes = {"low": [self.features], "high": [self.features]}
        sizes |= {"target_low": [0, self.classes], "target_high": [len(self.target_low)]}
        sizes |= {"feature_names": [0, self.features], "class_names": [self.classes]}
        for key, allowed in sizes.items():
            array = getattr(self, key)
            if len(array) not in allowed:
                kind = "texts" if array.dtype.kind == "U" else "numbers"
                raise ValueError(f"{key} has shape {array.shape}: give {allowed[-1]} {kind}")
        if self.classes < 2 - self.is_real or len(np.unique(self.labels)) != self.classes:
            raise ValueError(f"{self.classes} labels are fewer than two, or one is there twice")
        for low, high in ((self.low, self.high), (self.target_low, self.target_high)):
            if not (np.isfinite([low, high]).all() and (high > low).all()):
                raise ValueError("high is not above low everywhere")
        if self.events and self.steps is None:
            raise ValueError("events of samples that are no signals")
        if self.binning is not None:
            if not self.events or (self.binning.steps, self.binning.channels) != self.shape:
                raise ValueError(f"binning is not of samples of shape {self.shape}")
        elif self.event_columns:
            raise ValueError("event_columns of samples that are no records")
        if self.event_columns and not is_event_layout(self.event_columns):
            raise ValueError(f"event_columns {self.event_columns[:9]!r} are none")
        return self

    @classmethod
    def fit(cls, parts: Mapping[str, Raw], layout: str, bins: int, **names: Any) -> Preparation:
        """Fit the preparation that the training part asks for.

        Args:
            parts: Samples of each part by what a refusal calls them, the training part first.
            layout: Their layout.
            bins: Steps of records of events.
            **names: Labels, names, and columns of events.

        Raises:
            ValueError: When names are not as many as there are classes or features.
        """
        train, *_ = parts.values()
        if isinstance(train, Records):
            records = {key: part for key, part in parts.items() if isinstance(part, Records)}
            binning = Binning.fit(records, bins)
            binned = (binning.steps, binning.channels)
            return cls._scale_none(binned, layout, events=True, binning=binning, **names)
        shape: tuple[int, ...] = train.shape[1:]
        rows = axes.to_rows(train, layout) if isinstance(train, np.ndarray) else train.steps
        if isinstance(train, Signals):  # as long as the longest of any part
            sides = {"T": max(part.shape[1] for part in parts.values()), "C": shape[1]}
            shape = tuple(sides[axis] for axis in layout)
            if train.events:
                return cls._scale_none(shape, layout, events=True, **names)
        if rows.dtype == np.uint8:
            return cls._scale_none(shape, layout, highest=255.0, **names)
        low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
        if low.min() >= 0 and high.max() <= 1 and high.max() - low.min() >= FILLED:
            return cls._scale_none(shape, layout, **names)
        if layout in axes.IMAGES:
            low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        high = np.where(high > low, high, low + 1)  # a constant says nothing
        return cls._make(low=low, high=high, shape=shape, layout=layout, **names)

    @classmethod
    def identity(
        cls,
        shape: tuple[int, ...],
        layout: str,
        classes: int,
        *,
        highest: float = 1.0,
        events: bool = False,
        real: bool = False,
    ) -> Preparation:
        """Make that of samples that come as the network takes them, with classes by number.

        Args:
            shape: That of a sample.
            layout: Their layout.
            classes: C.
            highest: What stands for 1: 255 for bytes, else 1.
            events: Whether signals are events.
            real: Whether there are outputs for real numbers in place of classes.
        """
        names = name_classes(np.arange(classes))
        if real:
            names = name_targets(np.tile([[0.0], [1.0]], classes))
        return cls._scale_none(shape, layout, highest=highest, events=events, **names)

    @classmethod
    def _scale_none(
        cls, shape: tuple[int, ...], layout: str, *, highest: float = 1.0, **more: Any
    ) -> Preparation:
        size = axes.count_features(shape, layout)
        low, high = np.zeros(size), np.full(size, highest)
        return cls._make(low=low, high=high, shape=shape, layout=layout, **more)

    @classmethod
    def _make(cls, **values: Any) -> Preparation:
        try:
            return cls(**values)
        except ValidationError as error:
            raise ValueError(describe_first(error)) from None

    @classmethod
    def from_json(cls, values: Any, name: str) -> Preparation:
        """Make one of what `as_json` gave.

        Args:
            values: The values, as they stand in a file.
            name: What a refusal calls the file.

        Raises:
            FileFormatError: When they are none of a preparation.
        """
        return cls.model_validate(check_schema(cls, values, name))

    def as_json(self) -> dict[str, Any]:
        """Give it in numbers, texts and lists, as the files of a run keep it."""
        return self.model_dump(mode="json")

    def apply(self, x: Any, name: str = "x", lengths: Lengths | None = None) -> Samples:
        """Make of samples what the network takes.

        Args:
            x: `(N, n)` or `(N, *shape)`, real numbers; signals may have fewer steps, or be a list
                of one for each sample; or samples in one form.
            name: What a refusal calls it.
            lengths: Of signals that stand one after the other, or are filled up.

        Returns:
            `(N, n)`: bytes where bytes were given and 255 stands for 1, else float32 in [0, 1]. The
            channels of a pixel stand side by side, whatever the layout. Signals of float32
            likewise, or of bytes where they are events.

        Raises:
            ValueError: When these are no such samples.
        """
        if not isinstance(x, Signals | Records):
            x = self._read(x, lengths, name)
        if isinstance(x, Records):
            if self.binning is None:
                raise ValueError(f"{name} holds events: the network was trained on other samples")
            x = self.binning.apply(x, name)
        if isinstance(x, Signals):
            return self._prepare_signals(x, name)
        rows = axes.to_rows(x.reshape(len(x), *self.shape), self.layout)
        self._check_rows(rows, name)
        if rows.dtype == np.uint8 and not self.low.any() and (self.high == 255).all():
            return rows
        return self._scale(rows)

    def _read(self, x: Any, lengths: Lengths | None, name: str) -> Raw:
        """Read samples as those of the training part were, or features and images as rows."""
        if self.steps is not None:
            return read_samples(x, lengths, self.event_columns or self.layout, name)[0]
        raw, _ = join_samples(x, None, name)
        if raw.shape[1:] not in ((self.features,), self.shape):
            raise ValueError(
                f"{name} has shape {raw.shape}: give (samples, {', '.join(map(str, self.shape))})"
            )
        return raw

    def _prepare_signals(self, signals: Signals, name: str) -> Signals:
        """Scale signals, and fill them up to the length of the longest."""
        if self.steps is None or signals.shape[2] != self.features:
            raise ValueError(
                f"{name} has {signals.shape[2]} channels: the network was trained on "
                f"{self.features}"
            )
        if (longest := signals.lengths.max(initial=1)) > self.steps:
            raise ValueError(
                f"{name} has signals of {longest} steps: the network was trained on up to "
                f"{self.steps}: cut them"
            )
        if not self.events:
            self._check_rows(signals.steps, name)
            return Signals.from_rows(self._scale(signals.steps), signals.lengths, self.steps)
        if not signals.events:
            raise ValueError(f"{name} holds more than 0 and 1: the network was trained on events")
        if signals.shape[1] == self.steps:
            return signals
        padded = Signals.from_rows(signals.steps, signals.lengths, self.steps)
        return Signals(padded.values, padded.lengths, events=True)

    def _scale(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        scaled = np.clip((rows - self.low) / (self.high - self.low), 0, 1)
        return scaled.astype(np.float32)

    def _check_rows(self, rows: NDArray[Any], name: str) -> None:
        """Refuse what are no numbers; and bytes for numbers in [0, 1], or the other way round."""
        check_numbers(rows, name)
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
    def event_sides(self) -> tuple[int, ...]:
        """Polarities, height and width of where events are; empty where that is no image."""
        sides = () if self.binning is None else self.binning.sides
        return sides if min(sides[1:], default=1) > 1 else ()

    @property
    def spec(self) -> SampleSpec:
        """Size and kind of the samples."""
        return SampleSpec(self.features, self.classes, self.steps, self.events, self.is_real)

    @property
    def is_real(self) -> bool:
        """Tell if outputs stand for real numbers, and not for classes."""
        return len(self.target_low) > 0

    def scale_targets(self, y: NDArray[Any]) -> NDArray[np.float32]:
        """Make of real targets `(N, K)` what the outputs are to give.

        Raises:
            ValueError: When there are more or fewer than outputs.
        """
        if y.shape[1:] != (self.classes,):
            raise ValueError(f"{y.shape[1]} numbers for each sample: give {self.classes}")
        scaled: NDArray[Any] = (y - self.target_low) / (self.target_high - self.target_low)
        return scaled.astype(np.float32)

    def read_outputs(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Make of what the outputs give the numbers that it stands for, `(N, K)`."""
        numbers: NDArray[np.float64] = self.target_low + logits * (
            self.target_high - self.target_low
        )
        return numbers

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
