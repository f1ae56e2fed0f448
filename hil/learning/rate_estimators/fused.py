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

from typing import Any

import numpy as np

from hil.learning.nominal_neuron import SPREADS, Axis, Table
from hil.learning.rate_estimators import Estimator, LayerReading, Matrix, RateEstimate
from hil.learning.rate_estimators.means import mean_before
from hil.one_pass import OnePass, flatten, parts

MISMATCH = 0.05  # coefficient of variation of a neuron's gain and threshold that is reckoned with
NOISE = {"mean": 0.05, "last": 0.25}  # of a reading, in thresholds, beside that of the drive
FLOOR = 1e-4  # least variance of a drive
CERTAIN = np.float32(2e-4)  # variance of a rate whose drive is known
SHARE, LEAST = np.float32(MISMATCH**2), np.float32(FLOOR)
ONE, TWO = np.float32(1), np.float32(2)
BOUNDS = tuple((SPREADS[1:] + SPREADS[:-1]) / TWO)  # halfway between the spreads of a table

# -- of numbers, or of arrays of one shape ----------------------------------------------------


def find_row(spread: Any, bounds: tuple[np.float32, ...], axis: Axis) -> Any:
    """Find the beginning of the row of the nearest spread in a flat table."""
    row = 0
    for bound in bounds:
        row = row + (spread > bound) * axis[3]
    return row


def locate(drive: Any, row: Any, axis: Axis) -> tuple[Any, Any]:
    """Find a mean drive, in thresholds per step, in a row of a flat table.

    Returns:
        Number of the entry below it, and its share of the way from there to the next, 0 to 1.
    """
    place = (np.minimum(np.maximum(drive, axis[0]), axis[2]) - axis[0]) / axis[1]
    left = np.minimum(np.int64(place), axis[3] - 2)
    return left + row, place - left


def look_up(quantity: Matrix, place: tuple[Any, Any]) -> Any:
    """Read a quantity of a flat table: linear between drives, of the nearest spread."""
    left, share = place
    below = quantity[left]
    return np.float32(below + share * (quantity[left + 1] - below))


def variance_of(drive: Any, doubt: Any) -> Any:
    """Variance of a drive: its doubt, beside that of a neuron's own gain and threshold."""
    return SHARE * (drive * drive) + LEAST + doubt


# -- estimators -------------------------------------------------------------------------------


def from_mean(reading: LayerReading) -> RateEstimate:
    """Rates from the mean membrane and the drive."""
    assert reading.mean is not None
    before = reading.sampled == "before_reset"
    values = reading.neuron.table
    expected = values["mean_before" if before else "mean_after"]
    rate, doubt = _fuse(reading, reading.mean, values, expected, NOISE["mean"])
    return RateEstimate(rate, mean_before(reading, rate), doubt)


def from_last(reading: LayerReading) -> RateEstimate:
    """Rates from the last membrane and the drive."""
    assert reading.last is not None
    before, values = reading.sampled == "before_reset", reading.neuron.table
    expected = values["last_before" if before else "last_after"]
    rate, doubt = _fuse(reading, reading.last, values, expected, NOISE["last"])
    axis = reading.neuron.axis
    at = locate(reading.drive, find_row(reading.spread, BOUNDS, axis), axis)
    return RateEstimate(rate, look_up(values["mean_before"].reshape(-1), at), doubt)


def from_drive(reading: LayerReading) -> RateEstimate:
    """Rates from the drive alone."""
    values, drive = reading.neuron.table, reading.drive
    axis = reading.neuron.axis
    row = find_row(reading.spread, BOUNDS, axis)
    deviation = np.sqrt(variance_of(drive, reading.doubt))
    low, at, high = (locate(d, row, axis) for d in (drive - deviation, drive, drive + deviation))
    rates = values["rate"].reshape(-1)
    rate = np.clip(look_up(rates, at), 0, reading.neuron.most)
    rise = look_up(rates, high) - look_up(rates, low)
    doubt = rise**2 / np.float32(4) + CERTAIN
    return RateEstimate(rate, look_up(values["mean_before"].reshape(-1), at), doubt)


def _fuse(
    reading: LayerReading, seen: Matrix, values: Table, expected: Matrix, noise: float
) -> tuple[Matrix, Matrix]:
    """Rate and its variance, from a reading and what the nominal neuron reads at each drive."""
    results = np.empty_like(seen), np.empty_like(seen)
    arguments = (seen, reading.drive, reading.spread, reading.doubt, expected, values["rate"])
    fuse(
        *map(flatten, arguments),
        BOUNDS,
        reading.neuron.axis,
        np.float32(noise**2),
        np.float32(reading.neuron.most),
        *map(flatten, results),
    )
    return results


def _fuse_parts(
    seen: Matrix,
    drive: Matrix,
    spread: Matrix,
    doubt: Matrix,
    expected: Matrix,
    rates: Matrix,
    bounds: tuple[np.float32, ...],
    axis: Axis,
    noise: np.float32,
    most: np.float32,
    rate: Matrix,
    left: Matrix,
) -> None:
    for i in parts(seen.size):
        row = find_row(spread[i], bounds, axis)
        variance = variance_of(drive[i], doubt[i])
        deviation = np.sqrt(variance)
        low = locate(drive[i] - deviation, row, axis)
        high = locate(drive[i] + deviation, row, axis)
        reach = TWO * deviation
        slope = (look_up(expected, high) - look_up(expected, low)) / reach
        blur = noise + spread[i] * spread[i] / TWO
        gain = variance * slope / (slope * slope * variance + blur)
        surprise = seen[i] - look_up(expected, locate(drive[i], row, axis))
        corrected = drive[i] + np.minimum(np.maximum(gain * surprise, -reach), reach)
        steepness = (look_up(rates, high) - look_up(rates, low)) / reach
        left[i] = steepness * steepness * variance * (ONE - gain * slope) + CERTAIN
        estimate = look_up(rates, locate(corrected, row, axis))
        rate[i] = np.minimum(np.maximum(estimate, np.float32(0)), most)


fuse = OnePass(_fuse_parts, find_row, locate, look_up, variance_of)


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
