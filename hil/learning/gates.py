"""The families of g: what aDFA puts in place of the neuron's derivative.

None has to be the derivative of anything; see arXiv 2409.07776.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Family = Literal[
    "sigmoid",
    "surrogate",
    "step",
    "rectified",
    "tanh",
    "sin",
    "cos",
    "sign",
    "constant",
    "fourier",
]

# Each takes x = gain * (z - shift).
_FAMILIES: Mapping[str, Callable[[Matrix], Matrix]] = {
    "sigmoid": lambda x: np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * x),
    "surrogate": lambda x: 1 / np.square(1 + np.abs(x)),
    "step": lambda x: (x >= 0).astype(np.float32),
    "rectified": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "sign": np.sign,
    "constant": np.ones_like,
}


def draw_series(rng: Generator, terms: int) -> Matrix:
    """Coefficients of a random Fourier series, `(2, terms)`: of the sines, of the cosines.

    Normal, with a standard deviation that falls as 1/k over the harmonics k = 1 to `terms`.
    """
    harmonics = np.arange(1, terms + 1, dtype=np.float32)
    return rng.standard_normal((2, terms), dtype=np.float32) / harmonics


def g(family: Family, z: Matrix, gain: float, shift: float, series: Matrix | None = None) -> Matrix:
    """Evaluate a family at `x = gain * (z - shift)`.

    Args:
        family: Which family; `surrogate` is the derivative of the fast sigmoid (Zenke & Ganguli
            2018, Neural Comput. 30, 1514), `fourier` the series that `draw_series` drew.
        z: Membranes of any shape, in nominal thresholds.
        gain: Steepness, or angular frequency in rad per threshold.
        shift: Centre, or phase, in thresholds.
        series: Coefficients `(2, terms)`; for `fourier` alone.

    Returns:
        Same shape, float32.
    """
    x = np.float32(gain) * (z - np.float32(shift))
    if family != "fourier":
        return np.asarray(_FAMILIES[family](x), dtype=np.float32)
    assert series is not None
    total = np.zeros_like(x)
    for k, (sine, cosine) in enumerate(series.T, start=1):
        total += sine * np.sin(np.float32(k) * x) + cosine * np.cos(np.float32(k) * x)
    return total
