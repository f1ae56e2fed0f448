"""The host's nominal neuron: leaky, with a threshold, what a device's `info` states of its own.

A step of it, with decay d, charge x, membrane v and at most k spikes, in thresholds:

    u = d v + x ; s = min(floor(u), k) above 0, else 0 ; v = u - s (soft reset) or u [s = 0] (hard)

or, where events act at the end of their step, `u = d v` and `w = u + x` in place of u below `s`;
where a hard reset spares such events, it leaves x. For some steps after that of a spike a
refractory neuron ignores its input and does not fire: x and s are 0. So does one for the rest of a
run that has fired as often as it may in a run.

`simulate` lets it run under a charge that is given step by step. Its `table` is what it does under
a grid of mean drives, simulated once, for estimators that ask what such a neuron would do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Float = NDArray[Any]
Reset = Literal["soft", "hard"]
Arrival = Literal["same_step", "next_step", "end_of_step"]
Quantity = Literal["rate", "mean_before", "mean_after", "last_before", "last_after"]
Table = dict[Quantity, Matrix]
Axis = tuple[np.float32, np.float32, np.float32, int]
"""Drives of a table: the lowest, the step between two, the highest, and how many there are."""
QUANTITIES: tuple[Quantity, ...] = (
    "rate",
    "mean_before",
    "mean_after",
    "last_before",
    "last_after",
)
LOWEST, HIGHEST, STEP = -1.0, 4.0, 0.02  # drives of the grid, in thresholds per step
MOST_FACTOR = 4  # times as far, at most, goes the grid of a neuron of several spikes a step
SPREADS: Matrix = np.array([0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 2.0], np.float32)
TRIALS = 64  # runs with other noise that the table is a mean of
TOLERANCE = 1e-9  # of the threshold in double precision; nothing in single precision


@dataclass(frozen=True)
class NominalNeuron:
    """A neuron as the maker of a device states it, and how long it runs.

    Attributes:
        decay: Fraction of the membrane left after a step without input.
        reset: Whether a spike subtracts the threshold (`soft`) or clears the membrane (`hard`).
        arrival: When an event acts: before the threshold test of its step or of the next one, or
            after test and reset of its step.
        clears_events: Whether a hard reset also clears what arrives at the end of its step.
        most: Most spikes in a step.
        most_in_run: Most spikes in a run; None for no limit.
        refractory: Steps after that of a spike in which input is ignored and none follows.
        steps: Steps of a run, T.
        idle: Steps at the start of a run in which nothing can arrive yet.
    """

    decay: float
    reset: Reset = "soft"
    arrival: Arrival = "same_step"
    clears_events: bool = True
    most: int = 1
    most_in_run: int | None = None
    refractory: int = 0
    steps: int = 1
    idle: int = 0

    @property
    def late(self) -> bool:
        """Tell whether events act at the end of their step, after its threshold test and reset."""
        return self.arrival == "end_of_step"

    @property
    def highest_rate(self) -> float:
        """Spikes per step of a neuron that is driven without end.

        Where a hard reset clears late events, the first that counts comes a step after a spike.
        """
        loses = self.late and self.reset == "hard" and self.clears_events
        return self.most / (1 + self.refractory + loses)

    @cached_property
    def table(self) -> Table:
        """What it does under a grid of mean drives, with noise."""
        return _simulate_grid(self)

    @cached_property
    def axis(self) -> Axis:
        """Drives of its table."""
        width = self.table["rate"].shape[1]
        highest = np.float32(LOWEST + STEP * (width - 1))
        return np.float32(LOWEST), np.float32(STEP), highest, width


@dataclass(frozen=True)
class Firing:
    """A neuron's run, or a step of it; each array of the shape of its charge.

    Attributes:
        spikes: Spikes of each step.
        before: The membrane at the test of the threshold, in thresholds.
        after: The membrane at the end of the step.
    """

    spikes: Float
    before: Float
    after: Float


def integrate_held_current(decay: float) -> float:
    """Charge that a current of 1, held for a step, adds to a membrane that leaks while it flows.

    It is `(1 - d) / -ln d`, the mean of `d ** s` over s from 0 to 1: from 0, where nothing lasts,
    to 1, where nothing leaks.

    Args:
        decay: Fraction d of the membrane left after a step without input, 0 to 1.
    """
    if decay in (0.0, 1.0):
        return decay
    return (1 - decay) / -math.log(decay)


def count_spikes(before: Float, most: int) -> Float:
    """Spikes of a step, by the membrane before its reset, in thresholds; any shape."""
    if most == 1:
        return (before >= 1 - TOLERANCE).astype(before.dtype)
    kind = before.dtype.type
    return np.clip(np.floor(before + TOLERANCE), kind(0), kind(most))


def apply_refractory(spikes: Matrix, refractory: int) -> Matrix:
    """Remove from spikes of every step `(T, B, n)`, in place, those that follow one too closely."""
    for step in range(1, len(spikes) if refractory else 0):
        spikes[step] *= ~spikes[max(step - refractory, 0) : step].any(axis=0)
    return spikes


class _Run:
    """A neuron from rest, step by step."""

    def __init__(self, neuron: NominalNeuron, like: Float) -> None:
        self._neuron, self._decay = neuron, like.dtype.type(neuron.decay)
        self._membrane, self._resting = np.zeros_like(like), np.zeros(like.shape, np.int16)
        self._fired = np.zeros_like(like)

    def advance(self, charge: Float) -> Firing:
        """Let it run a step, in which some charge arrives."""
        neuron = self._neuron
        if neuron.refractory:
            charge = charge * (self._resting == 0)
        if neuron.most_in_run is not None:
            charge = charge * (self._fired < neuron.most_in_run)
        before = self._decay * self._membrane + (0 if neuron.late else charge)
        spikes = count_spikes(before, neuron.most)
        if neuron.refractory:
            spikes = spikes * (self._resting == 0)
            rest = np.maximum(self._resting - 1, 0)
            self._resting = np.where(spikes > 0, np.int16(neuron.refractory), rest)
        if neuron.most_in_run is not None:
            spikes = np.minimum(spikes, neuron.most_in_run - self._fired)
            self._fired = self._fired + spikes
        charged = before + charge if neuron.late else before
        if neuron.reset == "soft":
            after = charged - spikes
        else:
            spared = neuron.late and not neuron.clears_events
            after = np.where(spikes > 0, charge if spared else charge.dtype.type(0), charged)
        self._membrane = after
        return Firing(spikes, before, after)

    def activity(self, spikes: Float) -> Float:
        """Activity of the step that it just ran: spikes, or whether it has fired."""
        return spikes if self._neuron.most_in_run is None else np.minimum(self._fired, 1)


def activity_of(spikes: NDArray[np.generic], most_in_run: int | None) -> Matrix:
    """Activity of neurons of which every spike is known.

    Args:
        spikes: `(T, B, n)`.
        most_in_run: Most spikes in a run; None for no limit.

    Returns:
        `(B, n)`: spikes per step; where there is such a limit, the share of the run that begins
        with the first spike, which tells when that was.
    """
    if most_in_run is not None:
        spikes = np.maximum.accumulate(np.greater(spikes, 0), axis=0)
    return np.asarray(spikes.mean(axis=0, dtype=np.float32))


def simulate(neuron: NominalNeuron, charge: Float) -> Firing:
    """Let a neuron run from rest.

    Args:
        neuron: The neuron; the charge says how many steps.
        charge: `(T, ...)`, what is sent to it in each step, in thresholds.
    """
    if neuron.arrival == "next_step":
        charge = np.concatenate([np.zeros_like(charge[:1]), charge[:-1]])
    run = _Run(neuron, charge[0])
    steps = [run.advance(arriving) for arriving in charge]
    return Firing(
        np.array([step.spikes for step in steps]),
        np.array([step.before for step in steps]),
        np.array([step.after for step in steps]),
    )


@lru_cache(maxsize=16)
def _simulate_grid(neuron: NominalNeuron) -> Table:
    """Simulate the neuron from rest under every drive of the grid.

    The noise is the same for every drive, so that the table is smooth.

    Args:
        neuron: The neuron.

    Returns:
        By quantity, `(spreads, drives)`: spikes per step; time means and last samples of the
        membrane, before and after the reset, in thresholds.
    """
    noise = np.random.default_rng(0)  # one table for all: what it holds is no random outcome
    end = HIGHEST * min(neuron.most, MOST_FACTOR)
    drives = np.arange(LOWEST, end + STEP / 2, STEP, dtype=np.float32)
    idle = min(neuron.idle, neuron.steps - 1)
    mean = drives[:, None] * np.float32(neuron.steps / (neuron.steps - idle))
    nothing = np.zeros((len(SPREADS), len(drives), TRIALS), np.float32)
    totals = {name: np.zeros_like(nothing) for name in QUANTITIES[:3]}
    run, now = _Run(neuron, nothing), Firing(nothing, nothing, nothing)
    for step in range(neuron.steps):
        charge = SPREADS[:, None, None] * noise.standard_normal(TRIALS, dtype=np.float32) + mean
        now = run.advance(nothing if step < idle else charge)
        activity = run.activity(now.spikes)
        for name, value in zip(QUANTITIES, (activity, now.before, now.after), strict=False):
            totals[name] += value
    means: Table = {name: (total / neuron.steps).mean(axis=-1) for name, total in totals.items()}
    last = {"last_before": now.before.mean(axis=-1), "last_after": now.after.mean(axis=-1)}
    return {**means, **last}  # type: ignore[dict-item]
