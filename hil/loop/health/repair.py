"""What is done about a hidden layer that is silent or saturated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hil.loop.health.diagnosis import State

# Choices, for want of published figures: an epoch changes little, many epochs much.
RAISE, STRONGEST = 4.0, 256.0  # homeostasis in an epoch, and altogether
RESCALE = 2.0  # weights in an epoch


def treated(layers: Sequence[State]) -> list[State]:
    """The layers to do something about: behind a silent one, a layer may be so only for that."""
    return [
        "lively" if layer and layers[layer - 1] == "silent" else state
        for layer, state in enumerate(layers)
    ]


def strengths(before: NDArray[np.float64], layers: Sequence[State]) -> NDArray[np.float64]:
    """Factors of the strength of homeostasis for the next epoch.

    A silent or saturated layer gets four times as much as before, up to 256 times; a lively one a
    quarter, down to the strength that was set.

    Args:
        before: Factor of each hidden layer, `(L - 1,)`.
        layers: What each of them is like.
    """
    up = np.array([state != "lively" for state in layers], bool)
    return np.clip(np.where(up, before * RAISE, before / RAISE), 1.0, STRONGEST)


def gains(layers: Sequence[State]) -> list[float]:
    """Factors of the weights into each hidden layer: 2 where silent, 1/2 where saturated, or 1."""
    factor: dict[State, float] = {"silent": RESCALE, "saturated": 1 / RESCALE, "lively": 1.0}
    return [factor[state] for state in layers]
