"""Choice of what is read: decided once, from the configuration and what the device offers.

With `observe = "membrane"` that is the spikes of the output layer and membranes, and nothing else;
hidden spikes are never asked for. With less, a device is taken to offer no more than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drivers import DeviceInfo, Probe, ProbeOffer, Reduction, UnsupportedProbe
from hil.learning import rate_estimators, rules
from hil.learning.rate_estimators import Estimator, Reading

if TYPE_CHECKING:
    from hil.config import Config

# What a probe may give of each kind of reading, the cheapest first.
REDUCTIONS: Mapping[Reading, tuple[Reduction, ...]] = {
    "samples": ("none",),
    "mean": ("mean", "none", "last"),
    "last": ("last", "none"),
    "nothing": (),
}


@dataclass(frozen=True)
class ProbePlan:
    """Everything that is read of a network, and the estimators that it serves.

    Attributes:
        candidates: Estimators that the probes serve, the most trusted first.
        membranes: Membrane of each layer, 1 to L; None where it can be done without.
        spikes: Spikes of each layer that shows them, and where they may be read.
        fitted: Membrane of the output that estimators are held against its spikes by, where it is
            to be had.
        output: What a deployed network is read by beside its counts: output membranes where there
            are any, and the times of output spikes where these are read out.
    """

    candidates: tuple[Estimator, ...]
    membranes: tuple[Probe | None, ...]
    spikes: Mapping[int, Probe]
    fitted: Probe | None
    output: tuple[Probe, ...]

    @property
    def learning(self) -> list[Probe]:
        """Probes of a learning step, each once."""
        chosen = [*self.membranes, *self.spikes.values(), self.fitted]
        return list(dict.fromkeys(probe for probe in chosen if probe is not None))


def limit_offers(info: DeviceInfo, observe: str) -> DeviceInfo:
    """The facts of a device as if it offered no more than may be read.

    Args:
        info: What it offers.
        observe: `output`, `last` or `mean`; anything else leaves what is offered.
    """
    if observe not in ("output", "last", "mean"):
        return info
    probes = []
    for offer in info.offers.probes:
        if offer.quantity == "spikes" and offer.layers != "hidden":
            probes.append(replace(offer, layers="output"))
        elif offer.quantity == "membrane" and observe in offer.reductions:
            probes.append(replace(offer, reductions=(observe,)))
    return replace(info, offers=replace(info.offers, probes=tuple(probes)))


def plan_probes(config: Config, info: DeviceInfo, depth: int, traced: bool) -> ProbePlan:
    """Choose estimators and probes.

    Args:
        config: The configuration.
        info: What the device shows, and its neurons.
        depth: Layers of neurons.
        traced: Whether the rule reads membranes step by step.

    Raises:
        UnsupportedProbe: When the device does not show what is needed.
        ValueError: When spikes are asked for that may not be read.
    """
    offers = [info.offer("membrane", layer, depth) for layer in range(1, depth + 1)]
    hidden, output = offers[:-1], offers[-1]
    _check_shown(config, info, offers, traced)
    every = _interval(config, hidden)
    candidates = _choose_estimators(config, info, hidden, every, traced)
    reading, by_spikes = candidates[0].reading, config.observe == "spikes"
    membranes = [
        _hidden_probe(layer, offer, every, reading, by_spikes, traced)
        for layer, offer in enumerate(hidden, start=1)
    ]
    whole = Probe(depth, every=1, reduce="none")
    deployed = None if output is None else _probe(depth, output, output.every, "mean")
    last = whole if output and traced else deployed
    spikes = _spike_probes(info, depth, by_spikes, traced, config.readout.source == "times")
    fitted = None
    shows = output and any(kind in output.reductions for kind in REDUCTIONS[reading])
    # Times are no rates, and what single spikes drive is no steady drive.
    is_rate = config.readout.source != "times" and info.neuron.spikes_per_run is None
    if hidden and output and shows and is_rate and not by_spikes and reading != "nothing":
        spaced = max(output.every, every if reading == "samples" else 1)
        fitted = whole if traced else _probe(depth, output, spaced, reading)
    if fitted is None and reading != "nothing":
        candidates = candidates[:1]
    return ProbePlan(
        candidates=tuple(candidates),
        membranes=(*membranes, last),
        spikes=spikes,
        fitted=fitted,
        output=tuple(p for p in (deployed, spikes.get(depth)) if p is not None),
    )


def _interval(config: Config, offers: Sequence[ProbeOffer | None]) -> int:
    """Steps between two samples of a hidden membrane."""
    shortest = [offer.every for offer in offers if offer is not None]
    every = max([config.activity.every, *shortest]) if shortest else 1
    if every > config.network.steps:
        raise UnsupportedProbe(
            f"membranes are sampled every {every} steps of a run of {config.network.steps}: raise "
            "network.steps or lower activity.every"
        )
    return every


def _choose_estimators(
    config: Config,
    info: DeviceInfo,
    offers: Sequence[ProbeOffer | None],
    every: int,
    traced: bool,
) -> list[Estimator]:
    """The estimator to begin with, and those that the same probes serve."""
    chosen = "spikes" if config.observe == "spikes" else config.activity.estimator
    if chosen == "spikes" and config.observe != "spikes":
        raise ValueError("activity.estimator = 'spikes' needs observe=spikes")
    if chosen != "auto":
        return [rate_estimators.get(chosen)]
    seen = [offer for offer in offers if offer is not None]
    readings = _readings(seen, traced)
    if len(seen) < len(offers):
        readings = ["nothing"]
    sampled = {offer.sampled for offer in seen} or {"before_reset"}
    one = sampled.pop() if len(sampled) == 1 or "nothing" in readings else None
    return rate_estimators.choose(readings, one, every, info.neuron.assumed_reset, traced)


def _readings(offers: Sequence[ProbeOffer], traced: bool) -> list[Reading]:
    """List what all layers show; a mean where there is one, since single samples may tell spikes.

    Of its last sample alone no layer's mean is made.
    """
    if offers and not traced and all("mean" in offer.reductions for offer in offers):
        return ["mean"]
    return [
        reading
        for reading, kinds in REDUCTIONS.items()
        if kinds and all(set(kinds[:2]) & set(offer.reductions) for offer in offers)
    ]


def _hidden_probe(
    layer: int,
    offer: ProbeOffer | None,
    every: int,
    reading: Reading,
    by_spikes: bool,
    traced: bool,
) -> Probe | None:
    if offer is None or (reading == "nothing" and not traced):
        return None
    if traced:
        return Probe(layer, every=1, reduce="none")
    return _probe(layer, offer, every, "mean" if by_spikes else reading)


def _check_shown(
    config: Config, info: DeviceInfo, membranes: Sequence[ProbeOffer | None], traced: bool
) -> None:
    """Refuse to read what the device does not show, with what it lets do in its place."""
    depth = len(membranes)
    spikes, hidden = info.offer("spikes", depth, depth), membranes[:-1]
    timed = spikes is not None and "none" in spikes.reductions
    for layer, offer in enumerate(membranes if traced else (), start=1):
        if offer is None or offer.every > 1 or "none" not in offer.reductions:
            place = "the output" if layer == depth else f"hidden layer {layer}"
            instead = "rule.clock=mean"
            if "clock" not in config.rule:
                known = {name: rules.get(name)() for name in rules.names()}
                free = [n for n, rule in known.items() if rule.model or not rule.needs_traces]
                instead = f"--rule {' or '.join(free)}"
            raise UnsupportedProbe(
                f"rule {config.rule['name']!r} reads the membranes of every step: this device "
                f"shows those of {place} {_describe_offer(offer)}: use {instead}"
            )
    if config.observe == "spikes" and hidden and info.offer("spikes", 1, depth) is None:
        instead = "reckoned from what drives them"
        if hidden[0] is not None:
            instead = f"estimated from membranes, shown {_describe_offer(hidden[0])}"
        raise UnsupportedProbe(
            "observe = spikes: this device does not show the spikes of hidden layers: leave it "
            f"out, their rates are then {instead}"
        )
    source = config.readout.source
    other = "readout.source=times or counts" if timed else "readout.source=counts"
    if source in ("membrane", "both") and membranes[-1] is None:
        raise UnsupportedProbe(
            f"readout.source = {source}: this device does not show the membranes of the output: "
            f"use {other}"
        )
    if source == "times" and not timed:
        raise UnsupportedProbe(
            "readout.source = times: this device does not show output spikes step by step: use "
            f"readout.source={'' if membranes[-1] is None else 'membrane or '}counts"
        )
    asked = config.activity.estimator
    reads = asked != "auto" and rate_estimators.get(asked).reading != "nothing"
    if config.observe != "spikes" and reads and None in hidden:
        raise UnsupportedProbe(
            f"activity.estimator = {asked}: this device does not show the membranes of hidden "
            f"layer {hidden.index(None) + 1}: use auto"
        )


def _describe_offer(offer: ProbeOffer | None) -> str:
    if offer is None:
        return "nowhere"
    steps = f"every {offer.every} steps" if offer.every > 1 else "in every step"
    return steps if "none" in offer.reductions else f"as {' or '.join(offer.reductions)} alone"


def _probe(layer: int, offer: ProbeOffer, every: int, reading: Reading) -> Probe:
    """A membrane probe for a reading, reduced by the device as far as it can."""
    kinds = [kind for kind in REDUCTIONS[reading] if kind in offer.reductions]
    return Probe(layer, every=every, reduce=kinds[0] if kinds else REDUCTIONS[reading][0])


def _spike_probes(
    info: DeviceInfo, depth: int, by_spikes: bool, traced: bool, timed: bool
) -> dict[int, Probe]:
    """Spikes of hidden layers when they may be seen, of the output with traces or for its times."""
    probes = {}
    layers = [*range(1, depth)] if by_spikes else []
    if timed or (traced and info.offer("spikes", depth, depth) is not None):
        layers.append(depth)
    every_step = traced or timed or info.neuron.spikes_per_run is not None
    for layer in layers:
        offer = info.offer("spikes", layer, depth)
        raster = every_step or (offer is not None and "mean" not in offer.reductions)
        # Without an offer the device itself refuses, in its own words.
        probes[layer] = Probe(layer, "spikes", reduce="none" if raster else "mean")
    return probes
