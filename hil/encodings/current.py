"""Constant currents in proportion to the features."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from drivers import Stimulus
from hil.encodings import with_bias


class Settings(BaseModel):
    """Settings of the encoding."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gain: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description="current of a feature of 1, in spikes per step that would inject as much",
    )
    bias: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="value of an always-on feature, encoded like the others; 0: none",
    )


def width(n_features: int, settings: Settings) -> int:
    """Number of input channels for so many features."""
    return n_features + (settings.bias > 0)


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
