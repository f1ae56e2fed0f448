"""What a board computes, in whole numbers; `docs/protocol.md` says why each bit is as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Fired = NDArray[np.bool_]
BOUND = 1 << 30
DISCARDED = 8


@dataclass(frozen=True, slots=True)
class BoardPopulation:
    """Neurons.

    Attributes:
        threshold: `(n,)`, in 2^-16 threshold units.
        gain: `(n,)`, in 2^-12.
        leak: `(n,)`, in 2^-16 per step.
    """

    threshold: Whole
    gain: Whole
    leak: Whole


@dataclass(frozen=True, slots=True)
class BoardProjection:
    """Synapses from a population, or the input, to a population.

    Attributes:
        source: Number of the population, 0 for the input.
        target: Number of the population, from 1.
        multiplier: What one step of a weight adds per event, in 2^-16 threshold units.
        delay: Of all synapses, in steps.
        weights: `(n_pre, n)`, -127 to 127.
        delays: Of each synapse, likewise, in steps beyond `delay`; None where it has none.
    """

    source: int
    target: int
    multiplier: int
    delay: int
    weights: NDArray[np.int8]
    delays: NDArray[np.uint16] | None

    def parts(self) -> list[tuple[int, NDArray[np.float64]]]:
        """Weights of the synapses that take as many steps, for each number of steps."""
        weights = self.weights.astype(np.float64)
        if self.delays is None:
            return [(self.delay, weights)]
        own = np.unique(self.delays).tolist()
        return [(self.delay + each, weights * (self.delays == each)) for each in own]


@dataclass(frozen=True, slots=True)
class BoardNetwork:
    """Populations and projections.

    Attributes:
        inputs: Number of inputs.
        populations: Number 1 first.
        projections: In the order in which they were configured.
        input_past: How many steps input may be on its way.
        past: How many steps spikes may be on their way.
    """

    inputs: int
    populations: tuple[BoardPopulation, ...]
    projections: tuple[BoardProjection, ...]
    input_past: int
    past: int

    @property
    def sizes(self) -> list[int]:
        """Neurons of each population."""
        return [len(each.gain) for each in self.populations]

    @property
    def kept(self) -> int:
        """Numbers that a slot holds."""
        return sum(self.sizes) * (2 if self.past else 1) + self.inputs * self.input_past


def population(seed: int, number: int, size: int, threshold: int, leak: int) -> BoardPopulation:
    """A population with the fixed pattern of its chip.

    Args:
        seed: Of the chip; 0 is the ideal one.
        number: Of the population, counted from 1.
        size: Number of neurons.
        threshold: The nominal one.
        leak: The nominal one.
    """
    drawn = deviates(seed, number, size) if seed else np.zeros((size, 3), np.int64)
    return BoardPopulation(
        threshold + (threshold * drawn[:, 0] * 45 >> 16),
        4096 + (drawn[:, 1] * 45 >> 4),
        np.clip(leak + (leak * drawn[:, 2] * 90 >> 16), 1, 65535),
    )


def deviates(seed: int, population: int, neurons: int) -> Whole:
    """Three deviates for each neuron of a population.

    Args:
        seed: Of the chip, not 0.
        population: Counted from 1.
        neurons: How many.

    Returns:
        `(neurons, 3)`, of mean 0 and standard deviation 147.8.
    """
    x = (seed * 2654435761 + population * 40503 + 1) % (1 << 32) or 1
    top = []
    for _ in range(DISCARDED + 12 * neurons):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        top.append(x >> 24)
    drawn = np.array(top[DISCARDED:], np.int64).reshape(neurons, 3, 4)
    deviation: Whole = drawn.sum(axis=2) - 510
    return deviation
