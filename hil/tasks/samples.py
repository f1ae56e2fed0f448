"""Samples as a network takes them, and what the axes of an array of samples mean.

A layout names the axes of a sample in order: `HW`, `HWC` or `CHW` of an image (height, width,
channels), `TC`, `CT` or `T` of a signal (steps, channels), nothing for a row of features. Where
nobody says it, three axes of bytes are images, unless all are 0 and 1; of other numbers they may as
well be signals, and the user says which, unless one of them is 1. Of four axes, the first or the
last of a sample holds the channels of an image where it is as long as those of images are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drivers.files.bounded import RATIO, UNPACKED

TABLE, GREY, LAST, FIRST = "", "HW", "HWC", "CHW"
IMAGES = (GREY, LAST, FIRST)
STEPS, CHANNELS_FIRST, SINGLE = "TC", "CT", "T"
SIGNALS = (STEPS, CHANNELS_FIRST, SINGLE)
LAYOUTS = (*IMAGES, *SIGNALS)
MEANINGS = {
    GREY: "images (N, height, width)",
    LAST: "images (N, height, width, channels)",
    FIRST: "images (N, channels, height, width)",
    STEPS: "signals (N, steps, channels)",
    CHANNELS_FIRST: "signals (N, channels, steps)",
    SINGLE: "signals (N, steps)",
}
FRAMES = f"of frames in time, give x.reshape(*x.shape[:2], -1) with layout {STEPS}"
IMAGE_CHANNELS = (1, 3, 4)  # of images that say so by their shape: grey, RGB, RGBA
LARGEST = 8 << 30  # bytes of all signals, however large their file

Kind = Literal["features", "signals", "events"]
"""Kind of samples: features, signals in time, or events in time, 0 or 1."""
Features = NDArray[np.uint8] | NDArray[np.float32]
"""`(N, n_features)`: uint8 where 255 stands for 1, or float32 in [0, 1]."""
Lengths = NDArray[np.int64]
"""`(N,)`, steps or events of each sample."""


@dataclass(frozen=True, eq=False)
class Signals:
    """N signals of n channels, each of a length of its own, T steps at most.

    Attributes:
        values: `(N, T, n)`, 0 after the end of a signal.
        lengths: `(N,)` int64, steps of each signal, 1 to T.
        events: Whether values are events, 0 or 1.
    """

    values: NDArray[Any]
    lengths: Lengths
    events: bool = False

    def __post_init__(self) -> None:
        """Refuse what are no signals."""
        if self.values.ndim != 3 or 0 in self.values.shape[1:]:
            raise ValueError(
                f"signals have shape {self.values.shape}: give (N, steps, channels), at least one "
                "step and one channel"
            )
        lengths, longest = self.lengths, self.values.shape[1]
        if lengths.shape != (len(self.values),) or lengths.dtype != np.int64:
            raise ValueError(
                f"lengths of {len(self.values)} signals are {lengths.dtype} of shape "
                f"{lengths.shape}: give one int64 for each"
            )
        if len(lengths) and not 1 <= lengths.min() <= lengths.max() <= longest:
            raise ValueError(
                f"lengths of signals are {lengths.min()} to {lengths.max()}: give 1 to {longest}"
            )

    @classmethod
    def of_equal_length(cls, values: NDArray[Any], *, events: bool = False) -> Signals:
        """Make signals that all last T steps, of `(N, T, n)`."""
        return cls(values, np.full(len(values), values.shape[1], np.int64), events)

    @classmethod
    def from_rows(cls, rows: NDArray[Any], lengths: Lengths, steps: int | None = None) -> Signals:
        """Make signals of their steps, one signal after the other.

        Args:
            rows: `(sum of lengths, n)`, the steps of all signals.
            lengths: `(N,)`.
            steps: T; the longest of them when None.

        Raises:
            ValueError: When filling them up would take far more memory than the rows do.
        """
        longest = int(lengths.max(initial=1)) if steps is None else steps
        size = len(lengths) * longest * rows[:1].nbytes
        if size > min(LARGEST, max(UNPACKED, RATIO * rows.nbytes)):
            raise ValueError(
                f"{len(lengths)} signals of up to {longest} steps in {rows[:1].size} channels take "
                f"{size >> 20} MiB: cut the longest"
            )
        values = np.zeros((len(lengths), longest, *rows.shape[1:]), rows.dtype)
        values[np.arange(longest) < lengths[:, np.newaxis]] = rows
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
    def mask(self) -> NDArray[np.bool_]:
        """Steps that belong to each signal, `(N, T)`; the others fill it up."""
        mask: NDArray[np.bool_] = np.arange(self.shape[1]) < self.lengths[:, np.newaxis]
        return mask

    @property
    def steps(self) -> NDArray[Any]:
        """Steps of all signals, one after the other, `(sum of lengths, n)`."""
        steps: NDArray[Any] = self.values[self.mask]
        return steps


Samples = Features | Signals
"""Features, or signals likewise, `(N, T, n_channels)`."""


@dataclass(frozen=True)
class SampleSpec:
    """Size and kind of the samples of a task.

    Attributes:
        features: Features of a sample, or channels of a signal.
        classes: Number of classes.
        steps: Steps of the longest signal; None where samples are features.
        events: Whether signals are events.
        real: Whether targets are real numbers, one for each of the `classes` outputs.
    """

    features: int
    classes: int
    steps: int | None = None
    events: bool = False
    real: bool = False

    @property
    def kind(self) -> Kind:
        """Kind that an encoding has to take."""
        if self.steps is None:
            return "features"
        return "events" if self.events else "signals"

    def blank(self, samples: int) -> NDArray[np.float32] | Signals:
        """Make so many samples in which there is nothing, as `Data.batch` gives them."""
        if self.steps is None:
            return np.zeros((samples, self.features), np.float32)
        shape = (samples, self.steps, self.features)
        return Signals.of_equal_length(np.zeros(shape, np.float32), events=self.events)


# -- the axes of samples ----------------------------------------------------------------------


class AmbiguousSamples(ValueError):
    """Samples that may mean several things.

    Attributes:
        reason: Why, and what is asked.
        option: What the user might say, by the name of the argument, or of the option of a file.
    """

    def __init__(self, reason: str, **option: str) -> None:
        """Say how a program tells it; whoever has samples from a file says how an address does."""
        ((name, value),) = option.items()
        super().__init__(f'{reason}: hil.train(x, y, {name}="{value}")')
        self.reason, self.option = reason, option


def infer_layout(
    x: NDArray[Any], asked: str | None, name: str, lengths: Lengths | None = None
) -> str:
    """Find the layout of samples.

    Args:
        x: The samples, `(N, ...)`.
        asked: The one that the user states, or None.
        name: What a refusal calls them.
        lengths: Of signals that are filled up behind their end, where they are known.

    Returns:
        `TABLE`, or one of `LAYOUTS`.

    Raises:
        AmbiguousSamples: When it cannot be known which.
        ValueError: When they are none of these.
    """
    what = f"{name} has shape {x.shape}"
    if lengths is not None:
        what += f", and lengths of up to {lengths.max()}"
    if asked is not None:
        check_layout(asked, name, of_signals=lengths is not None)
        if x.ndim != 1 + len(asked):
            raise ValueError(f"{what}, which is not ({', '.join(('N', *asked))}): give such")
        return asked
    likely = _list_likely(x) if lengths is None else _list_long_enough(x, int(lengths.max()))
    if len(likely) == 1:
        return likely[0]
    if not likely:
        raise ValueError(
            f"{what}: give features (N, n), {MEANINGS[GREY]} or {MEANINGS[STEPS]}; {FRAMES}"
        )
    meanings = ", ".join(f"{layout} for {MEANINGS[layout]}" for layout in likely)
    frames = f" ({FRAMES})" if x.ndim > 3 else ""
    reason = f"{what} and is {x.dtype}: {meanings}{frames}? say which"
    raise AmbiguousSamples(reason, layout=likely[0])


def check_layout(layout: str, name: str, *, of_signals: bool = False) -> None:
    """Refuse what is no layout, or none of signals where they have to be such.

    Raises:
        ValueError: Saying what is.
    """
    if of_signals and layout not in SIGNALS:
        raise ValueError(
            f"layout {layout!r:.40}: {name} has lengths, as signals have: give "
            f"{', '.join(SIGNALS)} or none"
        )
    if layout not in LAYOUTS:
        raise ValueError(
            f"layout {layout!r:.40}: give {', '.join(IMAGES)} for images, or "
            f"{', '.join(SIGNALS)} for signals; of events in rows, their columns, such as txyp"
        )


def _list_likely(x: NDArray[Any]) -> list[str]:
    """List the layouts that shape and type leave open, the most likely first."""
    sides = x.shape[1:]
    if len(sides) == 1:
        return [TABLE]
    if len(sides) == 2:
        if x.dtype == np.uint8 and x.max(initial=0) > 1:
            return [GREY]
        if 1 in sides:  # no image is so narrow
            return [STEPS if sides[1] == 1 else CHANNELS_FIRST]
        if sides[0] == sides[1]:
            return [GREY, STEPS, CHANNELS_FIRST]
        # Signals have more steps than channels, most often.
        return [*sorted((STEPS, CHANNELS_FIRST), reverse=sides[0] > sides[1]), GREY]
    if len(sides) == 3:
        channels = {LAST: sides[2], FIRST: sides[0]}
        usual = [layout for layout, side in channels.items() if side in IMAGE_CHANNELS]
        return usual or [*channels]
    return []


def _list_long_enough(x: NDArray[Any], longest: int) -> list[str]:
    """List the layouts of signals by which there is room for the longest of them."""
    if x.ndim == 2:
        return [SINGLE]
    steps = {STEPS: x.shape[1], CHANNELS_FIRST: x.shape[2]}
    fitting = [layout for layout, side in steps.items() if longest <= side]
    exact = [layout for layout in fitting if steps[layout] == longest]
    return exact if len(exact) == 1 else fitting


def image_shape(shape: tuple[int, ...], layout: str) -> tuple[int, ...] | None:
    """Find height, width and, where there are several, channels of an image; None of no image."""
    if layout not in IMAGES:
        return None
    sides = dict(zip(layout, shape, strict=True))
    channels = sides.get("C", 1)
    return (sides["H"], sides["W"]) if channels == 1 else (sides["H"], sides["W"], channels)


def count_steps(shape: tuple[int, ...], layout: str) -> int | None:
    """Count the steps of a signal of such a shape; None where samples are no signals."""
    return shape[layout.index("T")] if "T" in layout else None


def count_features(shape: tuple[int, ...], layout: str) -> int:
    """Count the features of a sample of such a shape; of a signal, its channels."""
    return prod(shape) // (count_steps(shape, layout) or 1)


def to_rows(x: NDArray[Any], layout: str) -> NDArray[Any]:
    """Flatten samples `(N, ...)` to `(N, n)`: the channels of each pixel stand side by side."""
    return (np.moveaxis(x, 1, -1) if layout == FIRST else x).reshape(len(x), prod(x.shape[1:]))


def to_signals(x: NDArray[Any], layout: str) -> NDArray[Any]:
    """Bring signals of one of `SIGNALS` to `(N, T, n)`: steps first, channels last."""
    if layout == SINGLE:
        return x[..., np.newaxis]
    return np.swapaxes(x, 1, 2) if layout == CHANNELS_FIRST else x
