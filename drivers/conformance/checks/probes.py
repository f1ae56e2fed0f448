"""Checks that probes show what they state, in the stated unit, without changing the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.comparing import (
    REPEATS,
    check_alike,
    is_near,
    measure_noise,
    measure_spread,
)
from drivers.conformance.harness import Failed, Harness, NotApplicable, skip_if
from drivers.contract.info import ProbeOffer, Quantity, Reduction
from drivers.contract.messages import Probe, Stimulus
from drivers.errors import UnsupportedProbe

# Of the drive at which neurons fire now and then: most, and where they show nothing of it, as a
# membrane after a reset in each step does, little.
FACTORS = (2.0, 0.5)


def offered_probes_are_answered(harness: Harness) -> None:
    """Every quantity, layer and reduction offered is answered, all in one run."""
    depth = min(2, harness.info.capacity.layers)
    probes = _all_probes(harness, depth)
    readout = harness.run(harness.work(depth), probes)
    for probe in probes:
        kind = readout.samples[probe].dtype.kind
        whole = probe.quantity == "spikes" and probe.reduce != "mean"
        if kind not in ("iu" if whole else "f"):
            raise Failed(f"{_describe(probe)}: samples are {readout.samples[probe].dtype}")


def other_probes_are_refused(harness: Harness) -> None:
    """What is not offered raises UnsupportedProbe, to the last step and neuron."""
    depth = min(2, harness.info.capacity.layers)
    harness.clear(depth)
    beyond = [Probe(0, "spikes"), Probe(depth + 1, "spikes")]
    quantities: tuple[Quantity, ...] = get_args(Quantity)
    for layer in range(1, depth + 1):
        for quantity in quantities:
            offer = harness.info.offer(quantity, layer, depth)
            if offer is None:
                beyond += [Probe(layer, quantity, reduce=r) for r in get_args(Reduction)]
                continue
            shown = harness.probe(offer, layer, offer.reductions[0])
            every, neurons, first = shown.every, shown.neurons, offer.reductions[0]
            beyond += [
                Probe(layer, quantity, neurons, every, reduce)
                for reduce in get_args(Reduction)
                if reduce not in offer.reductions
            ]
            if quantity == "membrane" and offer.every > 1:
                beyond.append(Probe(layer, quantity, neurons, offer.every - 1, first))
            if neurons is not None:
                more = tuple(range(len(neurons) + 1))
                beyond.append(Probe(layer, quantity, more, every, first))
            beyond.append(Probe(layer, quantity, (harness.neurons,), every, first))
    for probe in beyond:
        try:
            harness.run(harness.everything(), [probe])
        except UnsupportedProbe:
            continue
        raise Failed(f"{_describe(probe)}: answered, though it is not offered")


def probes_change_nothing(harness: Harness) -> None:
    """With and without probes, the spikes are the same, in that run and the next."""
    depth = min(2, harness.info.capacity.layers)
    probes = _all_probes(harness, depth)
    harness.configure(depth)  # what probes did before is to be forgotten
    stimulus, exact = harness.work(depth), harness.info.abilities.deterministic

    def plain(trial: int) -> NDArray[np.int32]:
        return harness.run(stimulus, trial=trial).counts

    def probed(trial: int) -> NDArray[np.int32]:
        return harness.run(stimulus, probes, trial=trial).counts

    before = {2 * run: plain(2 * run) for run in range(1 if exact else REPEATS)}
    check_alike("a run without probes, and with all", plain, probed, exact)
    check_alike("a run before others with all probes, and after", before.__getitem__, plain, exact)


def reductions_agree(harness: Harness) -> None:
    """The mean and the last of a probe are those of its samples."""
    checked = False
    for offer, layer in _offers_of(harness, 1):
        reduced = [r for r in offer.reductions if r != "none"]
        if "none" not in offer.reductions or not reduced:
            continue
        for multiple in (1, 3):
            whole = harness.probe(offer, layer, "none", multiple)
            if harness.steps < 2 * whole.every:
                continue
            probes = [whole, *(harness.probe(offer, layer, r, multiple) for r in reduced)]
            scatter = measure_noise(harness, whole)
            samples = harness.run(harness.work(), probes).samples
            for probe in probes[1:]:
                expected = samples[whole][-1]
                if probe.reduce == "mean":
                    expected = samples[whole].mean(axis=0, dtype=np.float64)
                if not is_near(harness, probe, samples[probe], expected, scatter):
                    raise Failed(
                        f"{_describe(probe)}: {measure_spread(samples[probe], expected):g} away "
                        "from what the samples give"
                    )
            checked = True
    skip_if(not checked, "no probe is offered both sample by sample and reduced")


def samples_are_taken_at_every(harness: Harness) -> None:
    """A probe at a longer interval gives the samples at the end of each interval."""
    offer = harness.require_offer("membrane", "none")
    skip_if(harness.steps < 3 * offer.every, "runs are too short")
    fine = harness.probe(offer, 1, "none")
    scatter = measure_noise(harness, fine)
    for multiple in (2, 3):
        coarse = harness.probe(offer, 1, "none", multiple)
        samples = harness.run(harness.work(), [fine, coarse]).samples
        whole = samples[fine].astype(np.float64)
        count = len(samples[coarse])
        apart = [
            measure_spread(samples[coarse], whole[s::multiple][:count]) for s in range(multiple)
        ]
        right = whole[multiple - 1 :: multiple][:count]
        if not is_near(harness, coarse, samples[coarse], right, scatter) or min(apart) < apart[-1]:
            raise Failed(
                f"{_describe(coarse)}: the samples are nearest to those of step "
                f"{int(np.argmin(apart)) + 1} of {multiple}"
            )


def probes_name_their_neurons(harness: Harness) -> None:
    """A probe of some neurons gives these, in the order named."""
    skip_if(harness.neurons < 3, "the device has room for less than three neurons in a layer")
    checked = False
    for offer, layer in _offers_of(harness, 1):
        room = min(offer.neurons or harness.neurons, harness.neurons)
        chosen = (harness.neurons - 2, 0, harness.neurons - 1)[:room]
        reduce = offer.reductions[0]
        some = Probe(layer, offer.quantity, chosen, offer.every, reduce)
        right = _is_in_order(harness, some, chosen)
        if room == harness.neurons:
            every = replace(some, neurons=None)
            samples = harness.run(harness.work(), [some, every]).samples
            found, expected = samples[some], samples[every][..., list(chosen)]
            right = right and is_near(harness, some, found, expected, measure_noise(harness, some))
        if not right:
            raise Failed(f"{_describe(some)}: these are not the neurons, or not in that order")
        checked = True
    skip_if(not checked, "the device offers no probes")


def probed_neurons_are_those_driven(harness: Harness) -> None:
    """A probe shows the layer and the neurons that the weights drive."""
    depth = min(3, harness.info.capacity.layers)
    lit_first = np.arange(harness.neurons) % 3 == 1
    lit = np.repeat(lit_first[None], harness.batch, axis=0)
    checked = False
    for offer, layer in _offers_of(harness, depth):
        probe = harness.probe(offer, layer, offer.reductions[0])
        driven = np.roll(lit_first, layer - 1)
        if probe.reduce == "last":
            continue
        moved = _measure_movement(harness, probe, harness.stimulus(lit), depth).mean(axis=0)
        driven = driven[: len(moved)]
        if not driven.any() or driven.all():
            continue
        if not moved.any() and not harness.reaches(layer):
            continue
        if moved[driven].mean() <= 2 * moved[~driven].mean():
            raise Failed(
                f"{_describe(probe)}: {moved[driven].mean():.3g} on average where driven, "
                f"{moved[~driven].mean():.3g} elsewhere"
            )
        checked = True
    skip_if(not checked, "the device offers no probes of more than one neuron over time")


def samples_of_probes_are_those_of_the_batch(harness: Harness) -> None:
    """A probe shows each sample of a batch in its place."""
    skip_if(harness.batch < 3, "the device runs less than three samples at a time")
    checked = False
    chosen = np.arange(harness.batch) % 4 == 1
    active = np.repeat(chosen[:, None], harness.neurons, axis=1)
    for offer, layer in _offers_of(harness, 1):
        reduce = next((r for r in ("mean", "none") if r in offer.reductions), None)
        if reduce is None:
            continue
        probe = harness.probe(offer, layer, reduce)
        moved = _measure_movement(harness, probe, harness.stimulus(active)).mean(axis=-1)
        if not moved.any() and not harness.reaches(1):
            continue
        if moved[chosen].mean() <= 2 * moved[~chosen].mean():
            raise Failed(
                f"{_describe(probe)}: {moved[chosen].mean():.3g} on average in samples that are "
                f"driven, {moved[~chosen].mean():.3g} in others: look at the order of samples"
            )
        checked = True
    skip_if(not checked, "the device offers no probes over time")


def counts_agree_with_the_raster(harness: Harness) -> None:
    """Output counts are the sums of the output's raster."""
    offer = harness.info.offer("spikes", 1, 1)
    told = [r for r in ("none", "mean") if offer is not None and r in offer.reductions]
    if offer is None or not told:
        raise NotApplicable("the device shows no output spikes over time")
    probe = harness.probe(offer, 1, told[0])
    readout = harness.run(harness.work(), [probe])
    shown = readout.samples[probe]
    sums = shown.sum(axis=0) if probe.reduce == "none" else np.rint(shown * readout.steps)
    counts = readout.counts[:, : sums.shape[-1]]
    if not np.array_equal(sums, counts):
        place = tuple(int(i) for i in np.argwhere(sums != counts)[0])
        raise Failed(f"counts{list(place)} = {counts[place]}, the raster has {sums[place]:g}")


