"""What autograd differentiates: losses, and a spike with a slope that its paper prints."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from numpy.typing import NDArray

from hil.learning import losses

# The derivatives as their papers print them.
PRINTED: dict[str, Any] = {
    "soft_ramp": lambda x, k: 1 / (1 + np.exp(-k * x)) - 1 / (1 + np.exp(-k * (x - 1))),
    "soft_step": lambda x, k: 1 / (1 + np.exp(-k * x)),
    "sigmoid": lambda x, k: k * np.exp(-k * x) / (1 + np.exp(-k * x)) ** 2,
    "fast_sigmoid": lambda x, k: (1 + k * np.abs(x)) ** -2.0,
    "triangle": lambda x, k: np.where(np.abs(k * x) < 1, 1 - np.abs(k * x), 0),
    "boxcar": lambda x, k: np.where(np.abs(k * x) <= 1, 1.0, 0.0),
}

spike: Any = primitive(lambda u, threshold, name, k: np.where(u >= threshold, 1.0, 0.0))
defvjp(
    spike,
    lambda _, u, threshold, name, k: lambda grown: grown * PRINTED[name](u - 1, k),
    argnums=(0,),
)


def cross_entropy(logits: Any, labels: NDArray[np.int64]) -> Any:
    chosen = logits[np.arange(len(labels)), labels]
    return anp.mean(anp.log(anp.sum(anp.exp(logits), axis=1)) - chosen)


def squared_distance(logits: Any, labels: NDArray[np.int64]) -> Any:
    return anp.sum((logits - np.eye(logits.shape[1])[labels]) ** 2) / (2 * len(labels))


LOSSES: dict[losses.Loss, Any] = {"cross_entropy": cross_entropy, "mse": squared_distance}


def assert_close(found: Any, expected: Any) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert np.max(np.abs(theirs)) > 1e-6, "the comparison would be empty"
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9 * np.max(np.abs(theirs)))
