"""Which estimators of hidden rates a device's offers allow, the one to begin with first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from drivers import DeviceInfo, ProbeOffer, Reduction
from hil.learning import rate_estimators
from hil.learning.rate_estimator import Estimator, Reading

if TYPE_CHECKING:
    from hil.config import Config

# What a probe may give of each kind of reading, the cheapest first.
REDUCTIONS: Mapping[Reading, tuple[Reduction, ...]] = {
    "samples": ("none",),
    "mean": ("mean", "none", "last"),
    "last": ("last", "none"),
    "nothing": (),
}


def estimators(
    config: Config, info: DeviceInfo, depth: int, every: int, traced: bool
) -> list[Estimator]:
    """The estimator to begin with, and those that the same probes serve.

    Args:
        config: The configuration.
        info: What the device shows, and its neurons.
        depth: Layers of neurons.
        every: Steps between two samples.
        traced: Whether the rule reads membranes step by step, whatever the estimator.

    Raises:
        ValueError: When spikes are asked for that may not be read.
    """
    asked = "spikes" if config.observe == "spikes" else config.activity.estimator
    if asked == "spikes" and config.observe != "spikes":
        raise ValueError("activity.estimator = 'spikes' needs observe=spikes")
    if asked != "auto":
        return [rate_estimators.get(asked)]
    offers = [info.offer("membrane", layer, depth) for layer in range(1, depth)]
    seen = [offer for offer in offers if offer is not None]
    readings: Collection[Reading] = _readings(seen, traced)
    if len(seen) < len(offers):
        readings = ["nothing"]
    sampled = {offer.sampled for offer in seen} or {"before_reset"}
    one = sampled.pop() if len(sampled) == 1 or "nothing" in readings else None
    return rate_estimators.choose(readings, one, every, info.neuron.assumed_reset, traced)


def _readings(offers: Sequence[ProbeOffer], traced: bool) -> list[Reading]:
    """What all layers show; single samples may tell spikes, so a mean is taken where there is one.

    Of its last sample alone no layer's mean is made.
    """
    if offers and not traced and all("mean" in offer.reductions for offer in offers):
        return ["mean"]
    return [
        reading
        for reading, kinds in REDUCTIONS.items()
        if kinds and all(set(kinds[:2]) & set(offer.reductions) for offer in offers)
    ]
