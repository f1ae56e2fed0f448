"""Do probes show what they state, without changing the run?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.kit.comparing import REPEATS, alike, near, noise, spread
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import ProbeOffer, Quantity, Reduction
from drivers.contract.messages import Probe, Stimulus
from drivers.errors import UnsupportedProbe

# Of the drive at which neurons fire now and then: most, and where they show nothing of it, as a
# membrane after a reset in each step does, little.
FACTORS = (2.0, 0.5)


def offered_probes_are_answered(harness: Harness) -> None:
    """Every quantity, layer and reduction offered is answered, all in one run."""
    depth = min(2, harness.info.capacity.layers)
    probes = _all(harness, depth)
    readout = harness.run(harness.work(depth), probes)
    for probe in probes:
        kind = readout.samples[probe].dtype.kind
        whole = probe.quantity == "spikes" and probe.reduce != "mean"
        if kind not in ("iu" if whole else "f"):
            raise Failed(f"{_told(probe)}: samples are {readout.samples[probe].dtype}")


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
        raise Failed(f"{_told(probe)}: answered, though it is not offered")


def probes_change_nothing(harness: Harness) -> None:
    """With and without probes, the spikes are the same, in that run and the next."""
    depth = min(2, harness.info.capacity.layers)
    probes = _all(harness, depth)
    harness.configure(depth)  # what probes did before is to be forgotten
    stimulus, exact = harness.work(depth), harness.info.abilities.deterministic

    def plain(trial: int) -> NDArray[np.int32]:
        return harness.run(stimulus, trial=trial).counts

    def probed(trial: int) -> NDArray[np.int32]:
        return harness.run(stimulus, probes, trial=trial).counts

    before = {2 * run: plain(2 * run) for run in range(1 if exact else REPEATS)}
    alike("a run without probes, and with all", plain, probed, exact)
    alike("a run before others with all probes, and after", before.__getitem__, plain, exact)


def reductions_agree(harness: Harness) -> None:
    """The mean and the last of a probe are those of its samples."""
    checked = False
    for offer, layer in _offers(harness, 1):
        reduced = [r for r in offer.reductions if r != "none"]
        if "none" not in offer.reductions or not reduced:
            continue
        for multiple in (1, 3):
            whole = harness.probe(offer, layer, "none", multiple)
            if harness.steps < 2 * whole.every:
                continue
            probes = [whole, *(harness.probe(offer, layer, r, multiple) for r in reduced)]
            scatter = noise(harness, whole)
            samples = harness.run(harness.work(), probes).samples
            for probe in probes[1:]:
                expected = samples[whole][-1]
                if probe.reduce == "mean":
                    expected = samples[whole].mean(axis=0, dtype=np.float64)
                if not near(harness, probe, samples[probe], expected, scatter):
                    raise Failed(
                        f"{_told(probe)}: {spread(samples[probe], expected):g} away from what "
                        "the samples give"
                    )
            checked = True
    if not checked:
        raise NotApplicable("no probe is offered both sample by sample and reduced")


def samples_are_taken_at_every(harness: Harness) -> None:
    """A probe at a longer interval gives the samples at the end of each interval."""
    offer = harness.info.offer("membrane", 1, 1)
    if offer is None or "none" not in offer.reductions or harness.steps < 3 * offer.every:
        raise NotApplicable("the device does not show membranes sample by sample")
    fine = harness.probe(offer, 1, "none")
    scatter = noise(harness, fine)
    for multiple in (2, 3):
        coarse = harness.probe(offer, 1, "none", multiple)
        samples = harness.run(harness.work(), [fine, coarse]).samples
        whole = samples[fine].astype(np.float64)
        count = len(samples[coarse])
        apart = [spread(samples[coarse], whole[s::multiple][:count]) for s in range(multiple)]
        right = whole[multiple - 1 :: multiple][:count]
        if not near(harness, coarse, samples[coarse], right, scatter) or min(apart) < apart[-1]:
            raise Failed(
                f"{_told(coarse)}: the samples are nearest to those of step "
                f"{int(np.argmin(apart)) + 1} of {multiple}"
            )


def probes_name_their_neurons(harness: Harness) -> None:
    """A probe of some neurons gives these, in the order named."""
    if harness.neurons < 3:
        raise NotApplicable("the device has room for less than three neurons in a layer")
    checked = False
    for offer, layer in _offers(harness, 1):
        room = min(offer.neurons or harness.neurons, harness.neurons)
        chosen = (harness.neurons - 2, 0, harness.neurons - 1)[:room]
        reduce = offer.reductions[0]
        some = Probe(layer, offer.quantity, chosen, offer.every, reduce)
        right = _in_order(harness, some, chosen)
        if room == harness.neurons:
            every = replace(some, neurons=None)
            samples = harness.run(harness.work(), [some, every]).samples
            found, expected = samples[some], samples[every][..., list(chosen)]
            right = right and near(harness, some, found, expected, noise(harness, some))
        if not right:
            raise Failed(f"{_told(some)}: these are not the neurons, or not in that order")
        checked = True
    if not checked:
        raise NotApplicable("the device offers no probes")


def probed_neurons_are_those_driven(harness: Harness) -> None:
    """A probe shows the layer and the neurons that the weights drive."""
    depth = min(3, harness.info.capacity.layers)
    lit_first = np.arange(harness.neurons) % 3 == 1
    lit = np.repeat(lit_first[None], harness.batch, axis=0)
    checked = False
    for offer, layer in _offers(harness, depth):
        probe = harness.probe(offer, layer, offer.reductions[0])
        driven = np.roll(lit_first, layer - 1)
        if probe.reduce == "last":
            continue
        moved = _moved(harness, probe, harness.stimulus(lit), depth).mean(axis=0)
        driven = driven[: len(moved)]
        if not driven.any() or driven.all():
            continue
        if not moved.any() and not harness.reaches(layer):
            continue
        if moved[driven].mean() <= 2 * moved[~driven].mean():
            raise Failed(
                f"{_told(probe)}: {moved[driven].mean():.3g} on average where driven, "
                f"{moved[~driven].mean():.3g} elsewhere"
            )
        checked = True
    if not checked:
        raise NotApplicable("the device offers no probes of more than one neuron over time")


def samples_of_probes_are_those_of_the_batch(harness: Harness) -> None:
    """A probe shows each sample of a batch in its place."""
    if harness.batch < 3:
        raise NotApplicable("the device runs less than three samples at a time")
    checked = False
    chosen = np.arange(harness.batch) % 4 == 1
    active = np.repeat(chosen[:, None], harness.neurons, axis=1)
    for offer, layer in _offers(harness, 1):
        reduce = next((r for r in ("mean", "none") if r in offer.reductions), None)
        if reduce is None:
            continue
        probe = harness.probe(offer, layer, reduce)
        moved = _moved(harness, probe, harness.stimulus(active)).mean(axis=-1)
        if not moved.any() and not harness.reaches(1):
            continue
        if moved[chosen].mean() <= 2 * moved[~chosen].mean():
            raise Failed(
                f"{_told(probe)}: {moved[chosen].mean():.3g} on average in samples that are "
                f"driven, {moved[~chosen].mean():.3g} in others: look at the order of samples"
            )
        checked = True
    if not checked:
        raise NotApplicable("the device offers no probes over time")


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


CHECKS: tuple[Check, ...] = (
    offered_probes_are_answered,
    other_probes_are_refused,
    probes_change_nothing,
    reductions_agree,
    samples_are_taken_at_every,
    probes_name_their_neurons,
    probed_neurons_are_those_driven,
    samples_of_probes_are_those_of_the_batch,
    counts_agree_with_the_raster,
)


def _offers(harness: Harness, depth: int) -> Iterator[tuple[ProbeOffer, int]]:
    """What is offered of each layer of a network."""
    quantities: tuple[Quantity, ...] = get_args(Quantity)
    for layer in range(1, depth + 1):
        for quantity in quantities:
            offer = harness.info.offer(quantity, layer, depth)
            if offer is not None:
                yield offer, layer


def _moved(harness: Harness, probe: Probe, lit: Stimulus, depth: int = 1) -> NDArray[np.float64]:
    """How far a stimulus moves what a probe shows over time, `(B, k)`, at the drive that does most.

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


def _in_order(harness: Harness, probe: Probe, chosen: Sequence[int]) -> bool:
    """Whether a drive of each chosen neuron in turn moves the one that is shown in its place."""
    moved = []
    for neuron in chosen:
        lit = np.tile(np.eye(harness.neurons)[neuron], (harness.batch, 1))
        moved.append(_moved(harness, probe, harness.stimulus(lit)).mean(axis=0))
    places = range(len(chosen))
    orders = (sum(moved[i][at] for i, at in enumerate(order)) for order in permutations(places))
    return bool(2 * sum(moved[at][at] for at in places) >= max(orders))


def _all(harness: Harness, depth: int) -> list[Probe]:
    """A probe of every quantity, layer and reduction that is offered."""
    found = [
        harness.probe(offer, layer, reduce)
        for offer, layer in _offers(harness, depth)
        for reduce in offer.reductions
    ]
    if not found:
        raise NotApplicable("the device offers no probes")
    return found


def _told(probe: Probe) -> str:
    neurons = "" if probe.neurons is None else f" of neurons {', '.join(map(str, probe.neurons))}"
    return (
        f"{probe.quantity} of layer {probe.layer}{neurons}, every {probe.every}, "
        f"reduced by {probe.reduce}"
    )
