"""Currents in proportion to the features, constant, or to a signal, step by step."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.bias import Held, currents_of, width, with_bias
from hil.encodings.encoding import Encoding


class Settings(Held):
    """Settings of the encoding."""

    gain: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="current of a feature of 1, in spikes per step that would inject as much",
    )


def encode(x: NDArray[np.float32], steps: int, settings: Settings, rng: Generator) -> Stimulus:
    """Encode a batch.

    Args:
        x: `(B, n)` features in [0, 1], or signals `(B, T', n)`.
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Currents `gain * x`: `(B, width)`, constant, or of signals `(T, B, width)`.
    """
    currents = with_bias(x, settings.bias) * settings.gain
    return currents_of(currents, steps)


ENCODING = Encoding(encode, Settings, width, takes=("features", "signals", "events"))
