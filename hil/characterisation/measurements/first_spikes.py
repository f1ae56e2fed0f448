"""First spikes of a layer in a recording, and the computed membranes around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.characterisation import estimators
from hil.characterisation.bench import Bench, LayerRecording
from hil.characterisation.estimators import Array

# What a spike takes from a mean membrane at least, in thresholds, for it to be seen.
SEEN = 0.03


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


def joined(sweeps: Sequence[Brackets]) -> Brackets:
    """Brackets of several recordings as of one."""
    return Brackets(
        below=np.concatenate([sweep.below for sweep in sweeps]),
        above=np.concatenate([sweep.above for sweep in sweeps]),
        fired=np.concatenate([sweep.fired for sweep in sweeps]),
    )


@dataclass(frozen=True)
class Expected:
    """What membranes would be without any spike, `(T, B, n)` above the readout at reset.

    Attributes:
        tested: At the test of the threshold of each step.
        shown: As the device samples them.
    """

    tested: Array
    shown: Array


def first_spikes(
    bench: Bench, layer: int, recording: LayerRecording, expected: Expected, offset: Array
) -> NDArray[np.int64] | None:
    """Step of the first spike `(B, n)`, T where there is none, or None where none can be told."""
    if recording.raster is not None:
        return estimators.first_spikes(recording.raster)
    if recording.membrane is None or not bench.samples_every_step(layer):
        return None
    above = recording.membrane - offset.astype(np.float32)
    fall = estimators.falls(above, expected.shown.astype(np.float32))
    late = bench.after_reset(layer)
    return np.where(fall < len(above), fall + late, fall)


def around_threshold(
    bench: Bench,
    layer: int,
    recording: LayerRecording,
    expected: Expected,
    offset: Array,
    decay: Array,
) -> Brackets | None:
    """Brackets of a recording; None where the device does not show which neurons fired."""
    tested = expected.tested
    first = first_spikes(bench, layer, recording, expected, offset)
    if first is not None:
        return _by_step(tested, first)
    if recording.counts is not None:
        fired = recording.counts > 0
        return Brackets(np.where(fired, 0.0, tested[-1]), tested[-1], fired)
    sampling = bench.sampling(layer, len(tested))
    if recording.membrane is None or sampling is None:
        return None
    above = recording.membrane - offset.astype(np.float32)
    if bench.reduction(layer) == "mean":
        return _by_mean(above[-1], expected, sampling[-1], decay, late=bench.after_reset(layer))
    taken = sampling.argmax(axis=1)
    fall = estimators.falls(above, expected.shown[taken].astype(np.float32))
    fired = fall < len(taken)
    late = int(bench.after_reset(layer))
    last, then = (taken[np.minimum(fall + k, len(taken) - 1)] + late - 1 for k in (0, 1))
    below = at_step(tested, np.where(fired, last, taken[-1] - 1 + late))
    return Brackets(below, at_step(tested, then), fired)


def _by_step(tested: Array, first: NDArray[np.int64]) -> Brackets:
    fired = first < len(tested)
    under = np.where(fired, first - 1, len(tested) - 1)
    above = at_step(tested, np.minimum(first, len(tested) - 1))
    return Brackets(at_step(tested, under), above, fired)


def _by_mean(
    mean: Array, expected: Expected, sampling: Array, decay: Array, *, late: bool
) -> Brackets:
    """A mean tells only of a spike that came so early that what it took is seen.

    Args:
        mean: Mean membranes above the readout at reset, `(B, n)`.
        expected: What they would be without any spike.
        sampling: From steps to the mean, `(T,)`.
        decay: What a step leaves of a membrane, `(n,)`.
        late: Whether membranes are sampled after the reset.
    """
    steps = len(expected.tested)
    without = np.tensordot(sampling, expected.shown, axes=1)
    fired = mean < without - SEEN - estimators.MODEL_ERROR * SEEN * np.abs(without)
    # What a spike of each step takes from the mean, of a threshold of 1.
    taken, lost = np.zeros(steps), 0.0
    usual = float(np.median(decay))
    for step in range(steps - 1, -1, -1):
        taken[step] = lost = usual * lost + (sampling[step] if late else 0.0)
        if not late:
            lost = lost + sampling[step] * usual
    seen = int(np.flatnonzero(taken >= SEEN)[-1]) if (taken >= SEEN).any() else 0
    reached = expected.tested[seen]
    return Brackets(np.where(fired, 0.0, reached), reached, fired)


def at_step(expected: Array, step: NDArray[np.int64]) -> Array:
    """Values `(B, n)` of a `(T, B, n)` at a step for each; 0 before the first step."""
    values = np.take_along_axis(expected, np.maximum(step, 0)[None], axis=0)[0]
    return np.where(step < 0, 0.0, values)
