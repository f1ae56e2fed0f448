"""What was measured of a device's timing, and how it goes with what the device states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from drivers import DeviceInfo
from drivers.contract.info import Timing
from hil.learning.nominal_neuron import Reset

Sampled = Literal["before_reset", "after_reset"]
NAMES = ("input", "layer", "hard_reset_clears_events", "events_add")
# A layer of each place, in a network of two.
PLACES = {"hidden": (1, 2), "output": (2, 2)}


@dataclass(frozen=True)
class MeasuredTiming:
    """The timing of a device as measured; None for what could not be told.

    Attributes:
        timing: When events act.
        reset: What a spike does to the membrane.
        refractory: Steps after that of a spike in which a neuron ignores its input.
        decay: What a step leaves of a membrane: as stated, or the nearest of a few values.
        sampled: When membranes are sampled, of `hidden` layers and of the `output`.
    """

    timing: Timing
    reset: Reset | None = None
    refractory: int | None = None
    decay: float | None = None
    sampled: Mapping[str, Sampled | None] = field(default_factory=dict)

    def differences(self, info: DeviceInfo) -> Iterator[str]:
        """What a device states otherwise than it was measured, a line each.

        Args:
            info: What the device states.
        """
        stated, found = info.timing, self.timing
        for name in NAMES:
            said, seen = getattr(stated, name), getattr(found, name)
            if said is not None and seen is not None and said != seen:
                yield f"timing.{name}: stated {said}, measured {seen}"
        said, seen = info.neuron.reset, self.reset
        if said is not None and seen is not None and said != seen:
            yield f"neuron.reset: stated {said}, measured {seen}"
        for place, sampled in self.sampled.items():
            offer = info.offer("membrane", *PLACES[place])
            if offer is not None and sampled is not None and sampled != offer.sampled:
                yield f"membranes of {place}: stated {offer.sampled}, measured {sampled}"

    def over(self, info: DeviceInfo) -> MeasuredTiming:
        """What was measured, and what the device states where that is unknown."""
        offers = {place: info.offer("membrane", *PLACES[place]) for place in PLACES}
        stated: dict[str, Sampled | None] = {p: o.sampled for p, o in offers.items() if o}
        seen = {place: sampled for place, sampled in self.sampled.items() if sampled}
        return MeasuredTiming(
            timing=completed(self.timing, info.timing),
            reset=self.reset or info.neuron.reset,
            refractory=info.neuron.refractory if self.refractory is None else self.refractory,
            decay=self.decay,
            sampled=stated | seen,
        )


def completed(first: Timing, second: Timing) -> Timing:
    """One account of a timing, and another where the first one leaves something open."""
    known = {
        name: getattr(second if getattr(first, name) is None else first, name) for name in NAMES
    }
    return replace(first, **known)
