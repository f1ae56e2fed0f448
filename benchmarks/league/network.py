"""The network that all are given: its weights, its input and its labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DECAY = float(np.exp(-0.1))  # steps of 1 ms, a membrane of 10 ms
KAPPA = 10.0  # logit of an output that fires at every step
LEARNING_RATE = 1e-6  # so small that activity stays what it is while steps are timed
INPUT_RATE, HIDDEN_RATE = 0.05, 0.15  # spikes of a channel and of a neuron in a step, about
DRIVE, SPREAD = 0.2, 0.3  # mean and deviation of what a neuron gets in a step, in thresholds
GRID = 4096  # steps of a weight in a threshold: sums are exact in any order


@dataclass(frozen=True)
class Network:
    """A feed-forward network of leaky neurons with a threshold of 1 and a soft reset, and a batch.

    Attributes:
        layers: Size of each layer, the input first.
        weights: `(n_pre, n_post)` float32 of each projection.
        raster: Input spikes, `(T, B, n_in)`.
        labels: `(B,)` classes.
        threads: Threads that an entrant may use.
    """

    layers: tuple[int, ...]
    weights: tuple[NDArray[np.float32], ...]
    raster: NDArray[np.bool_]
    labels: NDArray[np.int64]
    threads: int = 1

    @property
    def steps(self) -> int:
        """Number of steps T."""
        return int(self.raster.shape[0])

    @property
    def batch(self) -> int:
        """Number of samples B."""
        return int(self.raster.shape[1])


def drawn(
    layers: tuple[int, ...] = (784, 800, 10), steps: int = 25, batch: int = 100, threads: int = 1
) -> Network:
    """A network with random weights and about 5 % input spikes, always the same.

    The input of each neuron has the same mean and spread, whatever its fan-in, so that layers of
    any size fire alike.

    Args:
        layers: Size of each layer, the input first.
        steps: Number of steps.
        batch: Number of samples.
        threads: Threads that an entrant may use.
    """
    rng = np.random.default_rng(0)
    weights = []
    for layer, (before, after) in enumerate(pairwise(layers)):
        events = before * (HIDDEN_RATE if layer else INPUT_RATE)
        drawn_weights = rng.normal(DRIVE / events, SPREAD / np.sqrt(events), (before, after))
        weights.append((np.rint(drawn_weights * GRID) / GRID).astype(np.float32))
    raster = rng.random((steps, batch, layers[0])) < INPUT_RATE
    labels = rng.integers(layers[-1], size=batch)
    return Network(layers, tuple(weights), raster, labels, threads)
