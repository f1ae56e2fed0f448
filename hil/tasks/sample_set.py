"""Samples and labels of a user's own, in one form whatever they came as, and the data of a run.

In place of labels there may be real numbers to learn.

uint8 features are kept, 255 standing for 1. Others are kept as float32 when those of the training
part lie in [0, 1] and take up half of it at least. Otherwise the range of the training part becomes
[0, 1] (of each feature or channel by itself, for images the range of all pixels). What lies outside
it in the other parts is clipped.

As arrays by name, signals of different lengths stand one after the other in `x_PART`, with
`lengths_PART` beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from hil.tasks import labels
from hil.tasks import samples as axes
from hil.tasks.events import DEFAULT_BINS, Records, is_event_layout
from hil.tasks.preparation import Preparation, name_classes, name_targets
from hil.tasks.reading import Raw, check_lengths, check_numbers, join_samples, read_samples
from hil.tasks.samples import Kind, Signals
from hil.tasks.task import Arrays, Data, Size, split_off, stratified_split

NAMES = ("class_names", "feature_names")
LABEL_NAME = "label_name"  # of the one output for numbers, where nobody names outputs
TEST_SHARE = 0.2  # of the samples, where no test part is given
MOST_BINS = 100_000
PARTS = ("train", "test", "validation")
_TEST_SEED = 1797  # fixed, so that figures of runs with other seeds are about the same samples

Part = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples of one or several parts.

    Attributes:
        x: Samples by part, `train` first.
        y: Their labels, `(N,)` or one-hot `(N, C)`; or numbers to learn, `(N,)` or `(N, K)`.
        layout: Meaning of the axes of a sample, as in `hil.tasks.samples`.
        names: `class_names`, `feature_names` and `label_name`, where they are given.
        bins: Steps of records of events.
        event_columns: Columns of events that came as plain numbers; empty where none did.
        is_real: Whether numbers are learned.
        share: Share of the training part that is a test part once they are split.
    """

    x: Mapping[str, Raw]
    y: Mapping[str, NDArray[Any]]
    layout: str
    names: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    bins: int = DEFAULT_BINS
    event_columns: str = ""
    is_real: bool = False
    share: float = 0.0

    @classmethod
    def of_program(
        cls,
        x: ArrayLike,
        y: ArrayLike | None,
        *,
        test: Part | float = TEST_SHARE,
        validation: Part | None = None,
        class_names: Sequence[str] | None = None,
        feature_names: Sequence[str] | None = None,
        layout: str | None = None,
        problem: str | None = None,
    ) -> SampleSet:
        """Read samples that a program gave.

        Args:
            x: Features to learn from, `(N, n)`, or images or signals, as `hil.tasks.samples` tells
                them, or a sparse matrix; the columns of a table name the features.
            y: Their labels: `(N,)`, or one-hot `(N, C)`; or numbers to learn, `(N,)` or `(N, K)`.
            test: Features and labels to test with, or the share of the samples set aside for it, in
                the same mix of classes and always the same samples.
            validation: Features and labels to validate with.
            class_names: What each class is called, in ascending order of the labels, or each
                output for numbers.
            feature_names: What each feature is called.
            layout: What the axes of a sample are: `HW`, `HWC` or `CHW` of an image, `TC`, `CT` or
                `T` of a signal; or the columns of events that are rows of plain numbers, such as
                `txyp`.
            problem: `regression` learns y as numbers, `classification` as labels; None goes by y.

        Raises:
            ValueError: When they cannot be used.
        """
        if y is None:
            raise ValueError(
                "x without y: give the labels too, hil.train(x, y); batches of a loader are for "
                "hil.SpikingClassifier().fit_batches(loader, classes)"
            )
        if feature_names is None:
            columns = list(getattr(x, "columns", ()))
            feature_names = columns if all(isinstance(name, str) for name in columns) else []
        arrays: dict[str, Any] = {}
        for part, pair in (("train", (x, y)), ("test", test), ("validation", validation)):
            if pair is None or isinstance(pair, float | int):
                continue
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ValueError(f"{part} is no pair: give (x, y)")
            arrays[f"x_{part}"], lengths = join_samples(pair[0], layout, f"x_{part}")
            arrays[f"y_{part}"] = pair[1]
            if lengths is not None:
                arrays[f"lengths_{part}"] = lengths
        for name, texts in zip(NAMES, (class_names, feature_names), strict=True):
            if texts is not None and len(texts):
                arrays[name] = np.asarray([str(text) for text in texts])
        given = {"layout": layout, "problem": problem, LABEL_NAME: getattr(y, "name", None)}
        arrays |= {name: np.asarray(str(text)) for name, text in given.items() if text is not None}
        samples = cls.read(arrays)
        if isinstance(test, float | int):
            return samples.set_aside(test)
        samples.read_targets()
        return samples

    @classmethod
    def read(cls, arrays: Arrays) -> SampleSet:
        """Read samples by name: those of a file, or what `arrays` gave.

        Args:
            arrays: `x_train` and `y_train`, and what else there is of other parts, `lengths_train`
                and the like, `class_names`, `feature_names`, `layout`, `bins`.

        Raises:
            ValueError: When they are none, or those of one part unlike those of another.
        """
        asked = _read_text(arrays, "layout")
        x: dict[str, Raw] = {}
        y: dict[str, NDArray[Any]] = {}
        layout = asked
        for part in PARTS:
            if part == "train" or {f"x_{part}", f"y_{part}"} & {*arrays}:
                x[part], y[part], inferred = _read_part(arrays, part, layout)
                layout = layout or inferred or None
                _check_part(x[part], x["train"], f"x_{part}")
        names = {name: arrays[name] for name in (*NAMES, LABEL_NAME) if name in arrays}
        is_real = labels.is_regression(y["train"], _read_text(arrays, "problem"))
        columns = asked if asked is not None and is_event_layout(asked) else ""
        form = axes.STEPS if columns else layout or axes.TABLE
        return cls(x, y, form, names, _read_bins(arrays), columns, is_real)

    def arrays(self) -> Arrays:
        """Give them as arrays by name, which `read` takes."""
        arrays = dict(self.names)
        for part, x in self.x.items():
            rows = x.steps if isinstance(x, Signals) else x.events if isinstance(x, Records) else x
            arrays |= {f"x_{part}": rows, f"y_{part}": self.y[part]}
            if not isinstance(x, np.ndarray):
                arrays[f"lengths_{part}"] = x.lengths
        arrays["problem"] = np.asarray(labels.PROBLEMS[self.is_real])
        if self.layout:
            arrays["layout"] = np.asarray(self.event_columns or self.layout)
        return arrays

    @property
    def size(self) -> Size:
        """Number, size and kind of the samples to learn from."""
        if self.share:
            return self.split(in_order=False).size
        x = self.x["train"]
        if isinstance(x, Records):
            return Size(len(x), 0, "events")
        if isinstance(x, Signals):
            kind: Kind = "events" if x.events else "signals"
            return Size(len(x), x.shape[2], kind, int(x.lengths.mean()))
        return Size(len(x), x[:1].size)

    def set_aside(self, share: float) -> SampleSet:
        """Set a share of the training part aside as a test part.

        Raises:
            ValueError: When there is no such share, or the labels cannot be used.
        """
        numbers, _ = self.read_targets()
        if not 0 < share < 1:
            raise ValueError(f"test = {share}: give a share between 0 and 1, or the samples")
        stratified_split(numbers["train"], share, None)
        return replace(self, share=share)

    def split(self, *, in_order: bool) -> SampleSet:
        """Split off the test part that is set aside: always the same samples, or the last ones.

        Args:
            in_order: Whether samples follow each other in time.
        """
        if not self.share:
            return self
        numbers, _ = self.read_targets()
        rng = None if in_order else np.random.default_rng(_TEST_SEED)
        kept, left = stratified_split(numbers["train"], self.share, rng)
        x, y = self.x["train"], self.y["train"]
        parts = {"train": kept, "test": left}
        return replace(
            self,
            x={**self.x, **{part: x[rows] for part, rows in parts.items()}},
            y={**self.y, **{part: y[rows] for part, rows in parts.items()}},
            share=0.0,
        )

    def read_targets(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Read what each part is to give, and name what outputs stand for, for a preparation.

        Returns:
            `(N,)` the class of each sample, or `(N, K)` the numbers to learn as they were given.

        Raises:
            ValueError: When they are no labels of so many samples, or some that training lacks.
        """
        if self.is_real:
            targets = {
                part: labels.check_targets(y, len(self.x[part]), f"y_{part}")
                for part, y in self.y.items()
            }
            named = name_targets(targets["train"])
            if targets["train"].shape[1] == 1 and LABEL_NAME in self.names:
                named["class_names"] = np.atleast_1d(self.names[LABEL_NAME])
            return targets, named
        single = {
            part: labels.check_single(y, len(self.x[part]), f"y_{part}")
            for part, y in self.y.items()
        }
        classes = labels.find_classes(single["train"], self.y["train"])
        numbers = {
            part: labels.number_labels(y, classes, f"y_{part}") for part, y in single.items()
        }
        return numbers, name_classes(classes)

    def build(self, rng: Generator | None, validation_fraction: float) -> Data:
        """Make the data of a run; without a test part where there is none.

        Args:
            rng: Draws the validation part where there is none; None of samples that follow each
                other in time, whose last ones are set aside.
            validation_fraction: Share of the training samples set aside for validation then.

        Raises:
            ValueError: When the samples cannot be used.
        """
        if self.share:
            return self.split(in_order=rng is None).build(rng, validation_fraction)
        y, outputs = self.read_targets()
        names = outputs | {name: self.names[name] for name in NAMES if name in self.names}
        parts = {f"x_{part}": raw for part, raw in self.x.items()}
        columns = self.event_columns
        preparation = Preparation.fit(parts, self.layout, self.bins, event_columns=columns, **names)
        if self.is_real:
            y = {part: preparation.scale_targets(targets) for part, targets in y.items()}
        x = {part: preparation.apply(raw, f"x_{part}") for part, raw in self.x.items()}
        split: dict[str, Any] = {f"x_{part}": rows for part, rows in x.items()}
        split |= {f"y_{part}": numbers for part, numbers in y.items()}
        if "validation" not in x:
            split |= split_off(x["train"], y["train"], validation_fraction, rng)
        split.setdefault("x_test", x["train"][:0])
        split.setdefault("y_test", y["train"][:0])
        return Data(
            **split,
            classes=preparation.classes,
            image_shape=preparation.image_shape,
            fitted=preparation,
        )


def _read_part(arrays: Arrays, part: str, layout: str | None) -> tuple[Raw, NDArray[Any], str]:
    """Read samples and labels of a part, and the layout of the samples."""
    key, train = f"x_{part}", arrays.get("x_train", np.empty(0))
    if not {key, f"y_{part}"} <= {*arrays}:
        raise ValueError(f"holds no pair of {key} and y_{part}: give both")
    x, y = arrays[key], np.atleast_1d(labels.read_labels(arrays[f"y_{part}"], f"y_{part}"))
    lengths = arrays.get(f"lengths_{part}")
    if lengths is not None:
        lengths = check_lengths(lengths, len(y), f"lengths_{part}")
    elif "lengths_train" in arrays:
        raise ValueError(f"{key} has no lengths, which x_train has: give lengths_{part}")
    elif x.ndim != train.ndim:
        raise _refuse_shape(key, x, train)
    if (x.dtype == np.uint8) != (train.dtype == np.uint8):
        raise ValueError(
            f"{key} is {x.dtype} and x_train {train.dtype}: give uint8 in all parts or in none"
        )
    raw, inferred = read_samples(x, lengths, layout, key)
    return raw, y, inferred


def _check_part(raw: Raw, train: Raw, key: str) -> None:
    """Refuse a part that is empty, unlike the training part, or not of numbers."""
    if 0 in raw.shape:
        raise ValueError(f"{key} is empty, its shape is {raw.shape}: give some samples")
    begin = 2 if isinstance(raw, Signals) else 1
    if type(raw) is not type(train) or raw.shape[begin:] != train.shape[begin:]:
        raise _refuse_shape(key, raw, train)
    if isinstance(raw, np.ndarray):
        check_numbers(raw, key)
    elif isinstance(raw, Signals):
        check_numbers(raw.steps, key)


def _refuse_shape(key: str, x: Raw, train: Raw) -> ValueError:
    return ValueError(
        f"{key} has samples of shape {x.shape[1:]}, x_train of {train.shape[1:]}: give the same"
    )


def _read_text(arrays: Arrays, key: str) -> str | None:
    return str(arrays[key].ravel()[0]) or None if key in arrays and arrays[key].size else None


def _read_bins(arrays: Arrays) -> int:
    bins = arrays.get("bins", np.asarray(DEFAULT_BINS))
    if bins.size != 1 or bins.dtype.kind not in "iu" or not 1 <= bins.ravel()[0] <= MOST_BINS:
        raise ValueError(f"bins is {bins.ravel()[:1]}: give a whole number, 1 to {MOST_BINS}")
    return int(bins.ravel()[0])
