"""Estimates of hidden activity, in spikes per step, from membranes alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from hil.discovery import nearest

Matrix = NDArray[np.float32]
SPARSEST = 4  # steps between samples up to which crossings are a faithful estimate


@dataclass(frozen=True)
class Estimator:
    """One way to estimate activity.

    Attributes:
        name: Its name.
        needs_samples: Whether it reads the membrane sample by sample, else only its mean.
        target: Rate that homeostasis aims at on this estimate's scale.
        estimate: From samples `(S, B, n)` (or the mean, where none are needed) and the time mean
            `(B, n)`, both in thresholds, to `(B, n)`.
    """

    name: str
    needs_samples: bool
    target: float
    estimate: Callable[[Matrix, Matrix], Matrix]


def crossings(samples: Matrix, mean: Matrix) -> Matrix:
    """Share of samples at or above threshold: exactly the spikes of an ideal neuron.

    Args:
        samples: `(S, B, n)` in thresholds, before the reset.
        mean: Not used.
    """
    above = samples >= 1
    if len(samples) < 256:
        counts: NDArray[np.generic] = np.add.reduce(above.view(np.uint8), axis=0, dtype=np.uint8)
    else:
        counts = np.count_nonzero(above, axis=0)
    return counts.astype(np.float32) / np.float32(len(samples))


def rectified(samples: Matrix, mean: Matrix) -> Matrix:
    """The mean membrane `(B, n)` where it is positive."""
    return np.maximum(mean, np.float32(0))


_ESTIMATORS = {
    found.name: found
    for found in (
        Estimator("crossings", True, 0.1, crossings),
        Estimator("rectified", False, 0.3, rectified),
        # The measured rate: with `observe = "spikes"` there is nothing to estimate.
        Estimator("spikes", False, 0.1, lambda samples, mean: mean),
    )
}


def get(name: str) -> Estimator:
    """An estimator by name, or one of the user's own as `package.module:NAME`.

    Raises:
        ValueError: When there is none.
    """
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"estimator {name!r} cannot be loaded: {error}") from None
        if not isinstance(found, Estimator):
            raise ValueError(f"estimator {name!r} is no hil.learning.rate_estimators.Estimator")
        return found
    if name not in _ESTIMATORS:
        raise ValueError(f"no estimator {name!r}: {nearest(name, [*_ESTIMATORS, 'module:NAME'])}")
    return _ESTIMATORS[name]


def choose(every: int, before_reset: bool) -> str:
    """The better estimator for what a device can sample.

    Args:
        every: Steps between membrane samples.
        before_reset: Whether single samples are to be had, from before the reset.
    """
    return "crossings" if before_reset and every <= SPARSEST else "rectified"
