"""Rate estimators by name: a module here that defines `ESTIMATOR`, an `Estimator`, is one.

A user's own one is named as `package.module:NAME`.
"""

from __future__ import annotations

from importlib import import_module

from hil.discovery import Catalogue
from hil.learning.rate_estimator import Estimator, Reading, Sampled

__all__ = ["SPARSEST", "applicable", "get", "names"]

_ESTIMATORS = Catalogue("estimator", __name__, "ESTIMATOR", others=("module:NAME",))
names = _ESTIMATORS.names
# Those that `auto` chooses among, the most trusted first.
PREFERRED = ("crossings", "reconstruction", "fused", "balance", "fused_last")
SPARSEST = 4  # steps between samples up to which single samples tell spikes


def get(name: str) -> Estimator:
    """An estimator by name, or one of the user's own as `package.module:NAME`.

    Raises:
        ValueError: When there is none.
    """
    if ":" not in name:
        found: Estimator = _ESTIMATORS.module(name).ESTIMATOR
        return found
    module, _, attribute = name.partition(":")
    try:
        own = getattr(import_module(module), attribute)
    except Exception as error:  # code of others: it may fail in any way
        raise ValueError(f"estimator {name!r} cannot be loaded: {error}") from None
    if not isinstance(own, Estimator):
        raise ValueError(f"estimator {name!r} is no hil.learning.Estimator")
    return own


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
