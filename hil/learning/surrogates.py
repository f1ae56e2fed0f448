"""Smooth stand-ins for the spike: a function f and its derivative, centred on x = 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Name = Literal["soft_ramp", "soft_step", "sigmoid", "fast_sigmoid", "triangle", "boxcar"]


@dataclass(frozen=True)
class Surrogate:
    """A function and its derivative, both elementwise and of a steepness k.

    Attributes:
        function: f(x, k).
        derivative: df/dx(x, k).
        source: Where it is used first.
    """

    function: Callable[[Any, float], Any]
    derivative: Callable[[Any, float], Any]
    source: str


def _sigmoid(x: Any, k: float) -> Any:
    return 0.5 + 0.5 * np.tanh(0.5 * k * x)


def _sigmoid_slope(x: Any, k: float) -> Any:
    s = _sigmoid(x, k)
    return k * s * (1 - s)


def _softplus(x: Any, k: float) -> Any:
    return np.logaddexp(0, k * x) / k


def _soft_ramp(x: Any, k: float) -> Any:
    return _softplus(x, k) - _softplus(x - 1, k)


def _soft_ramp_slope(x: Any, k: float) -> Any:
    return _sigmoid(x, k) - _sigmoid(x - 1, k)


def _triangle(x: Any, k: float) -> Any:
    inside = np.clip(k * x, -1, 1)
    return (0.5 + inside - np.sign(inside) * inside**2 / 2) / k


SURROGATES: Mapping[str, Surrogate] = {
    "soft_ramp": Surrogate(
        _soft_ramp,
        _soft_ramp_slope,
        "rate of a leaky neuron with soft reset that fires once a step at most",
    ),
    "soft_step": Surrogate(_softplus, _sigmoid, "the same without that limit"),
    "sigmoid": Surrogate(_sigmoid, _sigmoid_slope, "Bengio et al. 2013, arXiv 1308.3432"),
    "fast_sigmoid": Surrogate(
        lambda x, k: x / (1 + k * abs(x)),
        lambda x, k: 1 / (1 + k * abs(x)) ** 2,
        "Zenke & Ganguli 2018, Neural Comput. 30, 1514",
    ),
    "triangle": Surrogate(
        _triangle,
        lambda x, k: np.maximum(0, 1 - k * abs(x)),
        "Bellec et al. 2018, arXiv 1803.09574",
    ),
    "boxcar": Surrogate(
        lambda x, k: np.clip(x, -1 / k, 1 / k),
        lambda x, k: 1.0 * (abs(x) <= 1 / k),
        "Wu et al. 2018, Front. Neurosci. 12:331",
    ),
}


def derivative(name: Name, x: Any, steepness: float) -> Any:
    """Derivative of a surrogate at x (any shape), in the dtype of x."""
    return np.asarray(SURROGATES[name].derivative(x, steepness), dtype=x.dtype)
