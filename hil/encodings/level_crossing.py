"""Spikes where a signal has risen or fallen by a threshold: send on delta, or delta modulation.

Each channel becomes two. A reference, 0 at first, follows the signal: in every step in which the
signal is a threshold or more above it, the one channel fires and the reference rises by the
threshold; below it, the other one fires and the reference falls. A signal that moves by more in a
step is followed by and by, the better the longer its steps are held.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.bias import Ticking, by_step, spikes_of, ticks
from hil.encodings.encoding import Encoding


class Settings(Ticking):
    """Settings of the encoding."""

    threshold: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="change of a signal that gives a spike",
    )


def width(n_features: int, settings: Settings) -> int:
    """Number of input channels for so many of a signal: up, down, and always on."""
    return 2 * n_features + (settings.bias > 0)


def encode(x: NDArray[np.float32], steps: int, settings: Settings, rng: Generator) -> Stimulus:
    """Encode a batch.

    Args:
        x: `(B, T', n)` signals in [0, 1].
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Spikes, `(T * B, width)`: channels that rise, then channels that fall.
    """
    channels = x.shape[2]
    raster = np.zeros((steps, len(x), width(channels, settings)), np.float32)
    crossings = np.zeros((len(x), channels), np.int64)  # the reference, in thresholds: exact
    for spikes, values in zip(raster, by_step(x, steps), strict=True):
        above = values / np.float64(settings.threshold) - crossings
        up, down = above >= 1, above <= -1
        spikes[:, :channels], spikes[:, channels : 2 * channels] = up, down
        crossings += up.astype(np.int64) - down
    ticks(raster, settings.bias)
    return spikes_of(raster)


ENCODING = Encoding(encode, Settings, width, takes=("signals",))
