"""An encoding: how samples become a stimulus; and what encodings share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from drivers import Stimulus
from hil.discovery import NoSettings, check_settings

Float = TypeVar("Float", np.float32, np.float64)
Kind = Literal["features", "signals", "events"]
"""Kind of samples: features, signals in time, or events in time, 0 or 1."""


def each(n_features: int, settings: Any) -> int:
    """A channel for each feature."""
    return n_features


@dataclass(frozen=True)
class Encoding:
    """An encoding, for each choice of its settings.

    Attributes:
        encode: Makes the stimulus of a batch: of samples in [0, 1], the steps T, the settings and a
            generator. Samples are features `(B, n)`, or signals `(B, T', n)` of which each step
            lasts `T / T'` steps of the stimulus. What comes after the end of a signal is left out.
        settings: A pydantic model of the settings, each with a default. Where signals are taken,
            `hold` among them is how many steps of the stimulus a step of a signal lasts, else 1.
        width: Channels of the stimulus, of the number of features or channels and the settings.
        takes: What samples may be.
        description: What it is, in a sentence, where its module has several.
    """

    encode: Callable[[NDArray[np.float32], int, Any, Generator], Stimulus]
    settings: type[BaseModel] = NoSettings
    width: Callable[[int, Any], int] = each
    takes: tuple[Kind, ...] = ("features",)
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that are no model."""
        check_settings(self.settings)


class BiasSettings(BaseModel):
    """Settings that every encoding has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bias: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="value of an always-on feature, encoded like the others; 0: none",
    )


class SignalSettings(BiasSettings):
    """Settings of an encoding that takes signals."""

    hold: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="steps of the device for each step of a signal; 1 where samples are features",
    )


class ChangeSettings(SignalSettings):
    """Settings of an encoding that makes spikes of changes or events, which no constant has."""

    bias: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="evenly spaced spikes per step of an always-on channel; 0: none",
    )


def width_with_bias(n_features: int, settings: BiasSettings) -> int:
    """Number of input channels for so many features."""
    return n_features + (settings.bias > 0)


def append_bias(x: NDArray[np.float32], bias: float) -> NDArray[np.float32]:
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


def fill_bias_channel(raster: NDArray[np.float32], bias: float) -> None:
    """Fill the last channel of `(T, B, width)` with evenly spaced spikes; none at a bias of 0."""
    if bias > 0:
        passed = np.floor(bias * np.arange(len(raster) + 1))
        raster[:, :, -1] = np.diff(passed)[:, np.newaxis]


def current_stimulus(currents: NDArray[Any], steps: int) -> Stimulus:
    """The stimulus of currents: `(B, width)`, constant, or `(B, T', width)` of signals."""
    if currents.ndim == 3:
        return Stimulus.current_trace(repeat_steps(currents, steps))
    return Stimulus.current(currents, steps=steps)


def repeat_steps(x: NDArray[Float], steps: int) -> NDArray[Float]:
    """Signals step by step of the device.

    Args:
        x: `(B, T', n)` signals.
        steps: T, a multiple of T'.

    Returns:
        `(T, B, n)`.
    """
    return np.repeat(x.swapaxes(0, 1), steps // x.shape[1], axis=0)
