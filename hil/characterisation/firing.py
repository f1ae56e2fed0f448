"""What a neuron that a device states would do under a given input, step by step. Pure functions.

A step, with decay d, charge x and membrane v in thresholds (`drivers.Timing` says when x arrives):

    u = d v + (what arrives before the test) ; s = [u >= 1]
    v = u - s (soft reset) or 0 where s = 1 (hard reset) ; then what arrives at the end of the step
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivers.contract.info import Arrival

Array = NDArray[np.float64]
Reset = Literal["soft", "hard"]


@dataclass(frozen=True)
class FiringRule:
    """What decides when a neuron fires.

    Attributes:
        decay: What a step leaves of a membrane.
        reset: Whether a spike subtracts the threshold (`soft`) or clears the membrane (`hard`).
        arrival: When an event acts.
        clears: Whether a hard reset also clears what arrives at the end of its step.
        most: Most spikes of a step.
        refractory: Steps after that of a spike in which the membrane is held and input ignored.
    """

    decay: float
    reset: Reset = "soft"
    arrival: Arrival = "same_step"
    clears: bool = True
    most: int = 1
    refractory: int = 0


@dataclass(frozen=True)
class Firing:
    """What a neuron did, each `(T, ...)`.

    Attributes:
        spikes: Spikes of each step.
        before: The membrane at the test of the threshold, in thresholds.
        after: The membrane at the end of the step.
    """

    spikes: Array
    before: Array
    after: Array


def fire(charge: Array, rule: FiringRule) -> Firing:
    """Let a neuron run from rest.

    Args:
        charge: `(T, ...)`, what is sent to it in each step, in thresholds.
        rule: What decides when it fires.
    """
    steps, spikes = len(charge), np.zeros_like(charge)
    before, after = np.zeros_like(charge), np.zeros_like(charge)
    membrane, held = np.zeros(charge.shape[1:]), np.zeros(charge.shape[1:])
    nothing = np.zeros(charge.shape[1:])
    for step in range(steps):
        now = nothing
        if rule.arrival == "same_step":
            now = charge[step]
        elif rule.arrival == "next_step" and step:
            now = charge[step - 1]
        free = held <= 0
        at_test = rule.decay * membrane + now * free
        count = np.clip(np.floor(at_test + 1e-9), 0, rule.most) * free
        late = charge[step] * free if rule.arrival == "end_of_step" else nothing
        fired = count > 0
        if rule.reset == "soft":
            membrane = at_test - count + late
        else:
            membrane = np.where(fired, 0.0 if rule.clears else late, at_test + late)
        held = np.where(fired, rule.refractory, held - 1)
        spikes[step], before[step], after[step] = count, at_test, membrane
    return Firing(spikes, before, after)
