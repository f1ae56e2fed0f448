"""Samples before the reset at or above threshold: exactly the spikes of an ideal neuron."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, certain


def estimate(reading: LayerReading) -> Estimate:
    """Share of samples at or above threshold."""
    samples, mean = reading.samples, reading.mean
    assert samples is not None and mean is not None
    above = samples >= 1
    if len(samples) < 256:
        counts: NDArray[np.generic] = np.add.reduce(above.view(np.uint8), axis=0, dtype=np.uint8)
    else:
        counts = np.count_nonzero(above, axis=0)
    rate = counts.astype(np.float32) / np.float32(len(samples))
    spikes = above.astype(np.float32) if reading.every == 1 else None
    return Estimate(rate, mean, certain(rate), spikes)


ESTIMATOR = Estimator(
    "crossings",
    "samples",
    estimate,
    sampled="before_reset",
    closest=4,
    needs_drive=False,
)
