"""From what the output layer did to logits, a loss, its error, and a decision."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Source = Literal["counts", "times", "membrane", "both"]
Loss = Literal["cross_entropy", "mse"]
SATURATED = 0.9  # of the highest rate
Weights = NDArray[np.float32] | None
"""`(B,)` factor of each sample's loss; None is 1."""


def logits(rate: Matrix, membrane: Matrix, *, source: Source, kappa: float, beta: float) -> Matrix:
    """Logits `kappa * rate + beta * membrane`, or only one of the terms.

    Args:
        rate: Output spikes per step, `(B, C)`.
        membrane: Mean output membrane in thresholds, `(B, C)`.
        source: Which of the two is read.
        kappa: Logit of an output that fires at every step.
        beta: Logit of a mean membrane at threshold.
    """
    if source in ("counts", "times"):
        return np.float32(kappa) * rate
    if source == "membrane":
        return np.float32(beta) * membrane
    return np.float32(kappa) * rate + np.float32(beta) * membrane


def evaluate(
    logit: Matrix, labels: NDArray[Any], loss: Loss, weights: Weights = None
) -> tuple[Matrix, Matrix]:
    """Loss of each sample and its derivative by the sample's logits.

    Args:
        logit: `(B, C)`.
        labels: `(B,)`, 0 to C-1; or real targets `(B, C)`, for `mse`.
        loss: `cross_entropy` of the softmax, or `mse`: half the squared distance of the logits to
            the target, of labels the one-hot one (so that rates aim at 1/kappa and 0).
        weights: `(B,)` factor of each sample's loss; None is 1.

    Returns:
        The losses `(B,)`, and the error `(B, C)`: `softmax - y`, or `logits - y`; times the weight.
    """
    factors = np.float32(1) if weights is None else weights[:, np.newaxis]
    if loss == "mse":
        is_real = labels.ndim == 2
        error = logit - (labels if is_real else np.eye(logit.shape[1], dtype=np.float32)[labels])
        return (factors * np.square(error)).sum(axis=1) / np.float32(2), factors * error
    rows = np.arange(len(labels))
    shifted = logit - logit.max(axis=1, keepdims=True)
    error = np.exp(shifted)
    total = error.sum(axis=1, keepdims=True)
    surprise = np.log(total) - shifted[rows, labels][:, np.newaxis]
    error /= total
    error[rows, labels] -= 1
    return (factors * surprise)[:, 0], factors * error


def spare_saturated(error: Matrix, rate: Matrix, highest: float) -> Matrix:
    """The error without what asks outputs to fire more that fire as often as they can.

    Weights of one sign cannot take back what such an error adds, and outputs would saturate.

    Args:
        error: `(B, C)`.
        rate: Output spikes per step, `(B, C)`.
        highest: The rate of an output that is driven without end.
    """
    return np.where((error < 0) & (rate >= SATURATED * highest), np.float32(0), error)


def predict(logit: Matrix, membrane: Matrix) -> NDArray[np.int64]:
    """The class of each sample: the largest logit, a tie going to the highest membrane.

    Args:
        logit: `(B, C)`.
        membrane: Mean output membrane `(B, C)`; all zero where it is not known.

    Returns:
        `(B,)`.
    """
    tied = logit == logit.max(axis=1, keepdims=True)
    classes: NDArray[np.int64] = np.where(tied, membrane, -np.inf).argmax(axis=1)
    return classes
