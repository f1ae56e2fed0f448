"""A random Fourier series."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.learning.gate import Drawn, Gate, Matrix


def draw(rng: Generator, terms: int) -> dict[str, NDArray[np.generic]]:
    """Coefficients `series` `(2, terms)`: of the sines, of the cosines.

    Normal, with a standard deviation that falls as 1/k over the harmonics k = 1 to `terms`.
    """
    harmonics = np.arange(1, terms + 1, dtype=np.float32)
    return {"series": rng.standard_normal((2, terms), dtype=np.float32) / harmonics}


def series(x: Matrix, drawn: Drawn) -> Matrix:
    """Sum over k of `s_k sin(k x) + c_k cos(k x)`."""
    coefficients = np.asarray(drawn["series"], np.float32)
    total = np.zeros_like(x)
    for k, (sine, cosine) in enumerate(coefficients.T, start=1):
        total += sine * np.sin(np.float32(k) * x) + cosine * np.cos(np.float32(k) * x)
    return total


GATE = Gate(series, draw)