def _offers_of(harness: Harness, depth: int) -> Iterator[tuple[ProbeOffer, int]]:
    """Offers of each layer of a network."""
    quantities: tuple[Quantity, ...] = get_args(Quantity)
    for layer in range(1, depth + 1):
        for quantity in quantities:
            offer = harness.info.offer(quantity, layer, depth)
            if offer is not None:
                yield offer, layer


def _measure_movement(
    harness: Harness, probe: Probe, lit: Stimulus, depth: int = 1
) -> NDArray[np.float64]:
    """Measure how far a stimulus moves what a probe shows, `(B, k)`, at the drive that does most.

    Neuron i of a layer drives neuron i + 1 of the next, so that no layer is as another.
    """
    dark, found = harness.stimulus(np.zeros((harness.batch, harness.neurons))), []
    share, own = harness.share or 1.0, np.eye(harness.neurons)
    for factor in FACTORS:
        harness.clear(depth)
        for projection in range(depth):
            # The layer itself is driven to fire now and then, so that its membranes move as well.
            driven = min(1.0, factor * share) if projection == probe.layer - 1 else 1.0
            harness.write(driven * np.roll(own, min(projection, 1), axis=1), projection)
        shown = [harness.run(s, [probe]).samples[probe].astype(np.float64) for s in (lit, dark)]
        apart = shown[0] - shown[1]
        found.append(np.abs(apart.mean(axis=0) if probe.reduce == "none" else apart))
    return max(found, key=lambda moved: float(moved.mean()))


