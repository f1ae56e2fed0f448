"""The drive as the layer below tells it, corrected by what the membrane reads, put into the neuron.

The drive of each neuron is a normal variable around what was computed; the nominal neuron says how
the reading depends on it. One Gauss-Newton step joins the two by their variances (an extended
Kalman update: Anderson & Moore 1979, Optimal Filtering, section 8.2), and the rate is that of the
nominal neuron under the corrected drive. Errors of the drive are damped by the reading, errors of
the reading by the drive.
"""

from __future__ import annotations

import numpy as np

from hil.learning.nominal_neuron import NominalNeuron, look_up, nearest, placed, table
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, Matrix
from hil.learning.rate_estimators.balance import mean_before

MISMATCH = 0.05  # coefficient of variation of a neuron's gain and threshold that is reckoned with
NOISE = {"mean": 0.05, "last": 0.25}  # of a reading, in thresholds, beside that of the drive
BLOCK = 1 << 15  # numbers at a time, which the processor's cache holds
FLOOR = 1e-4  # least variance of a drive


def from_mean(reading: LayerReading) -> Estimate:
    """Rates from the mean membrane and the drive."""
    assert reading.mean is not None
    key = "mean_before" if reading.sampled == "before_reset" else "mean_after"
    rate, doubt = _fused(reading, reading.mean, table(reading.neuron)[key], NOISE["mean"])  # type: ignore[index]
    return Estimate(rate, mean_before(reading, rate), doubt)


def from_last(reading: LayerReading) -> Estimate:
    """Rates from the last membrane and the drive."""
    assert reading.last is not None
    key = "last_before" if reading.sampled == "before_reset" else "last_after"
    neuron, values = reading.neuron, table(reading.neuron)
    rate, doubt = _fused(reading, reading.last, values[key], NOISE["last"])  # type: ignore[index]
    told = placed(neuron, reading.drive, nearest(neuron, reading.spread))
    return Estimate(rate, look_up(values["mean_before"], told), doubt)


def variance_of(drive: Matrix, doubt: Matrix) -> Matrix:
    """Variance of a drive: its doubt, beside that of a neuron's own gain and threshold."""
    return np.float32(MISMATCH**2) * drive**2 + np.float32(FLOOR) + doubt


def _fused(
    reading: LayerReading, seen: Matrix, expected: Matrix, noise: float
) -> tuple[Matrix, Matrix]:
    """Rate and its variance, from a reading and what the nominal neuron reads at each drive."""
    samples = max(1, BLOCK // seen.shape[1])
    given = (seen, reading.drive, reading.spread, reading.doubt)
    found = [
        _joined(
            reading.neuron, *[x[b : b + samples] for x in given], expected=expected, noise=noise
        )
        for b in range(0, len(seen), samples)
    ]
    rate, doubt = (np.concatenate(each) for each in zip(*found, strict=True))
    return rate, doubt


def _joined(
    neuron: NominalNeuron,
    seen: Matrix,
    drive: Matrix,
    spread: Matrix,
    doubt: Matrix,
    *,
    expected: Matrix,
    noise: float,
) -> tuple[Matrix, Matrix]:
    """The same of some samples."""
    rates, rows = table(neuron)["rate"], nearest(neuron, spread)
    variance = variance_of(drive, doubt)
    deviation = np.sqrt(variance)
    low, high = (placed(neuron, d, rows) for d in (drive - deviation, drive + deviation))
    slope = (look_up(expected, high) - look_up(expected, low)) / (2 * deviation)
    blur = np.float32(noise**2) + spread**2 / 2
    gain = variance * slope / (slope**2 * variance + blur)
    surprise = seen - look_up(expected, placed(neuron, drive, rows))
    corrected = drive + np.clip(gain * surprise, -2 * deviation, 2 * deviation)
    steepness = (look_up(rates, high) - look_up(rates, low)) / (2 * deviation)
    left = steepness**2 * variance * (1 - gain * slope) + np.float32(2e-4)
    found = look_up(rates, placed(neuron, corrected, rows))
    return np.clip(found, 0, neuron.most), left


ESTIMATOR = Estimator("fused", "mean", from_mean)
