"""What the axes of a sample mean: features, those of an image, or steps and channels of a signal.

Three axes of bytes are images, unless all are 0 and 1; of other numbers they may as well be
signals, and the user says which, unless one of them is 1. Of four axes, the first or the last of a
sample holds the channels of an image where it is as long as those of images are.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

TABLE, GREY, LAST, FIRST = "", "HW", "HWC", "CHW"
IMAGES = (GREY, LAST, FIRST)  # height, width, channels, in the order of the axes
STEPS, CHANNELS_FIRST, SINGLE = "TC", "CT", "T"
SIGNALS = (STEPS, CHANNELS_FIRST, SINGLE)  # steps, channels; a single channel has no axis
KNOWN = (*IMAGES, *SIGNALS)
CHANNELS = (1, 3, 4)  # of images that say so by their shape: grey, RGB, RGBA


class OpenLayout(ValueError):
    """Samples whose axes may mean several things.

    Attributes:
        reason: Why, and what is asked.
        layout: What the user might say.
    """

    def __init__(self, reason: str, layout: str) -> None:
        """Say how a program tells it; whoever has samples from a file says how an address does."""
        super().__init__(f'{reason}: hil.train(x, y, layout="{layout}")')
        self.reason, self.layout = reason, layout


def of(x: NDArray[Any], asked: str | None, name: str) -> str:
    """The layout of samples.

    Args:
        x: The samples, `(N, ...)`.
        asked: What the user says that it is: one of `KNOWN`, or None.
        name: What a refusal calls them.

    Returns:
        `TABLE`, or one of `KNOWN`.

    Raises:
        OpenLayout: When it cannot be known which.
        ValueError: When they are none of these.
    """
    if asked is not None and asked not in KNOWN:
        raise ValueError(
            f"layout {asked!r:.40}: give {', '.join(IMAGES)} for images, or {', '.join(SIGNALS)} "
            "for signals"
        )
    given = f"{name} has shape {x.shape}"
    if asked is not None:
        if x.ndim != 1 + len(asked):
            axes = ", ".join(("N", *asked))
            raise ValueError(f"{given}, which is not ({axes}): give such, or no layout")
        return asked
    if x.ndim == 2:
        return TABLE
    if x.ndim == 3:
        return _of_three(x, given)
    if x.ndim == 4:
        first, last = x.shape[1] in CHANNELS, x.shape[3] in CHANNELS
        if first != last:
            return FIRST if first else LAST
        if first:
            raise OpenLayout(f"{given}: where are its channels? say {FIRST} or {LAST}", LAST)
        raise OpenLayout(
            f"{given}: of images, say {FIRST} for {x.shape[1]} channels or {LAST} for "
            f"{x.shape[3]}; of frames in time, give x.reshape(*x.shape[:2], -1) and say {STEPS}",
            LAST,
        )
    if x.ndim > 4:
        raise ValueError(
            f"{given}: give frames in time as (N, steps, channels), x.reshape(*x.shape[:2], -1), "
            f"with layout {STEPS}"
        )
    raise ValueError(
        f"{given}: give (N, features), images (N, height, width) or (N, height, width, channels), "
        "or signals (N, steps, channels)"
    )


def _of_three(x: NDArray[Any], given: str) -> str:
    """The layout of samples of two axes."""
    if x.dtype == np.uint8 and x.max(initial=0) > 1:
        return GREY
    if 1 in x.shape[1:]:  # no image is so narrow
        return STEPS if x.shape[2] == 1 else CHANNELS_FIRST
    if x.shape[1] == x.shape[2]:
        likely = GREY
    else:  # signals have more steps than channels, most often
        likely = STEPS if x.shape[1] > x.shape[2] else CHANNELS_FIRST
    raise OpenLayout(
        f"{given} and is {x.dtype}: signals, {STEPS} for (N, steps, channels) or {CHANNELS_FIRST} "
        f"for (N, channels, steps), or images, {GREY} for (N, height, width)? say which",
        likely,
    )


def image_shape(shape: tuple[int, ...], layout: str) -> tuple[int, ...] | None:
    """Height, width and, where there are several, channels of an image.

    Args:
        shape: That of a sample as it is given.
        layout: Its layout.

    Returns:
        `(height, width)` or `(height, width, channels)`, None where it is no image.
    """
    if layout not in IMAGES:
        return None
    sides = dict(zip(layout, shape, strict=True))
    height, width, channels = sides["H"], sides["W"], sides.get("C", 1)
    return (height, width) if channels == 1 else (height, width, channels)


def steps(shape: tuple[int, ...], layout: str) -> int | None:
    """Steps of a signal of such a shape; None where it is none."""
    return dict(zip(layout, shape, strict=True))["T"] if layout in SIGNALS else None


def shape(steps: int, channels: int, layout: str) -> tuple[int, ...]:
    """That of a signal of so many steps and channels."""
    sides = {"T": steps, "C": channels}
    return tuple(sides[axis] for axis in layout)


def features(shape: tuple[int, ...], layout: str) -> int:
    """Number of features of a sample of such a shape; of a signal, of its channels."""
    return prod(shape) // (steps(shape, layout) or 1)


def rows(x: NDArray[Any], layout: str) -> NDArray[Any]:
    """Samples as rows of features.

    Args:
        x: `(N, ...)` in their layout.
        layout: It.

    Returns:
        `(N, n)`: images pixel by pixel, the channels of each side by side.
    """
    return (np.moveaxis(x, 1, -1) if layout == FIRST else x).reshape(len(x), prod(x.shape[1:]))


def signals(x: NDArray[Any], layout: str) -> NDArray[Any]:
    """Signals with their steps first and their channels last.

    Args:
        x: `(N, ...)` in their layout, one of `SIGNALS`.
        layout: It.

    Returns:
        `(N, T, n)`.
    """
    if layout == SINGLE:
        return x[..., np.newaxis]
    return np.swapaxes(x, 1, 2) if layout == CHANNELS_FIRST else x