def _is_in_order(harness: Harness, probe: Probe, chosen: Sequence[int]) -> bool:
    """Tell whether a drive of each chosen neuron moves the one that is shown in its place."""
    moved = []
    for neuron in chosen:
        lit = np.tile(np.eye(harness.neurons)[neuron], (harness.batch, 1))
        moved.append(_measure_movement(harness, probe, harness.stimulus(lit)).mean(axis=0))
    places = range(len(chosen))
    orders = (sum(moved[i][at] for i, at in enumerate(order)) for order in permutations(places))
    return bool(2 * sum(moved[at][at] for at in places) >= max(orders))


def _all_probes(harness: Harness, depth: int) -> list[Probe]:
    """A probe of every quantity, layer and reduction that is offered."""
    found = [
        harness.probe(offer, layer, reduce)
        for offer, layer in _offers_of(harness, depth)
        for reduce in offer.reductions
    ]
    skip_if(not found, "the device offers no probes")
    return found


def _describe(probe: Probe) -> str:
    neurons = "" if probe.neurons is None else f" of neurons {', '.join(map(str, probe.neurons))}"
    return (
        f"{probe.quantity} of layer {probe.layer}{neurons}, every {probe.every}, "
        f"reduced by {probe.reduce}"
    )


# A membrane that fires is about the threshold, in thresholds, on a chip of any spread.
ABOUT = (0.4, 4.0)
# A membrane that nothing drives is about its rest, in thresholds.
RESTS = 0.4


def membranes_are_sampled_as_declared(harness: Harness) -> None:
    """A membrane is shown before, or after, the reset of its step as stated."""
    membrane, spikes = harness.require_offer("membrane"), harness.info.offer("spikes", 1, 1)
    stimulus = harness.work()
    probe = harness.probe(membrane, 1, membrane.reductions[0])
    stated = harness.run(stimulus, [probe]).membrane_sampled
    if stated != membrane.sampled:
        raise Failed(f"the readout says {stated}, the offer {membrane.sampled}")
    if spikes is None or not {"none"} <= {*membrane.reductions} & {*spikes.reductions}:
        raise NotApplicable("the device does not show both membranes and spikes step by step")
    skip_if(harness.share is None, "no weight was found at which neurons fire now and then")
    at_spike, between = _sample_at_spikes(harness, membrane, spikes)
    if (np.median(at_spike) > np.median(between)) != (stated == "before_reset"):
        raise Failed(
            f"stated is {stated}, but membranes are at {np.median(at_spike):.2f} thresholds in "
            f"steps with a spike and at {np.median(between):.2f} in others"
        )


def membranes_are_in_the_stated_unit(harness: Harness) -> None:
    """Membranes lie about the stated rest when idle, and about the threshold when they fire."""
    membrane, spikes = harness.require_offer("membrane"), harness.info.offer("spikes", 1, 1)
    harness.configure()
    probe = harness.probe(membrane, 1, membrane.reductions[0])
    idle = harness.run(harness.everything(), [probe]).samples[probe].astype(np.float32)
    rest = float(np.median(harness.info.neuron.membrane.in_thresholds(idle)))
    if abs(rest) > RESTS:
        raise Failed(f"membranes that nothing drives are at {rest:.2f} thresholds, 0 is the rest")
    if harness.share is None:
        return
    _check_about_threshold(harness, membrane)
    both = spikes is not None and "none" in membrane.reductions and "none" in spikes.reductions
    if spikes is None or not both or membrane.sampled == "after_reset":
        return
    fired = float(np.median(_sample_at_spikes(harness, membrane, spikes)[0]))
    if not ABOUT[0] <= fired <= ABOUT[1]:
        raise Failed(f"membranes that fire are at {fired:.2f} thresholds before the reset")


def _check_about_threshold(harness: Harness, membrane: ProbeOffer) -> None:
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


def _sample_at_spikes(
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
    skip_if(not fired.any() or fired.all(), "no sample fell on a step with a spike")
    return values[fired], values[~fired]
