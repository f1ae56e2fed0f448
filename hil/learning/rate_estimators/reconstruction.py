"""Every sample after the reset: a membrane that is lower than leak and drive explain has fired."""

from __future__ import annotations

import numpy as np

from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, certain
from hil.learning.rate_estimators.balance import means


def estimate(reading: LayerReading) -> Estimate:
    """Spikes step by step, where the drive of each step is known; else the mean balance."""
    after, trace = reading.samples, reading.drive_trace
    assert after is not None and reading.mean is not None
    if trace is None:
        trace = np.broadcast_to(reading.drive, after.shape)
    begun = np.concatenate([np.zeros_like(after[:1]), after[:-1]])
    spikes = (np.float32(reading.neuron.decay) * begun + trace - after >= 0.5).astype(np.float32)
    before, _ = means(reading)
    rate = spikes.mean(axis=0)
    return Estimate(rate, before, certain(rate), spikes)


ESTIMATOR = Estimator("reconstruction", "samples", estimate, sampled="after_reset", closest=1)
