"""First spikes of a layer in a recording, and the computed membranes around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.characterisation import estimators
from hil.characterisation.bench import Bench, LayerRecording
from hil.characterisation.estimators import Array


@dataclass(frozen=True)
class Brackets:
    """Computed membranes around the first spike of each neuron in each sample of a batch.

    Attributes:
        below: In the last step without a spike, `(B, n)`.
        above: In the step of the first spike, where there is one, `(B, n)`.
        fired: Whether there is one, `(B, n)`.
    """

    below: Array
    above: Array
    fired: NDArray[np.bool_]


def first_spikes(
    bench: Bench, layer: int, recording: LayerRecording, expected: Array, offset: Array
) -> NDArray[np.int64] | None:
    """Step of the first spike `(B, n)`, T where there is none, or None where none can be told."""
    if recording.raster is not None:
        return estimators.first_spikes(recording.raster)
    if recording.membrane is None or not bench.samples_every_step(layer):
        return None
    above = recording.membrane - offset.astype(np.float32)
    fall = estimators.falls(above, expected.astype(np.float32))
    late = bench.after_reset(layer)
    return np.where(fall < len(expected), fall + late, fall)


def around_threshold(
    bench: Bench, layer: int, recording: LayerRecording, expected: Array, offset: Array
) -> Brackets | None:
    """Brackets of a recording; None where the device does not show which neurons fired."""
    steps = len(expected)
    first = first_spikes(bench, layer, recording, expected, offset)
    if first is not None:
        fired = first < steps
        under = np.where(fired, first - 1, steps - 1)
        above = at_step(expected, np.minimum(first, steps - 1))
        return Brackets(at_step(expected, under), above, fired)
    if recording.counts is not None:
        fired = recording.counts > 0
        return Brackets(np.where(fired, 0.0, expected[-1]), expected[-1], fired)
    sampling = bench.sampling(layer, steps)
    offer = bench.device.info.offer("membrane", layer, bench.depth)
    if (
        recording.membrane is None
        or sampling is None
        or offer is None
        or "none" not in offer.reductions
    ):
        return None
    taken = sampling.argmax(axis=1)
    fall = estimators.falls(
        recording.membrane - offset.astype(np.float32), expected[taken].astype(np.float32)
    )
    fired = fall < len(taken)
    late = bench.after_reset(layer)
    last, then = (taken[np.minimum(fall + k, len(taken) - 1)] + late - 1 for k in (0, 1))
    below = at_step(expected, np.where(fired, last, taken[-1] - 1))
    return Brackets(below, at_step(expected, then), fired)


def at_step(expected: Array, step: NDArray[np.int64]) -> Array:
    """Values `(B, n)` of a `(T, B, n)` at a step for each; 0 before the first step."""
    values = np.take_along_axis(expected, np.maximum(step, 0)[None], axis=0)[0]
    return np.where(step < 0, 0.0, values)
