"""What all encodings share: an input that is always on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class Biased(BaseModel):
    """Settings that every encoding has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bias: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="value of an always-on feature, encoded like the others; 0: none",
    )


def width(n_features: int, settings: Biased) -> int:
    """Number of input channels for so many features."""
    return n_features + (settings.bias > 0)


def with_bias(x: NDArray[np.float32], bias: float) -> NDArray[np.float32]:
    """Append an always-on feature, so that neurons without a bias of their own get one.

    Args:
        x: `(B, n)` features.
        bias: Value of the additional feature in every sample; 0 adds none.

    Returns:
        `(B, n + 1)`, or `x` itself.
    """
    if bias == 0:
        return x
    return np.hstack([x, np.full((len(x), 1), bias, dtype=np.float32)])
