"""Are membranes sampled at the stated time and in the stated unit?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import ProbeOffer

# A membrane that fires is about the threshold, in thresholds, on a chip of any spread.
ABOUT = (0.4, 4.0)
# A membrane that nothing drives is about its rest, in thresholds.
RESTS = 0.4


def membranes_are_sampled_as_declared(harness: Harness) -> None:
    """A membrane is shown before, or after, the reset of its step as stated."""
    membrane, spikes = (harness.info.offer(q, 1, 1) for q in ("membrane", "spikes"))
    if membrane is None:
        raise NotApplicable("the device does not show membranes")
    stimulus = harness.work()
    probe = harness.probe(membrane, 1, membrane.reductions[0])
    stated = harness.run(stimulus, [probe]).membrane_sampled
    if stated != membrane.sampled:
        raise Failed(f"the readout says {stated}, the offer {membrane.sampled}")
    if spikes is None or not {"none"} <= {*membrane.reductions} & {*spikes.reductions}:
        raise NotApplicable("the device does not show both membranes and spikes step by step")
    if harness.share is None:
        raise NotApplicable("no weight was found at which neurons fire now and then")
    at_spike, between = _at_spikes(harness, membrane, spikes)
    if (np.median(at_spike) > np.median(between)) != (stated == "before_reset"):
        raise Failed(
            f"stated is {stated}, but membranes are at {np.median(at_spike):.2f} thresholds in "
            f"steps with a spike and at {np.median(between):.2f} in others"
        )


def membranes_are_in_the_stated_unit(harness: Harness) -> None:
    """Membranes lie about the stated rest when idle, and about the threshold when they fire."""
    membrane, spikes = (harness.info.offer(q, 1, 1) for q in ("membrane", "spikes"))
    if membrane is None:
        raise NotApplicable("the device does not show membranes")
    harness.configure()
    probe = harness.probe(membrane, 1, membrane.reductions[0])
    idle = harness.run(harness.everything(), [probe]).samples[probe].astype(np.float32)
    rest = float(np.median(harness.info.neuron.membrane.in_thresholds(idle)))
    if abs(rest) > RESTS:
        raise Failed(f"membranes that nothing drives are at {rest:.2f} thresholds, 0 is the rest")
    if harness.share is None:
        return
    _are_about_the_threshold(harness, membrane)
    both = spikes is not None and "none" in membrane.reductions and "none" in spikes.reductions
    if spikes is None or not both or membrane.sampled == "after_reset":
        return
    fired = float(np.median(_at_spikes(harness, membrane, spikes)[0]))
    if not ABOUT[0] <= fired <= ABOUT[1]:
        raise Failed(f"membranes that fire are at {fired:.2f} thresholds before the reset")


def _are_about_the_threshold(harness: Harness, membrane: ProbeOffer) -> None:
    """Neurons that fire now and then, as their counts say, are neither far above nor near rest."""
    reduce = "none" if "none" in membrane.reductions else membrane.reductions[0]
    probe = harness.probe(membrane, 1, reduce)
    found = harness.run(harness.work(), [probe])
    shown = harness.info.neuron.membrane.in_thresholds(found.samples[probe].astype(np.float32))
    usual = float(np.median(np.abs(shown)))
    if usual > ABOUT[1]:
        raise Failed(f"membranes of neurons that fire now and then are at {usual:.2f} thresholds")
    fires = found.counts[:, : shown.shape[-1]] > 0
    if (
        reduce != "none"
        or membrane.every > 1
        or membrane.sampled == "after_reset"
        or not fires.any()
    ):
        return
    reached = float(np.median(shown.max(axis=0)[fires]))
    if reached < ABOUT[0]:
        raise Failed(f"neurons fire, but their membranes reach {reached:.2f} thresholds at most")


CHECKS: tuple[Check, ...] = (membranes_are_sampled_as_declared, membranes_are_in_the_stated_unit)


def _at_spikes(
    harness: Harness, membrane: ProbeOffer, spikes: ProbeOffer
) -> tuple[NDArray[np.float32], ...]:
    """Membranes of the network at work, in thresholds: in steps with a spike, and in others."""
    sampled, raster = (harness.probe(offer, 1, "none") for offer in (membrane, spikes))
    found = harness.run(harness.work(), [sampled, raster]).samples
    shown = min(found[sampled].shape[-1], found[raster].shape[-1])
    fired = found[raster].astype(bool)[sampled.every - 1 :: sampled.every, :, :shown]
    fired = fired[: len(found[sampled])]
    values = harness.info.neuron.membrane.in_thresholds(
        found[sampled][..., :shown].astype(np.float32)
    )
    if not fired.any() or fired.all():
        raise NotApplicable("no sample fell on a step with a spike")
    return values[fired], values[~fired]
