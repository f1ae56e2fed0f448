"""The gates that come with the package, each of `x = gain * (z - shift)`."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.learning.gates import Drawn, Gate, Matrix


def draw_series(rng: Generator, terms: int) -> dict[str, NDArray[np.generic]]:
    """Draw coefficients `series` `(2, terms)`: of the sines, of the cosines.

    Normal, with a standard deviation that falls as 1/k over the harmonics k = 1 to `terms`.
    """
    harmonics = np.arange(1, terms + 1, dtype=np.float32)
    return {"series": rng.standard_normal((2, terms), dtype=np.float32) / harmonics}


def evaluate_series(x: Matrix, drawn: Drawn) -> Matrix:
    """Sum over k of `s_k sin(k x) + c_k cos(k x)`."""
    coefficients = np.asarray(drawn["series"], np.float32)
    total = np.zeros_like(x)
    for k, (sine, cosine) in enumerate(coefficients.T, start=1):
        total += sine * np.sin(np.float32(k) * x) + cosine * np.cos(np.float32(k) * x)
    return total


HALF = np.float32(0.5)
GATES = {
    "constant": Gate(
        lambda x, drawn: np.ones_like(x), description="1 everywhere: the error passes as it is."
    ),
    "cos": Gate(lambda x, drawn: np.cos(x), description="The cosine."),
    "fourier": Gate(evaluate_series, draw_series, "A random Fourier series."),
    "rectified": Gate(
        lambda x, drawn: np.maximum(x, 0), description="Linear above the centre, else 0."
    ),
    "sigmoid": Gate(
        lambda x, drawn: HALF + HALF * np.tanh(HALF * x), description="The logistic function."
    ),
    "sign": Gate(lambda x, drawn: np.sign(x), description="Minus 1 below the centre, 1 above it."),
    "sin": Gate(lambda x, drawn: np.sin(x), description="The sine."),
    "step": Gate(
        lambda x, drawn: (x >= 0).astype(np.float32),
        description="1 from the centre on, else 0.",
    ),
    "surrogate": Gate(
        lambda x, drawn: 1 / np.square(1 + np.abs(x)),
        description="The derivative of the fast sigmoid (Zenke & Ganguli 2018, Neural Comput. 30, "
        "1514).",
    ),
    "tanh": Gate(lambda x, drawn: np.tanh(x), description="The hyperbolic tangent."),
}
