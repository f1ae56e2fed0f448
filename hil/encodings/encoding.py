"""What an encoding is: how features become a stimulus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel

from drivers import Stimulus
from hil.discovery import NoSettings, check_settings


def each(n_features: int, settings: Any) -> int:
    """A channel for each feature."""
    return n_features


@dataclass(frozen=True)
class Encoding:
    """An encoding, for each choice of its settings.

    Attributes:
        encode: Makes the stimulus of a batch: of features `(B, n)` in [0, 1], the steps T, the
            settings and a generator.
        settings: A pydantic model of the settings, each with a default.
        width: Channels of the stimulus, of the number of features and the settings.
    """

    encode: Callable[[NDArray[np.float32], int, Any, Generator], Stimulus]
    settings: type[BaseModel] = NoSettings
    width: Callable[[int, Any], int] = each

    def __post_init__(self) -> None:
        """Refuse settings that are no model."""
        check_settings(self.settings)
