"""What the axes of a sample mean: features, or height, width and channels of an image.

Three axes of bytes are images; of other numbers they may as well be signals in time, and the user
says which. Of four axes, the first or the last of a sample holds the channels of an image where it
is as long as those of images are.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

TABLE, GREY, LAST, FIRST = "", "HW", "HWC", "CHW"
IMAGES = (GREY, LAST, FIRST)  # height, width, channels, in the order of the axes
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
        asked: What the user says that it is: one of `IMAGES`, or None.
        name: What a refusal calls them.

    Returns:
        `TABLE`, or one of `IMAGES`.

    Raises:
        OpenLayout: When it cannot be known which.
        ValueError: When they are neither.
    """
    if asked is not None and asked not in IMAGES:
        raise ValueError(f"layout {asked!r:.40}: give {', '.join(IMAGES[:-1])} or {FIRST}")
    given = f"{name} has shape {x.shape}"
    if asked is not None:
        if x.ndim != 1 + len(asked):
            axes = ", ".join(("N", *asked))
            raise ValueError(f"{given}, which is not ({axes}): give such, or no layout")
        return asked
    if x.ndim == 2:
        return TABLE
    if x.ndim == 3:
        if x.dtype == np.uint8:
            return GREY
        raise OpenLayout(
            f"{given} and is {x.dtype}: signals in time, (N, steps, channels), are not supported "
            "yet; if these are images, (N, height, width), say so",
            GREY,
        )
    if x.ndim == 4:
        first, last = x.shape[1] in CHANNELS, x.shape[3] in CHANNELS
        if first != last:
            return FIRST if first else LAST
        if first:
            raise OpenLayout(f"{given}: where are its channels? say {FIRST} or {LAST}", LAST)
        raise OpenLayout(
            f"{given}: signals in time, (N, steps, ...), are not supported yet; if these are "
            f"images, say {FIRST} for {x.shape[1]} channels or {LAST} for {x.shape[3]}",
            LAST,
        )
    if x.ndim > 4:
        raise ValueError(
            f"{given}: signals in time, such as frames of events, are not supported yet: sum them "
            f"over time to (N, height, width, channels)"
        )
    raise ValueError(
        f"{given}: give (N, features), or images (N, height, width) or (N, height, width, channels)"
    )


def image_shape(shape: tuple[int, ...], layout: str) -> tuple[int, ...] | None:
    """Height, width and, where there are several, channels of an image.

    Args:
        shape: That of a sample as it is given.
        layout: Its layout.

    Returns:
        `(height, width)` or `(height, width, channels)`, None where it is no image.
    """
    if layout == TABLE:
        return None
    sides = dict(zip(layout, shape, strict=True))
    height, width, channels = sides["H"], sides["W"], sides.get("C", 1)
    return (height, width) if channels == 1 else (height, width, channels)


def rows(x: NDArray[Any], layout: str) -> NDArray[Any]:
    """Samples as rows of features: images pixel by pixel, the channels of each side by side.

    Args:
        x: `(N, ...)` in their layout.
        layout: It.

    Returns:
        `(N, n)`.
    """
    return (np.moveaxis(x, 1, -1) if layout == FIRST else x).reshape(len(x), prod(x.shape[1:]))
