"""Samples before the reset at or above threshold: exactly the spikes of an ideal neuron.

One that fires several times in a step fires once for each whole threshold in such a sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hil.learning.nominal_neuron import fired, rested
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, certain


def estimate(reading: LayerReading) -> Estimate:
    """Share of samples at or above threshold, or thresholds per sample."""
    samples, mean = reading.samples, reading.mean
    assert samples is not None and mean is not None
    neuron, whole = reading.neuron, reading.every == 1
    if neuron.most > 1 or (neuron.refractory and whole):
        found = rested(fired(samples, neuron.most), neuron.refractory if whole else 0)
        rate = found.mean(axis=0)
        return Estimate(rate, mean, certain(rate), found if whole else None)
    above = samples >= 1
    if len(samples) < 256:
        counts: NDArray[np.generic] = np.add.reduce(above.view(np.uint8), axis=0, dtype=np.uint8)
    else:
        counts = np.count_nonzero(above, axis=0)
    rate = counts.astype(np.float32) / np.float32(len(samples))
    spikes = above.astype(np.float32) if whole else None
    return Estimate(rate, mean, certain(rate), spikes)


ESTIMATOR = Estimator(
    "crossings",
    "samples",
    estimate,
    sampled="before_reset",
    closest=4,
    needs_drive=False,
)
