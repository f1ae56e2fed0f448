"""Estimators that read the time mean of membranes.

`balance`: what flowed in, less what leaked and what is left, is what spikes took away. With d the
decay, means over the T steps of a run from rest: u before the reset, v after it, C the charge that
arrives before the threshold test of its step, P what arrives at its end,

    u = d (v - v_T / T) + C        taken = u + P - v

exactly, whatever the neuron does in between. The last membrane v_T is taken for the mean v. A soft
reset takes 1 for a spike; a hard one takes the whole membrane, 1 and what exceeds it, which for a
steady drive C is half an increment on average, or all of C where it fires in every step. In each
of the R refractory steps after a spike C is ignored: `taken` is then less by C R for each spike.

`rectified`: the mean membrane where it is positive, which is no rate, but rises with one where
there is leak. `spikes`: the measured rate, which is not estimated.
"""

from __future__ import annotations

import numpy as np

from hil.learning.rate_estimators import (
    Estimator,
    LayerReading,
    Matrix,
    RateEstimate,
    doubt_little,
)

DOUBT = 0.03  # standard deviation of a rate that is found so, beside that of its drive


def balance_charge(reading: LayerReading) -> RateEstimate:
    """Rates from the mean membrane and the drive."""
    assert reading.mean is not None
    neuron, drive = reading.neuron, np.maximum(reading.drive, 0)
    early, late = (0, reading.drive) if neuron.late else (reading.drive, 0)
    kept = np.float32(neuron.decay * (1 - 1 / neuron.steps))
    before = after = reading.mean
    if reading.sampled == "before_reset":
        after = (before - early) / kept
    else:
        before = kept * after + early
    charge = before - after + late
    at_once = np.floor(drive).clip(1, neuron.most)  # spikes of a step that share its reset
    per_reset = at_once
    if neuron.reset == "hard":
        excess = np.maximum(drive - np.float32(1 - neuron.decay), 0) / 2
        per_reset = np.maximum(1 + excess, drive)
        if neuron.late and neuron.clears_events:
            per_reset = per_reset + drive
    ignored = drive * np.float32(neuron.refractory)
    rate = (charge * at_once / (per_reset + ignored)).clip(0, neuron.most)
    return RateEstimate(rate, mean_before(reading, rate), reading.doubt + np.float32(DOUBT**2))


def mean_before(reading: LayerReading, rate: Matrix) -> Matrix:
    """Time mean of the membrane before its reset `(B, n)`, as read, or by charge balance."""
    assert reading.mean is not None
    if reading.sampled == "before_reset":
        return reading.mean
    neuron = reading.neuron
    kept = np.float32(neuron.decay * (1 - 1 / neuron.steps))
    early = 0 if neuron.late else reading.drive
    if neuron.refractory:
        at_once = np.clip(np.floor(reading.drive), 1, neuron.most)
        early = early * (1 - rate / at_once * np.float32(neuron.refractory))
    return kept * reading.mean + early


def rectify(reading: LayerReading) -> RateEstimate:
    """The mean membrane, rectified."""
    assert reading.mean is not None
    rate = np.maximum(reading.mean, np.float32(0))
    return RateEstimate(rate, reading.mean, doubt_little(rate))


def refuse(reading: LayerReading) -> RateEstimate:
    """Refuse: what is measured is not estimated."""
    raise AssertionError("hidden spikes are measured, not estimated")


ESTIMATORS = {
    "balance": Estimator(
        "balance",
        "mean",
        balance_charge,
        rank=50,
        description="Charge balance: what flowed in, less what leaked and what is left, is what "
        "spikes took away.",
    ),
    "rectified": Estimator(
        "rectified",
        "mean",
        rectify,
        needs_drive=False,
        target=0.3,
        rank=90,
        description="The mean membrane where it is positive: no rate, but it rises with one where "
        "there is leak.",
    ),
    "spikes": Estimator(
        "spikes",
        "mean",
        refuse,
        needs_drive=False,
        description='The measured rate: with `observe = "spikes"` there is nothing to estimate.',
    ),
}
