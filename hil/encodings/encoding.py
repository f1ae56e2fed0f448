"""What an encoding is: how samples become a stimulus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel

from drivers import Stimulus
from hil.discovery import NoSettings, check_settings

Kind = Literal["features", "signals", "events"]
"""What samples are: features, signals in time, or events in time, 0 or 1."""


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
    """

    encode: Callable[[NDArray[np.float32], int, Any, Generator], Stimulus]
    settings: type[BaseModel] = NoSettings
    width: Callable[[int, Any], int] = each
    takes: tuple[Kind, ...] = ("features",)

    def __post_init__(self) -> None:
        """Refuse settings that are no model."""
        check_settings(self.settings)
