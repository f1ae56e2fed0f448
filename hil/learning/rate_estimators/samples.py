"""Estimators that read single samples of membranes, and tell spikes step by step.

`crossings`: samples before the reset at or above threshold are exactly the spikes of an ideal
neuron; one that fires several times in a step fires once for each whole threshold in such a sample.

`falls`: a neuron that is near threshold, and then falls, has fired. Two things tell a spike: the
membrane is at threshold, and one step later it is lower than leak and drive explain, by what the
reset took. Each errs by its own: the threshold of a neuron differs from the nominal one, the drive
is an estimate. With both errors normal and of about the same size, the odds of a spike go with the
sum of the two distances from the middle, which decides here.

`reconstruction`: of samples after the reset, a membrane that is lower than leak and drive explain
has fired.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hil.learning.nominal_neuron import (
    NominalNeuron,
    activity_of,
    apply_refractory,
    count_spikes,
)
from hil.learning.rate_estimators import (
    Estimator,
    LayerReading,
    Matrix,
    RateEstimate,
    doubt_little,
)
from hil.learning.rate_estimators.means import mean_before
from hil.one_pass import parts


def count_crossings(reading: LayerReading) -> RateEstimate:
    """Share of samples at or above threshold, or thresholds per sample."""
    samples, mean = reading.samples, reading.mean
    assert samples is not None and mean is not None
    neuron, whole = reading.neuron, reading.every == 1
    if neuron.most > 1 or neuron.most_in_run or (neuron.refractory and whole):
        spikes = count_spikes(samples, neuron.most)
        apply_refractory(spikes, neuron.refractory if whole else 0)
        rate = activity_of(spikes, neuron.most_in_run)
        return RateEstimate(rate, mean, doubt_little(rate), spikes if whole else None)
    above = samples >= 1
    if len(samples) < 256:
        counts: NDArray[np.generic] = np.add.reduce(above.view(np.uint8), axis=0, dtype=np.uint8)
    else:
        counts = np.count_nonzero(above, axis=0)
    rate = counts.astype(np.float32) / np.float32(len(samples))
    return RateEstimate(rate, mean, doubt_little(rate), above.astype(np.float32) if whole else None)


def detect_falls(reading: LayerReading) -> RateEstimate:
    """Spikes step by step; the last one by the threshold alone."""
    before, neuron = reading.samples, reading.neuron
    assert before is not None and reading.mean is not None
    trace, kept, most = _drive_trace(reading, before), np.float32(neuron.decay), neuron.most
    spikes = np.empty_like(before)
    spikes[-1] = count_spikes(before[-1], most)
    for part in parts(len(before) - 1, before[0].size):
        now, later = before[:-1][part], before[1:][part]
        drop = kept * now
        drop += kept * trace[:-1][part] if neuron.late else trace[1:][part]
        drop -= later
        drop /= max(kept, np.float32(0.1))
        if neuron.reset == "hard":
            drop /= np.maximum(now, 1)
        drop += now
        np.greater(drop, np.float32(1.5), out=spikes[:-1][part])
        if most > 1:
            several = np.clip(np.rint(now - np.float32(0.5)), np.float32(1), np.float32(most))
            spikes[:-1][part] *= several
    apply_refractory(spikes, neuron.refractory)  # what is missing then is input that was ignored
    rate = activity_of(spikes, neuron.most_in_run)
    return RateEstimate(rate, reading.mean, doubt_little(rate), spikes)


def reconstruct(reading: LayerReading) -> RateEstimate:
    """Spikes step by step, where the drive of each step is known; else the mean balance."""
    after, neuron = reading.samples, reading.neuron
    assert after is not None and reading.mean is not None
    begun = np.concatenate([np.zeros_like(after[:1]), after[:-1]])
    left, trace = np.float32(neuron.decay) * begun, _drive_trace(reading, after)
    spikes = _spikes(left, trace, after, neuron)
    rate = activity_of(spikes, neuron.most_in_run)
    return RateEstimate(rate, mean_before(reading, rate), doubt_little(rate), spikes)


def _spikes(left: Matrix, trace: Matrix, after: Matrix, neuron: NominalNeuron) -> Matrix:
    """Spikes `(T, B, n)`, by what a step left of a membrane, what arrived, and what is read."""
    missing = left + trace - after
    spikes = (missing >= 0.5).astype(np.float32)
    if neuron.most > 1:
        tested = missing + 0.5 if neuron.reset == "soft" else left + (0 if neuron.late else trace)
        spikes *= np.clip(np.floor(tested), np.float32(1), np.float32(neuron.most))
    return apply_refractory(spikes, neuron.refractory)


def _drive_trace(reading: LayerReading, samples: Matrix) -> Matrix:
    if reading.drive_trace is not None:
        return reading.drive_trace
    return np.broadcast_to(reading.drive, samples.shape)


ESTIMATORS = {
    "crossings": Estimator(
        "crossings",
        "samples",
        count_crossings,
        sampled="before_reset",
        closest=4,
        needs_drive=False,
        rank=10,
        description="Samples before the reset at or above threshold: exactly the spikes of an "
        "ideal neuron.",
    ),
    "falls": Estimator(
        "falls",
        "samples",
        detect_falls,
        sampled="before_reset",
        closest=1,
        rank=20,
        description="Every sample before the reset: a neuron that is near threshold, and then "
        "falls, has fired.",
    ),
    "reconstruction": Estimator(
        "reconstruction",
        "samples",
        reconstruct,
        sampled="after_reset",
        closest=1,
        rank=30,
        description="Every sample after the reset: a membrane that is lower than leak and drive "
        "explain has fired.",
    ),
}
