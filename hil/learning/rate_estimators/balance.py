"""Charge balance: what flowed in, less what leaked and what is left, is what spikes took away.

With d the decay, means over the T steps of a run from rest: u before the reset, v after it, C the
charge that arrives before the threshold test of its step, P what arrives at its end,

    u = d (v - v_T / T) + C        taken = u + P - v

exactly, whatever the neuron does in between. The last membrane v_T is taken for the mean v. A soft
reset takes 1 for a spike; a hard one takes the whole membrane, 1 and what exceeds it, which for a
steady drive C is half an increment on average, or all of C where it fires in every step.
"""

from __future__ import annotations

import numpy as np

from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, Matrix

DOUBT = 0.03  # standard deviation of a rate that is found so, beside that of its drive


def means(reading: LayerReading) -> tuple[Matrix, Matrix]:
    """Time means of the membrane before and after its reset `(B, n)`, one of them as read."""
    assert reading.mean is not None
    neuron, early = reading.neuron, 0 if reading.neuron.late else reading.drive
    kept = np.float32(neuron.decay * (1 - 1 / neuron.steps))
    if reading.sampled == "before_reset":
        return reading.mean, (reading.mean - early) / kept
    return kept * reading.mean + early, reading.mean


def estimate(reading: LayerReading) -> Estimate:
    """Rates from the mean membrane and the drive."""
    before, after = means(reading)
    taken = before - after + (reading.drive if reading.neuron.late else 0)
    rate = taken
    if reading.neuron.reset == "hard":
        leak = np.float32(1 - reading.neuron.decay)
        excess = np.maximum(reading.drive - leak, 0) / 2
        rate = taken / np.maximum(1 + excess, reading.drive)
    rate = np.clip(rate, 0, 1)
    return Estimate(rate, before, reading.doubt + np.float32(DOUBT**2))


ESTIMATOR = Estimator("balance", "mean", estimate)
