"""Which estimators of hidden rates a device's offers allow, the one to begin with first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from drivers import ProbeOffer, Reduction
from hil.learning import rate_estimators
from hil.learning.rate_estimator import Estimator, Reading

if TYPE_CHECKING:
    from hil.config import Config

# What a device has to offer for a reading to be had.
SHOWN: Mapping[Reading, frozenset[Reduction]] = {
    "samples": frozenset({"none"}),
    "mean": frozenset({"mean", "none"}),
    "last": frozenset({"last", "none"}),
    "nothing": frozenset(),
}


def estimators(
    config: Config, offers: Sequence[ProbeOffer | None], every: int, traced: bool
) -> list[Estimator]:
    """The estimator to begin with, and those that the same probes serve.

    Args:
        config: The configuration.
        offers: What the device shows of the membranes of each hidden layer; None for nothing.
        every: Steps between two samples.
        traced: Whether the rule reads membranes step by step, whatever the estimator.

    Raises:
        ValueError: When spikes are asked for that may not be read.
    """
    if config.observe == "spikes":
        return [rate_estimators.get("spikes")]
    asked = config.activity.estimator
    if asked == "spikes":
        raise ValueError("activity.estimator = 'spikes' needs observe=spikes")
    if asked != "auto" or not offers:
        return [rate_estimators.get("crossings" if asked == "auto" else asked)]
    seen = [offer for offer in offers if offer is not None]
    if len(seen) < len(offers):
        return [rate_estimators.get("drive")]
    sampled = seen[0].sampled
    found = rate_estimators.applicable(_readings(seen, traced), sampled, every)
    if not found or any(offer.sampled != sampled for offer in seen):
        return [rate_estimators.get("rectified")]
    if traced:  # they tell spikes step by step, the better the more they know
        telling = [e for e in found if e.reading == "samples"]
        return sorted(telling, key=lambda e: not e.needs_drive) or found
    if not found[0].needs_drive:
        return found[:1]
    served = ("samples", "mean") if found[0].reading == "samples" else (found[0].reading,)
    return [e for e in found if e.needs_drive and e.reading in served]


def _readings(offers: Sequence[ProbeOffer], traced: bool) -> frozenset[Reading]:
    """What may be read; single samples may tell spikes, so a mean is taken where there is one."""
    if not traced and all("mean" in offer.reductions for offer in offers):
        return frozenset({"mean"})
    return frozenset(
        reading
        for reading, kinds in SHOWN.items()
        if all(kinds & set(offer.reductions) for offer in offers)
    )
