"""A rate estimator: hidden spikes per step from what the host may know without them; and by name.

A module here that defines `ESTIMATOR`, an `Estimator`, is one; `ESTIMATORS`, several by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hil.discovery import Catalogue
from hil.learning.nominal_neuron import NominalNeuron, Reset

Matrix = NDArray[np.float32]
Reading = Literal["samples", "mean", "last", "nothing"]
Sampled = Literal["before_reset", "after_reset"]


@dataclass(frozen=True, eq=False)
class LayerReading:
    """Knowledge of one layer of n neurons in a batch of B samples, but for its spikes.

    Membranes and charges are in nominal thresholds, membranes above rest. What was not read, or is
    not known, is None.

    Attributes:
        neuron: The nominal neuron.
        sampled: Whether membranes are sampled before or after the reset of their step.
        every: Steps between two samples.
        mean: Time mean of the membrane `(B, n)`.
        samples: Membrane sample by sample `(S, B, n)`.
        last: The last sample `(B, n)`.
        drive: Charge that arrives in a step on average `(B, n)`, by the stimulus or the estimates
            of the layer below, through stored weights.
        spread: Its standard deviation from step to step `(B, n)`.
        doubt: Variance of `drive` itself, since it is an estimate `(B, n)`.
        drive_trace: Charge that arrives in each step `(T, B, n)`.
    """

    neuron: NominalNeuron
    sampled: Sampled
    every: int
    mean: Matrix | None
    samples: Matrix | None
    last: Matrix | None
    drive: Matrix
    spread: Matrix
    doubt: Matrix
    drive_trace: Matrix | None = None


@dataclass(frozen=True, eq=False)
class RateEstimate:
    """Result of an estimator.

    Attributes:
        rate: Spikes per step `(B, n)`, from 0 to the most that the neuron can fire.
        membrane: Time mean of the membrane before its reset `(B, n)`, in thresholds: what a rule's
            gate is a function of.
        doubt: Variance of `rate` `(B, n)`.
        spikes: The spikes step by step `(T, B, n)`, where they can be told.
    """

    rate: Matrix
    membrane: Matrix
    doubt: Matrix
    spikes: Matrix | None = None


@dataclass(frozen=True)
class Estimator:
    """One way to estimate rates, and what it needs: by this `auto` chooses.

    Attributes:
        name: Its name.
        reading: What of the membrane it reads: every sample, the mean, the last one, or nothing.
        estimate: From a reading to an estimate; pure.
        sampled: Samples before or after the reset, where it can use but one of them.
        resets: Resets of the neurons that it is for.
        closest: Largest interval between samples, in steps, at which it is faithful.
        needs_drive: Whether it reads what flows in.
        target: Rate that homeostasis aims at on this estimate's scale.
        rank: Place among those that `auto` chooses from, the most trusted lowest; None for one
            that is chosen by its name alone.
        description: What it is, in a sentence, where its module has several.
    """

    name: str
    reading: Reading
    estimate: Callable[[LayerReading], RateEstimate]
    sampled: Sampled | None = None
    resets: tuple[Reset, ...] = ("soft", "hard")
    closest: int | None = None
    needs_drive: bool = True
    target: float = 0.1
    rank: int | None = None
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse a reading that is none."""
        if self.reading not in get_args(Reading):
            readings = ", ".join(get_args(Reading))
            raise ValueError(
                f"estimator {self.name!r} reads {self.reading!r}: give one of {readings}"
            )

    def serves(self, sampled: Sampled, every: int, reset: Reset) -> bool:
        """Tell whether it is for samples and neurons of that kind."""
        return (
            self.sampled in (None, sampled)
            and (self.closest is None or every <= self.closest)
            and reset in self.resets
        )


def doubt_little(rate: Matrix) -> Matrix:
    """The doubt of a rate that is as good as counted: a small constant."""
    return np.full_like(rate, 2e-4)


def with_checks(estimator: Estimator, what: str) -> Estimator:
    """Wrap an estimator, to be refused where what it gives is no estimate of the layer.

    Args:
        estimator: The estimator.
        what: Which one it is, for the refusal.
    """

    def estimate(reading: LayerReading) -> RateEstimate:
        result = estimator.estimate(reading)
        if not isinstance(result, RateEstimate):
            kind = type(result).__name__
            raise ValueError(f"{what} gives a {kind}: give a hil.learning.RateEstimate")
        read = reading.mean if reading.mean is not None else reading.last
        for name in ("rate", "membrane", "doubt"):
            value = np.asarray(getattr(result, name))
            if read is not None and value.shape != read.shape:
                raise ValueError(f"{what} gives a {name} of shape {value.shape}: give {read.shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"{what} gives a {name} that is not finite")
        low, high, most = np.min(result.rate), np.max(result.rate), reading.neuron.most
        own_scale = estimator.target != Estimator.target  # of which homeostasis aims at another
        if low < 0 or (high > most * 1.001 and not own_scale):
            raise ValueError(
                f"{what} gives rates from {low:g} to {high:g} spikes per step: give 0 to {most}"
            )
        return result

    return replace(estimator, estimate=estimate)


__all__ = ["CATALOGUE", "choose", "get", "names"]

CATALOGUE: Catalogue[Estimator] = Catalogue(
    "estimator", Estimator, "hil.estimators", __name__, "ESTIMATOR", with_checks=with_checks
)
names, get = CATALOGUE.names, CATALOGUE.get


def choose(
    readings: Collection[Reading], sampled: Sampled | None, every: int, reset: Reset, traced: bool
) -> list[Estimator]:
    """Choose by what each estimator declares, as `auto` does.

    Args:
        readings: What is shown of the membranes of hidden layers.
        sampled: Whether before or after the reset of their step; None where layers differ.
        every: Steps between two samples.
        reset: That of the neurons.
        traced: Whether every sample is read in any case, so that spikes may be told by step.

    Returns:
        The estimator to begin with, and those that the same readings serve.
    """
    available = [*names(), *CATALOGUE.list_installed()]
    trusted = [(e.rank, e.name, e) for e in map(get, available) if e.rank is not None]
    ranked = [estimator for _, _, estimator in sorted(trusted, key=lambda entry: entry[:2])]
    fitting = [
        e for e in ranked if e.reading in readings and sampled and e.serves(sampled, every, reset)
    ]
    by_step = [e for e in fitting if e.reading == "samples"] if traced else []
    if by_step:  # the better the more they know
        return sorted(by_step, key=lambda e: not e.needs_drive)
    if not fitting:  # a mean is at least something, whenever it is sampled
        fitting = [e for e in ranked if e.reading == "mean" and not e.needs_drive]
    first = fitting[0]
    served = {first.reading, "mean"} if first.reading == "samples" else {first.reading}
    others = [e for e in fitting[1:] if e.needs_drive and e.reading in served]
    return [first, *(others if first.needs_drive else [])]
