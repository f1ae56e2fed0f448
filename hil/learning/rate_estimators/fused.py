"""Estimators that ask the nominal neuron, under the drive that the layer below tells.

`fused` and `fused_last`: the drive, corrected by the mean or the last membrane that is read, put
into the neuron. The drive of each neuron is a normal variable around what was computed; the nominal
neuron says how the reading depends on it. One Gauss-Newton step joins the two by their variances
(an extended Kalman update: Anderson & Moore 1979, Optimal Filtering, section 8.2), and the rate is
that of the nominal neuron under the corrected drive. Errors of the drive are damped by the reading,
errors of the reading by the drive.

`drive`: the neuron under the drive alone, where nothing is seen of a layer: as good as what is
stated of the neurons and stored in the synapses. The fixed pattern of a chip stays unknown.
"""

from __future__ import annotations

import numpy as np

from hil.learning.nominal_neuron import locate, look_up, spread_rows, table
from hil.learning.rate_estimator import Estimator, LayerReading, Matrix, RateEstimate
from hil.learning.rate_estimators.means import mean_before

MISMATCH = 0.05  # coefficient of variation of a neuron's gain and threshold that is reckoned with
NOISE = {"mean": 0.05, "last": 0.25}  # of a reading, in thresholds, beside that of the drive
BLOCK = 1 << 15  # numbers at a time, which the processor's cache holds
FLOOR = 1e-4  # least variance of a drive


def from_mean(reading: LayerReading) -> RateEstimate:
    """Rates from the mean membrane and the drive."""
    assert reading.mean is not None
    before = reading.sampled == "before_reset"
    expected = table(reading.neuron)["mean_before" if before else "mean_after"]
    rate, doubt = _fuse(reading, reading.mean, expected, NOISE["mean"])
    return RateEstimate(rate, mean_before(reading, rate), doubt)


def from_last(reading: LayerReading) -> RateEstimate:
    """Rates from the last membrane and the drive."""
    assert reading.last is not None
    before, values = reading.sampled == "before_reset", table(reading.neuron)
    expected = values["last_before" if before else "last_after"]
    rate, doubt = _fuse(reading, reading.last, expected, NOISE["last"])
    at = locate(values, reading.drive, spread_rows(values, reading.spread))
    return RateEstimate(rate, look_up(values["mean_before"], at), doubt)


def from_drive(reading: LayerReading) -> RateEstimate:
    """Rates from the drive alone."""
    values, drive = table(reading.neuron), reading.drive
    rows = spread_rows(values, reading.spread)
    deviation = np.sqrt(variance_of(drive, reading.doubt))
    low, at, high = (locate(values, d, rows) for d in (drive - deviation, drive, drive + deviation))
    rate = np.clip(look_up(values["rate"], at), 0, reading.neuron.most)
    rise = look_up(values["rate"], high) - look_up(values["rate"], low)
    doubt = rise**2 / np.float32(4) + np.float32(2e-4)
    return RateEstimate(rate, look_up(values["mean_before"], at), doubt)


def variance_of(drive: Matrix, doubt: Matrix) -> Matrix:
    """Variance of a drive: its doubt, beside that of a neuron's own gain and threshold."""
    return np.float32(MISMATCH**2) * drive**2 + np.float32(FLOOR) + doubt


def _fuse(
    reading: LayerReading, seen: Matrix, expected: Matrix, noise: float
) -> tuple[Matrix, Matrix]:
    """Rate and its variance, from a reading and what the nominal neuron reads at each drive."""
    samples = max(1, BLOCK // seen.shape[1])
    rate, doubt = np.empty_like(seen), np.empty_like(seen)
    for first in range(0, len(seen), samples):
        part = slice(first, first + samples)
        rate[part], doubt[part] = _fuse_block(reading, part, seen[part], expected, noise)
    return rate, doubt


def _fuse_block(
    reading: LayerReading, part: slice, seen: Matrix, expected: Matrix, noise: float
) -> tuple[Matrix, Matrix]:
    """The same of some samples."""
    values, drive, spread = table(reading.neuron), reading.drive[part], reading.spread[part]
    rates, rows = values["rate"], spread_rows(values, spread)
    variance = variance_of(drive, reading.doubt[part])
    deviation = np.sqrt(variance)
    low, high = locate(values, drive - deviation, rows), locate(values, drive + deviation, rows)
    slope = (look_up(expected, high) - look_up(expected, low)) / (2 * deviation)
    blur = np.float32(noise**2) + spread**2 / 2
    gain = variance * slope / (slope**2 * variance + blur)
    surprise = seen - look_up(expected, locate(values, drive, rows))
    corrected = drive + np.clip(gain * surprise, -2 * deviation, 2 * deviation)
    steepness = (look_up(rates, high) - look_up(rates, low)) / (2 * deviation)
    left = steepness**2 * variance * (1 - gain * slope) + np.float32(2e-4)
    rate = look_up(rates, locate(values, corrected, rows))
    return np.clip(rate, 0, reading.neuron.most), left


ESTIMATORS = {
    "fused": Estimator(
        "fused",
        "mean",
        from_mean,
        rank=40,
        description="The drive as the layer below tells it, corrected by what the membrane reads, "
        "put into the neuron.",
    ),
    "fused_last": Estimator(
        "fused_last",
        "last",
        from_last,
        rank=60,
        description="As `fused`, from the last membrane of a run, for devices that show nothing "
        "else.",
    ),
    "drive": Estimator(
        "drive",
        "nothing",
        from_drive,
        rank=100,
        description="The nominal neuron under the drive, where nothing is seen of a layer.",
    ),
}
