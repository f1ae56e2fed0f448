"""Every sample after the reset: a membrane that is lower than leak and drive explain has fired."""

from __future__ import annotations

import numpy as np

from hil.learning.nominal_neuron import NominalNeuron, rested
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, Matrix, certain
from hil.learning.rate_estimators.balance import mean_before


def estimate(reading: LayerReading) -> Estimate:
    """Spikes step by step, where the drive of each step is known; else the mean balance."""
    after, trace, neuron = reading.samples, reading.drive_trace, reading.neuron
    assert after is not None and reading.mean is not None
    if trace is None:
        trace = np.broadcast_to(reading.drive, after.shape)
    begun = np.concatenate([np.zeros_like(after[:1]), after[:-1]])
    spikes = _spikes(np.float32(neuron.decay) * begun, trace, after, neuron)
    rate = spikes.mean(axis=0)
    return Estimate(rate, mean_before(reading, rate), certain(rate), spikes)


def _spikes(left: Matrix, trace: Matrix, after: Matrix, neuron: NominalNeuron) -> Matrix:
    """Spikes `(T, B, n)`, by what a step left of a membrane, what arrived, and what is read."""
    missing = left + trace - after
    spikes = (missing >= 0.5).astype(np.float32)
    if neuron.most > 1:
        tested = missing + 0.5 if neuron.reset == "soft" else left + (0 if neuron.late else trace)
        spikes *= np.clip(np.floor(tested), np.float32(1), np.float32(neuron.most))
    return rested(spikes, neuron.refractory)  # what is missing then is input that was ignored


ESTIMATOR = Estimator("reconstruction", "samples", estimate, sampled="after_reset", closest=1)
