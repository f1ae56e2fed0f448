"""The host's nominal neuron: leaky, under a drive that varies.

It is what a device's `info` states, simulated once on a grid of drives, for estimators that ask
what such a neuron would do. A step of it, with decay d, drive x, membrane v and at most k spikes:

    u = d v + x ; s = min(floor(u), k) above 0, else 0 ; v = u - s (soft reset) or u [s = 0] (hard)

or, where events act at the end of their step, `u = d v` and `w = u + x` in place of u below `s`;
where a hard reset spares such events, it leaves x. For some steps after that of a spike a
refractory neuron ignores its input and does not fire: x and s are 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Quantity = Literal["rate", "mean_before", "mean_after", "last_before", "last_after"]
QUANTITIES: tuple[Quantity, ...] = (
    "rate",
    "mean_before",
    "mean_after",
    "last_before",
    "last_after",
)
LOWEST, HIGHEST, STEP = -1.0, 4.0, 0.02  # drives of the grid, in thresholds per step
MOST = 4  # times as far, at most, goes the grid of a neuron of several spikes a step
SPREADS: Matrix = np.array([0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0], np.float32)
TRIALS = 64  # runs with other noise that the table is a mean of


@dataclass(frozen=True)
class NominalNeuron:
    """What the maker of a device says of its neurons, and how long they run.

    Attributes:
        decay: Fraction of the membrane left after a step without input.
        steps: Steps of a run, T.
        reset: Whether a spike subtracts the threshold (`soft`) or clears the membrane (`hard`).
        late: Whether events act at the end of their step, after its threshold test and reset.
        idle: Steps at the start of a run in which nothing can arrive yet.
        most: Most spikes in a step.
        refractory: Steps after that of a spike in which input is ignored and none follows.
        spares_events: Whether a hard reset leaves what arrives at the end of its step.
    """

    decay: float
    steps: int
    reset: Literal["soft", "hard"]
    late: bool = False
    idle: int = 0
    most: int = 1
    refractory: int = 0
    spares_events: bool = False

    @property
    def highest_rate(self) -> float:
        """Spikes per step of a neuron that is driven without end.

        Where a hard reset clears late events, the first that counts comes a step after a spike.
        """
        loses = self.late and self.reset == "hard" and not self.spares_events
        return self.most / (1 + self.refractory + loses)


def held_current(decay: float) -> float:
    """What a current of 1, held for a step, adds to a membrane that leaks while it flows.

    It is `(1 - d) / -ln d`, the mean of `d ** s` over s from 0 to 1: from 0, where nothing lasts,
    to 1, where nothing leaks.

    Args:
        decay: Fraction d of the membrane left after a step without input, 0 to 1.
    """
    if decay in (0.0, 1.0):
        return decay
    return (1 - decay) / -math.log(decay)


def fired(before: Matrix, most: int) -> Matrix:
    """Spikes of a step, by the membrane before its reset, in thresholds; any shape."""
    if most == 1:
        return (before >= 1).astype(np.float32)
    return np.clip(np.floor(before), np.float32(0), np.float32(most))


def rested(spikes: Matrix, refractory: int) -> Matrix:
    """Spikes of every step `(T, B, n)`, in place, without those that follow one too closely."""
    for step in range(1, len(spikes) if refractory else 0):
        spikes[step] *= ~spikes[max(step - refractory, 0) : step].any(axis=0)
    return spikes


def after_reset(neuron: NominalNeuron, charged: Matrix, spikes: Matrix, late: Matrix) -> Matrix:
    """The membrane after the reset of a step, by what it would be without; `late` events in it."""
    if neuron.reset == "soft":
        return charged - spikes
    left = late if neuron.late and neuron.spares_events else np.float32(0)
    return np.where(spikes > 0, left, charged)


@lru_cache(maxsize=16)
def table(neuron: NominalNeuron) -> dict[Quantity, Matrix]:
    """Simulate the neuron from rest under every drive of the grid.

    The noise is the same for every drive, so that the table is smooth.

    Args:
        neuron: The neuron.

    Returns:
        By quantity, `(spreads, drives)`: spikes per step; time means and last samples of the
        membrane, before and after the reset, in thresholds.
    """
    noise = np.random.default_rng(0)  # one table for all: what it holds is no random outcome
    end = HIGHEST * min(neuron.most, MOST)
    drives = np.arange(LOWEST, end + STEP / 2, STEP, dtype=np.float32)
    idle = min(neuron.idle, neuron.steps - 1)
    mean = drives[:, None] * np.float32(neuron.steps / (neuron.steps - idle))
    v = np.zeros((len(SPREADS), len(drives), TRIALS), np.float32)
    totals = {name: np.zeros_like(v) for name in QUANTITIES[:3]}
    u, rests = v, np.zeros(v.shape, np.int16)
    for step in range(neuron.steps):
        x = SPREADS[:, None, None] * noise.standard_normal(TRIALS, dtype=np.float32) + mean
        if step < idle:
            x = np.zeros_like(x)
        if neuron.refractory:
            x = x * (rests == 0)
        u = np.float32(neuron.decay) * v + (0 if neuron.late else x)
        spikes = fired(u, neuron.most)
        if neuron.refractory:
            spikes = spikes * (rests == 0)
            rests = np.where(spikes > 0, np.int16(neuron.refractory), np.maximum(rests - 1, 0))
        charged = u + x if neuron.late else u
        v = after_reset(neuron, charged, spikes, x)
        for name, value in zip(QUANTITIES, (spikes, u, v), strict=False):
            totals[name] += value
    found: dict[Quantity, Matrix] = {
        name: (total / neuron.steps).mean(axis=-1) for name, total in totals.items()
    }
    return {**found, "last_before": u.mean(axis=-1), "last_after": v.mean(axis=-1)}


@dataclass(frozen=True)
class Place:
    """Where drives lie in the tables of a neuron: between two entries.

    Attributes:
        left: Number of the entry below, in the flat table, any shape.
        share: How far it is from there to the next, 0 to 1, same shape.
    """

    left: NDArray[np.intp]
    share: NDArray[np.float64]


def nearest(neuron: NominalNeuron, spread: Matrix) -> NDArray[np.intp]:
    """Where the rows of the nearest spreads begin in the flat tables, same shape."""
    rows = np.searchsorted((SPREADS[1:] + SPREADS[:-1]) / 2, spread)
    return np.asarray(rows * table(neuron)["rate"].shape[1], np.intp)


def placed(neuron: NominalNeuron, drive: Matrix, rows: NDArray[np.intp]) -> Place:
    """Where mean drives, in thresholds per step, lie in the rows of their spreads; same shape."""
    width = table(neuron)["rate"].shape[1]
    place = np.clip(drive, np.float32(LOWEST), np.float32(LOWEST + STEP * (width - 1)))
    place -= np.float32(LOWEST)
    place /= np.float32(STEP)
    left = np.minimum(place.astype(np.intp), width - 2)
    share = place - left
    left += rows
    return Place(left, share)


def look_up(values: Matrix, at: Place) -> Matrix:
    """A quantity of the table: linear between drives, of the nearest spread.

    Args:
        values: One entry of `table`.
        at: Where.

    Returns:
        The shape of the drives, float32.
    """
    flat = values.reshape(-1)
    below = flat.take(at.left)
    return np.asarray(below + at.share * (flat[1:].take(at.left) - below), np.float32)
