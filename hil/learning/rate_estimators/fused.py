"""The drive as the layer below tells it, corrected by what the membrane reads, put into the neuron.

The drive of each neuron is a normal variable around what was computed; the nominal neuron says how
the reading depends on it. One Gauss-Newton step joins the two by their variances (an extended
Kalman update: Anderson & Moore 1979, Optimal Filtering, section 8.2), and the rate is that of the
nominal neuron under the corrected drive. Errors of the drive are damped by the reading, errors of
the reading by the drive.
"""

from __future__ import annotations

import numpy as np

from hil.learning.nominal_neuron import look_up, table
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading, Matrix
from hil.learning.rate_estimators.balance import mean_before

MISMATCH = 0.05  # coefficient of variation of a neuron's gain and threshold that is reckoned with
NOISE = {"mean": 0.05, "last": 0.25}  # of a reading, in thresholds, beside that of the drive
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
    values = table(reading.neuron)
    rate, doubt = _fused(reading, reading.last, values[key], NOISE["last"])  # type: ignore[index]
    return Estimate(rate, look_up(values["mean_before"], reading.drive, reading.spread), doubt)


def _fused(
    reading: LayerReading, seen: Matrix, expected: Matrix, noise: float
) -> tuple[Matrix, Matrix]:
    """Rate and its variance, from a reading and what the nominal neuron reads at each drive."""
    drive, spread = reading.drive, reading.spread
    variance = np.float32(MISMATCH**2) * drive**2 + np.float32(FLOOR) + reading.doubt
    deviation = np.sqrt(variance)
    low, high = drive - deviation, drive + deviation
    slope = (look_up(expected, high, spread) - look_up(expected, low, spread)) / (2 * deviation)
    blur = np.float32(noise**2) + spread**2 / 2
    gain = variance * slope / (slope**2 * variance + blur)
    surprise = seen - look_up(expected, drive, spread)
    corrected = drive + np.clip(gain * surprise, -2 * deviation, 2 * deviation)
    rates = table(reading.neuron)["rate"]
    steepness = (look_up(rates, high, spread) - look_up(rates, low, spread)) / (2 * deviation)
    doubt = steepness**2 * variance * (1 - gain * slope) + np.float32(2e-4)
    return np.clip(look_up(rates, corrected, spread), 0, reading.neuron.most), doubt


ESTIMATOR = Estimator("fused", "mean", from_mean)
