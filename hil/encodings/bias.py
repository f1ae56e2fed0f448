"""What encodings share: an input that is always on, and how long a step of a signal lasts."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from drivers import Stimulus

Float = TypeVar("Float", np.float32, np.float64)


class Biased(BaseModel):
    """Settings that every encoding has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bias: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="value of an always-on feature, encoded like the others; 0: none",
    )


class Held(Biased):
    """Settings of an encoding that takes signals."""

    hold: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="steps of the device for each step of a signal; 1 where samples are features",
    )


class Ticking(Held):
    """Settings of an encoding that makes spikes of changes or events, which no constant has."""

    bias: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="evenly spaced spikes per step of an always-on channel; 0: none",
    )


def width(n_features: int, settings: Biased) -> int:
    """Number of input channels for so many features."""
    return n_features + (settings.bias > 0)


def with_bias(x: NDArray[np.float32], bias: float) -> NDArray[np.float32]:
    """Append an always-on feature, so that neurons without a bias of their own get one.

    Args:
        x: `(..., n)` features, or signals.
        bias: Value of the additional feature in every sample; 0 adds none.

    Returns:
        `(..., n + 1)`, or `x` itself.
    """
    if bias == 0:
        return x
    return np.concatenate([x, np.full((*x.shape[:-1], 1), bias, dtype=np.float32)], axis=-1)


def ticks(raster: NDArray[np.float32], bias: float) -> None:
    """Fill the last channel of `(T, B, width)` with evenly spaced spikes; none at a bias of 0."""
    if bias > 0:
        passed = np.floor(bias * np.arange(len(raster) + 1))
        raster[:, :, -1] = np.diff(passed)[:, np.newaxis]


def spikes_of(raster: NDArray[np.float32]) -> Stimulus:
    """The stimulus of spikes `(T, B, width)`."""
    steps = len(raster)
    return Stimulus.spikes(raster.reshape(-1, raster.shape[2]), steps=steps)


def currents_of(currents: NDArray[Any], steps: int) -> Stimulus:
    """The stimulus of currents: `(B, width)`, constant, or `(B, T', width)` of signals."""
    if currents.ndim == 3:
        return Stimulus.current_trace(by_step(currents, steps))
    return Stimulus.current(currents, steps=steps)


def by_step(x: NDArray[Float], steps: int) -> NDArray[Float]:
    """Signals step by step of the device.

    Args:
        x: `(B, T', n)` signals.
        steps: T, a multiple of T'.

    Returns:
        `(T, B, n)`.
    """
    return np.repeat(x.swapaxes(0, 1), steps // x.shape[1], axis=0)
