"""Constant currents in proportion to the features."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from drivers import Stimulus
from hil.encodings.bias import Biased, width, with_bias
from hil.encodings.encoding import Encoding


class Settings(Biased):
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
        x: `(B, n)` features in [0, 1].
        steps: Length of the stimulus T.
        settings: The encoding's settings.
        rng: Not used: the encoding is deterministic.

    Returns:
        Constant currents `gain * x`, `(B, width)`.
    """
    return Stimulus.current(with_bias(x, settings.bias) * settings.gain, steps=steps)


ENCODING = Encoding(encode, Settings, width)
