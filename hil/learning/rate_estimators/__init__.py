"""Rate estimators by name: a module here that defines `ESTIMATOR`, an `Estimator`, is one."""

from __future__ import annotations

from hil.discovery import Catalogue
from hil.learning.rate_estimator import Estimator, Reading, Sampled, checked

__all__ = ["CATALOGUE", "SPARSEST", "applicable", "get", "names"]

CATALOGUE: Catalogue[Estimator] = Catalogue(
    "estimator", Estimator, "hil.estimators", __name__, "ESTIMATOR"
)
names = CATALOGUE.names
# Those that `auto` chooses among, the most trusted first.
PREFERRED = ("crossings", "falls", "reconstruction", "fused", "balance", "fused_last")
SPARSEST = 4  # steps between samples up to which single samples tell spikes


def get(name: str) -> Estimator:
    """The estimator of that name; one of a user's own is held to what one has to be.

    Raises:
        ValueError: When there is none, or it is something else.
    """
    estimator = CATALOGUE.get(name)
    return estimator if name in names() else checked(estimator, f"estimator {name!r}")


def applicable(readings: frozenset[Reading], sampled: Sampled, every: int) -> list[Estimator]:
    """The estimators that can work with what a device shows, the most trusted first.

    Args:
        readings: What it shows of membranes: samples, their mean, the last one.
        sampled: Whether before or after the reset of their step.
        every: Steps between two samples.
    """
    known = [get(name) for name in PREFERRED]
    return [
        e
        for e in known
        if e.reading in readings
        and e.sampled in (None, sampled)
        and (e.closest is None or every <= e.closest)
    ]
