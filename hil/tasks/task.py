"""Tasks: named, fixed questions with training, validation and test samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from math import ceil, prod
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.tasks import samples as axes
from hil.tasks.labels import PROBLEMS, Labels, Targets
from hil.tasks.preparation import Preparation
from hil.tasks.samples import Features, Kind, Samples, SampleSpec, Signals

Arrays = dict[str, NDArray[Any]]
"""Arrays by role and part, such as `x_train`."""
Sections = Mapping[str, Mapping[str, object]]
"""Settings by section of the configuration of a run."""
PARTS = ("train", "validation", "test")

FEW, IMAGE = 50, 400  # features: below, a table; from, an image of some size
LONG = 50  # steps of a signal: below, each is held for two of the device
FEW_SIGNALS = 100  # below, a network is told the time in place of learning what order means

# What suits samples in time: learning step by step, a network that remembers, and a readout that
# tells more than a few spikes. Chosen on validation samples: docs/configuration.md.
BY_TRACES = {"clock": "trace", "feedback": "learned", "recurrent_feedback": 0.2}
IN_TIME: Sections = {
    "network": {"hidden": [200], "recurrent": True, "full_scale": 6.0},
    "rule": {"name": "adfa", **BY_TRACES, "gain": 5.0},
    "readout": {"source": "both"},
    "optimiser": {"learning_rate": 4e-3},
}
IN_TIME_BY_RULE: Mapping[str, Sections] = {
    "dfa": {"rule": {"name": "dfa", **BY_TRACES}},
    "bptt": {"optimiser": {"learning_rate": 3e-3}},
}


@dataclass(frozen=True, eq=False)
class Data:
    """The samples of a task, in three parts that share none.

    Images stay uint8 where they came as such, a quarter of the memory of float32; `batch` gives
    the rows at hand as float32.

    Attributes:
        x_train: Features to learn from, `(N, n_features)`, or signals, `(N, T, n_channels)`.
        y_train: Their labels, `(N,)`; or real targets, `(N, K)` float32, as the outputs give them.
        x_validation: Samples to choose settings with, possibly none, `(0, ...)`.
        y_validation: Their labels or targets.
        x_test: Samples for the final figure alone, none where nothing is to be tested.
        y_test: Their labels or targets.
        classes: Number of classes, or K.
        image_shape: `(height, width)` where a row of features is an image in row-major order, or
            `(height, width, channels)`.
        fitted: How features were scaled and labels numbered, where that followed from the samples.
        weights_train: Factor of the loss of each sample to learn from, `(N,)`; None is 1.
    """

    x_train: Samples
    y_train: Labels | Targets
    x_validation: Samples
    y_validation: Labels | Targets
    x_test: Samples
    y_test: Labels | Targets
    classes: int
    image_shape: tuple[int, ...] | None = None
    fitted: Preparation | None = None
    weights_train: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Refuse what a run could not use."""
        if self.classes < 2 - self.is_real:
            raise ValueError(f"number of classes is {self.classes}: a task needs at least 2")
        for part in PARTS:
            x = getattr(self, f"x_{part}")
            y = getattr(self, f"y_{part}")
            _check_part(part, x, y, self.classes)
            if y.ndim != self.y_train.ndim:
                raise ValueError(f"y_{part} and y_train: give labels in both, or real numbers")
            if x.shape[1:] != self.x_train.shape[1:]:
                raise ValueError(
                    f"x_{part} has samples of shape {x.shape[1:]}, x_train of "
                    f"{self.x_train.shape[1:]}: give the same"
                )
        if len(self.x_train) == 0:
            raise ValueError("x_train is empty: give at least one sample")
        if self.weights_train is not None:
            _check_weights(self.weights_train, len(self.y_train))
        if self.image_shape is not None and prod(self.image_shape) != self.features:
            raise ValueError(
                f"image shape is {self.image_shape}, but a sample has {self.features} features"
            )

    @property
    def is_real(self) -> bool:
        """Tell if targets are real numbers."""
        return self.y_train.ndim == 2

    @property
    def spec(self) -> SampleSpec:
        """Size and kind of the samples."""
        if isinstance(self.x_train, Signals):
            _, steps, channels = self.x_train.shape
            return SampleSpec(channels, self.classes, steps, self.x_train.events, self.is_real)
        return SampleSpec(self.x_train.shape[1], self.classes, real=self.is_real)

    @property
    def features(self) -> int:
        """Number of features of a sample, or of channels of a signal."""
        return self.spec.features

    @property
    def preparation(self) -> Preparation:
        """The preparation that makes such samples of new ones."""
        if self.fitted is not None:
            return self.fitted
        shape, real = self.x_train.shape[1:], self.is_real
        if isinstance(self.x_train, Signals):
            events = self.x_train.events
            return Preparation.identity(shape, axes.STEPS, self.classes, events=events, real=real)
        layout = axes.TABLE
        if self.image_shape is not None:
            shape = self.image_shape
            layout = axes.GREY if len(shape) == 2 else axes.LAST
        highest = 255.0 if self.x_train.dtype == np.uint8 else 1.0
        return Preparation.identity(shape, layout, self.classes, highest=highest, real=real)

    @property
    def arrays(self) -> Arrays:
        """The samples and labels by name, as a file of them has it."""
        arrays: Arrays = {}
        for part in PARTS:
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if not len(y):
                continue
            arrays |= {f"x_{part}": x, f"y_{part}": y}
            if isinstance(x, Signals):
                arrays |= {f"x_{part}": x.steps, f"lengths_{part}": x.lengths}
            elif self.image_shape is not None:
                arrays[f"x_{part}"] = x.reshape(len(x), *self.image_shape)
        arrays["problem"] = np.asarray(PROBLEMS[self.is_real])
        if self.image_shape is not None:
            arrays["layout"] = np.asarray(axes.GREY if len(self.image_shape) == 2 else axes.LAST)
        return arrays

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all samples and labels, in hexadecimal digits."""
        digest = sha256()
        for part in PARTS:
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            own = (x.steps, x.lengths) if isinstance(x, Signals) else (x,)
            for array in (*own, y):
                digest.update(f"{array.dtype.str} {array.shape} ".encode())
                digest.update(np.ascontiguousarray(array).data)
        if self.weights_train is not None:
            digest.update(np.ascontiguousarray(self.weights_train).data)
        return digest.hexdigest()

    @overload
    @staticmethod
    def batch(rows: Features) -> NDArray[np.float32]: ...
    @overload
    @staticmethod
    def batch(rows: Signals) -> Signals: ...
    @staticmethod
    def batch(rows: Samples) -> NDArray[np.float32] | Signals:
        """Bring samples into the form that the loop takes.

        Args:
            rows: `(B, ...)`, for instance `data.x_train[chosen]`.

        Returns:
            `(B, n_features)` float32 in [0, 1], or signals likewise.
        """
        if isinstance(rows, Signals):
            return replace(rows, values=rows.values.astype(np.float32, copy=False))
        if rows.dtype == np.uint8:
            return rows * np.float32(1 / 255)
        return rows.astype(np.float32, copy=False)


@dataclass(frozen=True)
class Task:
    """A task by name.

    Attributes:
        name: What a run's configuration calls it.
        description: One line: what is told apart from what.
        load: Gives the samples. Takes the generator that draws the validation part and the
            fraction of the training samples that it takes, 0 (none) to below 1; a task that
            brings its own validation part ignores both.
        defaults: Settings that suit the task, by section of the run's configuration.
        by_rule: Settings in which a rule differs from them, by its name.
        files: Gives the files that the samples come from, where there are any.
        parts: One line: which samples are the test part, where nobody else draws them so.
    """

    name: str
    description: str
    load: Callable[[Generator, float], Data]
    defaults: Sections = field(default_factory=dict)
    by_rule: Mapping[str, Sections] = field(default_factory=dict)
    files: Callable[[], Sequence[Path]] = tuple
    parts: str = ""


@dataclass(frozen=True)
class Size:
    """Number and size of the samples that are learned from.

    Attributes:
        samples: How many there are.
        features: Features of each, or channels of a signal; 0 where that is not told.
        kind: Features, signals or events.
        steps: Steps of a signal, of different lengths on average; 0 where that is not told.
    """

    samples: int
    features: int
    kind: Kind = "features"
    steps: int = 0


def suggest_settings(size: Size) -> Sections:
    """Suggest settings that suit a set of samples.

    A small set is learned in small batches, and any set in about 2000 steps at least. Few
    features are shown stronger, beside an input that is always on, as in `yinyang`; few channels of
    signals through receptive fields, for twice as long where they are short. Signals are learned
    from step by step, by a network that projects to itself. Of short ones, fewer than 100
    are too few to learn what order means: fewer fields, others of the time, and a plain network
    generalise better.
    """
    if size.samples < 1:
        return {}
    batch = min(max(size.samples // 25, 10), 100)
    epochs = min(max(ceil(2000 * batch / size.samples), 10), 200)
    sections: dict[str, Mapping[str, object]] = {"training": {"batch": batch, "epochs": epochs}}
    sections["network"] = {"hidden": [200]}
    if size.kind != "features":
        sections |= IN_TIME
        if size.kind == "events":
            sections["encoding"] = {"name": "events"}
        elif size.features < FEW:
            hold = 2 if size.steps < LONG else 1
            encoding: dict[str, object] = {"name": "receptive_fields", "gain": 2.0, "hold": hold}
            if size.samples < FEW_SIGNALS and size.steps < LONG:
                encoding |= {"fields": 5, "time_fields": 16}
                sections["network"] = {**IN_TIME["network"], "recurrent": False}
            sections["encoding"] = encoding
    elif size.features < FEW:
        sections["encoding"] = {"name": "current", "gain": 2.0, "bias": 0.5}
        sections["homeostasis"] = {"weight": 0.003}
        sections["optimiser"] = {"weight_decay": 0.01}
    elif size.features >= IMAGE:
        sections["network"] = {"hidden": [800]}
        sections["optimiser"] = {"learning_rate": 2e-3}
    else:  # the fewer synapses reach a neuron, the further each may move
        sections["optimiser"] = {"learning_rate": 1e-2}
    return sections


def stratified_split(
    y: Labels | Targets, fraction: float, rng: Generator | None
) -> tuple[Labels, Labels]:
    """Split sample indices in two at random, with the same mix of classes in both.

    Samples are lined up class by class, in random order within a class, and every
    `1 / fraction`-th is taken, so the share of each class is exact to within one sample. Real
    targets are lined up by the first of them.

    Args:
        y: `(N,)` labels, or `(N, K)` targets.
        fraction: Share of the second part, 0 to below 1.
        rng: Draws the order within a class; None takes the last, of samples that follow each other.

    Returns:
        Indices of the remaining `N - round(fraction N)` samples and of the `round(fraction N)`
        taken ones, both ascending.

    Raises:
        ValueError: When the fraction is out of range or N is too small to split so.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"validation fraction is {fraction}: give at least 0 and less than 1")
    count = round(fraction * len(y))
    if count == len(y) or (count == 0 < fraction):
        raise ValueError(
            f"validation fraction {fraction} of {len(y)} samples leaves one part empty: "
            "give more samples or another fraction"
        )
    if rng is None:
        return np.arange(len(y) - count), np.arange(len(y) - count, len(y))
    order = np.lexsort((rng.random(len(y)), y if y.ndim == 1 else y[:, 0]))
    positions = ((np.arange(count) + 0.5) * (len(y) / max(count, 1))).astype(np.int64)
    in_second = np.zeros(len(y), dtype=bool)
    in_second[order[positions]] = True
    return np.flatnonzero(~in_second), np.flatnonzero(in_second)


