"""Rate estimators by name.

A module here that defines `ESTIMATOR`, an `Estimator`, is one; `ESTIMATORS`, several by name.
"""

from __future__ import annotations

from collections.abc import Collection

from hil.discovery import Catalogue
from hil.learning.nominal_neuron import Reset
from hil.learning.rate_estimator import Estimator, Reading, Sampled, with_checks

__all__ = ["CATALOGUE", "choose", "get", "names"]

CATALOGUE: Catalogue[Estimator] = Catalogue(
    "estimator", Estimator, "hil.estimators", __name__, "ESTIMATOR"
)
names = CATALOGUE.names


def get(name: str) -> Estimator:
    """The estimator of that name; one of a user's own is held to what one has to be.

    Raises:
        ValueError: When there is none, or it is something else.
    """
    estimator = CATALOGUE.get(name)
    return estimator if name in names() else with_checks(estimator, f"estimator {name!r}")


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
    known = [*names(), *CATALOGUE.list_installed()]
    trusted = [(e.rank, e.name, e) for e in map(get, known) if e.rank is not None]
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
