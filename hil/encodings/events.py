"""Events of a signal as input spikes, each in the step of its bin."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from drivers import Stimulus
from hil.encodings.bias import Ticking, spikes_of, ticks, width
from hil.encodings.encoding import Encoding


class Settings(Ticking):
    """Settings of the encoding."""


def encode(x: NDArray[np.float32], steps: int, settings: Settings, rng: Generator) -> Stimulus:
    """Encode a batch.

    Args:
        x: `(B, T', n)` events, 0 or 1.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Spikes, `(T * B, width)`, those of a step of `x` in the first of its steps.
    """
    raster = np.zeros((steps, len(x), width(x.shape[2], settings)), np.float32)
    raster[:: steps // x.shape[1], :, : x.shape[2]] = x.swapaxes(0, 1)
    ticks(raster, settings.bias)
    return spikes_of(raster)


ENCODING = Encoding(encode, Settings, width, takes=("events",))
