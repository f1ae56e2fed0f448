"""Every sample before the reset: a neuron that is near threshold, and then falls, has fired.

Two things tell a spike: the membrane is at threshold, and one step later it is lower than leak and
drive explain, by what the reset took. Each errs by its own: the threshold of a neuron differs from
the nominal one, the drive is an estimate. With both errors normal and of about the same size, the
odds of a spike go with the sum of the two distances from the middle, which decides here.
"""

from __future__ import annotations

import numpy as np

from hil.learning.nominal_neuron import NominalNeuron, fired, rested
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, Matrix, certain


def estimate(reading: LayerReading) -> Estimate:
    """Spikes step by step; the last one by the threshold alone."""
    before, trace, neuron = reading.samples, reading.drive_trace, reading.neuron
    assert before is not None and reading.mean is not None
    if trace is None:
        trace = np.broadcast_to(reading.drive, before.shape)
    spikes = fired(before, neuron.most)
    spikes[:-1] = _fallen(before, trace, neuron)
    spikes = rested(spikes, neuron.refractory)  # what is missing then is input that was ignored
    rate = spikes.mean(axis=0)
    return Estimate(rate, reading.mean, certain(rate), spikes)


def _fallen(before: Matrix, trace: Matrix, neuron: NominalNeuron) -> Matrix:
    """Spikes of all steps but the last, `(T - 1, B, n)`."""
    now, kept = before[:-1], np.float32(neuron.decay)
    taken = kept * now
    taken += kept * trace[:-1] if neuron.late else trace[1:]
    taken -= before[1:]
    taken /= max(kept, np.float32(0.1))
    if neuron.reset == "hard":
        taken /= np.maximum(now, 1)
    taken += now
    spikes = (taken > np.float32(1.5)).astype(np.float32)
    if neuron.most > 1:
        spikes *= np.clip(np.rint(now - np.float32(0.5)), np.float32(1), np.float32(neuron.most))
    return spikes


ESTIMATOR = Estimator("falls", "samples", estimate, sampled="before_reset", closest=1)