def split_off(
    x: Samples, y: Labels | Targets, fraction: float, rng: Generator | None
) -> dict[str, Any]:
    """Split off a validation part, with the same mix of classes.

    Args:
        x: Samples to train and validate with.
        y: Their labels or targets.
        fraction: Share of the validation part, 0 to below 1.
        rng: Draws it; None takes the last.

    Returns:
        The two parts, as `Data` takes them.

    Raises:
        ValueError: As `stratified_split`.
    """
    rest, chosen = stratified_split(y, fraction, rng)
    training = {"x_train": x[rest], "y_train": y[rest]}
    return {**training, "x_validation": x[chosen], "y_validation": y[chosen]}


def _check_part(part: str, x: Samples, y: Labels | Targets, classes: int) -> None:
    in_time = isinstance(x, Signals)
    values: NDArray[Any] = x.values if isinstance(x, Signals) else x
    bytes_too = not isinstance(x, Signals) or x.events
    allowed = (np.float32, np.uint8) if bytes_too else (np.float32,)
    if values.dtype not in allowed or values.ndim != 2 + in_time:
        raise ValueError(
            f"x_{part} is {x.dtype} of shape {x.shape}: give (samples, features), uint8 or "
            "float32, or Signals of float32"
        )
    if y.dtype == np.float32 and y.shape == (len(x), classes):
        if not np.isfinite(y).all():
            raise ValueError(f"y_{part} holds NaN or infinity: give a number for each output")
    elif y.shape != (len(x),) or y.dtype != np.int64:
        raise ValueError(
            f"y_{part} is {y.dtype} of shape {y.shape} for {len(x)} samples: "
            f"give one int64 label for each, or ({len(x)}, {classes}) float32 targets"
        )
    elif len(y) and not 0 <= y.min() <= y.max() < classes:
        raise ValueError(
            f"y_{part} has labels {y.min()} to {y.max()}: give 0 to {classes - 1}, the classes"
        )
    unit = x.dtype == np.uint8 or not values.size or (values.min() >= 0 and values.max() <= 1)
    if not unit:
        raise ValueError(f"x_{part} holds values outside [0, 1] or NaN: scale and clean it first")


def _check_weights(weights: NDArray[np.float32], samples: int) -> None:
    if weights.dtype != np.float32 or weights.shape != (samples,):
        raise ValueError(
            f"weights_train is {weights.dtype} of shape {weights.shape} for {samples} samples: "
            "give one float32 for each"
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
        raise ValueError("weights_train: give numbers from 0 on, not all of them 0")
