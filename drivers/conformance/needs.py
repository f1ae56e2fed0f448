"""Needs of checks that a device need not serve, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.conformance.harness import Harness


@dataclass(frozen=True)
class Need:
    """Something that a check needs and a device need not have.

    Attributes:
        is_met: Tells whether a device has it.
        otherwise: What is said of one that has not.
    """

    is_met: Callable[[Harness], object]
    otherwise: str


TIMED = Need(lambda h: h.timed_kinds, "the device takes constant currents only")
EVENTS = Need(lambda h: "spikes" in h.info.offers.stimuli, "the device takes no spikes")
PACE = Need(lambda h: h.share, "no weight was found at which neurons fire now and then")
ZERO = Need(lambda h: h.stores_zero(0), "none of the levels is zero, or near it")
SIGNS = Need(lambda h: h.info.weight_format(0).signs == "both", "info states weights of one sign")
LEVELS = Need(lambda h: h.info.weight_format(0).levels, "the device states no levels")
LAYERS = Need(lambda h: h.info.capacity.layers > 1, "the device has one layer only")
NEURONS = Need(lambda h: h.neurons > 1, "a layer has room for one neuron only")
RING = Need(lambda h: h.neurons > 2, "a layer has room for less than three neurons")
BATCH = Need(lambda h: h.batch > 2, "the device runs less than three samples at a time")
ONE_SPIKE = Need(
    lambda h: h.info.neuron.spikes_per_step == 1, "neurons may fire several times a step"
)
MANY_SPIKES = Need(
    lambda h: h.info.neuron.spikes_per_run is None, "info states a most of spikes in a run"
)
BURSTS = Need(lambda h: h.info.neuron.spikes_per_step > 1, "info states one spike a step")
SETTINGS = Need(lambda h: h.info.neuron.settings, "the device has no settings")
TRIMS = Need(
    lambda h: any(s.per_neuron for s in h.info.neuron.settings),
    "the device has no settings for each neuron",
)
BACK = Need(lambda h: h.info.capacity.recurrence, "info states no recurrence")
SKIPS = Need(lambda h: h.info.capacity.skips, "info states no projections past layers")
DELAYS = Need(lambda h: h.info.capacity.delay, "info states no delays")
OWN_DELAYS = Need(lambda h: h.info.capacity.synapse_delays, "info states no delays by synapse")
SPARSE = Need(lambda h: h.info.capacity.sparse, "info states no sparse projections")
CARRIES = Need(lambda h: h.info.abilities.runs_on, "info says that each run begins from reset")
REPEATS = Need(
    lambda h: h.info.abilities.deterministic, "info says that runs are not deterministic"
)
RESUMES = Need(lambda h: h.info.abilities.resumable, "info says that the device is not resumable")
LENGTHS = Need(
    lambda h: h.info.abilities.lengths, "info says that all samples of a batch last as long"
)
INVARIANT = Need(
    lambda h: h.batch > 1 and h.info.abilities.batch_invariant,
    "the device runs one sample at a time, or info says that the place in a batch matters",
)
FAULTS = Need(lambda h: h.info.abilities.faults, "info lists no faults")
