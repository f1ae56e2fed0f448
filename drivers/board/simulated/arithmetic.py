"""What a board computes, in whole numbers; `docs/protocol.md` says why each bit is as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
BOUND = 1 << 30
DISCARDED = 8


@dataclass(frozen=True, slots=True)
class BoardLayer:
    """One layer of neurons and the projection to it.

    Attributes:
        weights: `(n_pre, n)`, -127 to 127.
        multiplier: What one step of a weight adds per event, in 2^-16 threshold units.
        threshold: `(n,)`, in 2^-16 threshold units.
        gain: `(n,)`, in 2^-12.
        leak: `(n,)`, in 2^-16 per step.
    """

    weights: NDArray[np.int8]
    multiplier: int
    threshold: Whole
    gain: Whole
    leak: Whole


def deviates(seed: int, layer: int, neurons: int) -> Whole:
    """Three deviates for each neuron of a layer.

    Args:
        seed: Of the chip, not 0.
        layer: Counted from 1.
        neurons: How many.

    Returns:
        `(neurons, 3)`, of mean 0 and standard deviation 147.8.
    """
    x = (seed * 2654435761 + layer * 40503 + 1) % (1 << 32) or 1
    top = []
    for _ in range(DISCARDED + 12 * neurons):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        top.append(x >> 24)
    drawn = np.array(top[DISCARDED:], np.int64).reshape(neurons, 3, 4)
    deviation: Whole = drawn.sum(axis=2) - 510
    return deviation


def layer(
    seed: int, number: int, shape: tuple[int, int], multiplier: int, threshold: int, leak: int
) -> BoardLayer:
    """A layer with the fixed pattern of its chip, and weights of zero.

    Args:
        seed: Of the chip; 0 is the ideal one.
        number: Of the layer, counted from 1.
        shape: `(n_pre, n)`.
        multiplier: As in `BoardLayer`.
        threshold: The nominal one.
        leak: The nominal one.
    """
    neurons = shape[1]
    drawn = deviates(seed, number, neurons) if seed else np.zeros((neurons, 3), np.int64)
    return BoardLayer(
        np.zeros(shape, np.int8),
        multiplier,
        threshold + (threshold * drawn[:, 0] * 45 >> 16),
        4096 + (drawn[:, 1] * 45 >> 4),
        np.clip(leak + (leak * drawn[:, 2] * 90 >> 16), 1, 65535),
    )


def at_rest(layers: Sequence[BoardLayer], batch: int) -> list[Whole]:
    """The membranes `(B, n)` of each layer at the start of a sample."""
    return [np.zeros((batch, len(each.gain)), np.int64) for each in layers]


def steps(
    layers: Sequence[BoardLayer],
    inputs: Sequence[Whole],
    potentials: list[Whole],
    *,
    events: bool,
) -> Iterator[tuple[list[NDArray[np.bool_]], list[Whole]]]:
    """Run a batch.

    Args:
        layers: From the first.
        inputs: Of each step, `(B, n_in)`: counts, or currents in 2^-8 events per step.
        potentials: Membranes `(B, n)` of each layer, replaced by those after the last step.
        events: Whether the inputs are counts.

    Yields:
        Spikes and membranes before the reset, `(B, n)` of each layer, step after step.
    """
    # Sums stay below 2^53, so that the product of floats is exact, and it is fast.
    matrices = [each.weights.astype(np.float64) for each in layers]
    sums: Whole | None = None
    for step, given in enumerate(inputs):
        spikes: list[NDArray[np.bool_]] = []
        membranes: list[Whole] = []
        for number, (each, matrix) in enumerate(zip(layers, matrices, strict=True)):
            if number:
                arriving = _product(spikes[-1], matrix)
            else:
                # A constant current is the same array in every step.
                if sums is None or given is not inputs[step - 1]:
                    sums = _product(given, matrix)
                arriving = sums
            v = potentials[number]
            v = v - (v * each.leak >> 16)
            current = number == 0 and not events
            if current:
                v = _bound(v + ((arriving * each.multiplier >> 8) * each.gain >> 12))
            spike = v >= each.threshold
            spikes.append(spike)
            membranes.append(v.copy())
            if not current:
                v = _bound(v + (arriving * each.multiplier * each.gain >> 12))
            potentials[number] = np.where(spike, _bound(v - each.threshold), v)
        yield spikes, membranes


def _bound(v: Whole) -> Whole:
    return np.clip(v, -BOUND, BOUND)


def _product(arriving: NDArray[np.bool_] | Whole, matrix: NDArray[np.float64]) -> Whole:
    total: Whole = (arriving.astype(np.float64) @ matrix).astype(np.int64)
    return total
