"""Checks that probes show what they state, in the stated unit, without changing the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from drivers.conformance import needs
from drivers.conformance.charge import read_membranes
from drivers.conformance.checking import (
    REPEATS,
    Failed,
    check,
    check_alike,
    describe_probe,
    is_near,
    is_noiseless,
    measure_noise,
    measure_spread,
)
from drivers.conformance.harness import Harness, NotApplicable, View, skip_if
from drivers.contract import sampling
from drivers.contract.info import ProbeOffer, Quantity, Reduction
from drivers.contract.messages import Probe, Stimulus

# Of the drive at which neurons fire now and then: most, and where they show nothing of it, as a
# membrane after a reset in each step does, little.
FACTORS = (2.0, 0.5)
# Movements of a probe where it is driven are so many times those elsewhere.
TWICE = 2.0
# Share of its own movement by which another neuron may move at most.
NEIGHBOUR = 0.7


@check()
def probes_change_nothing(harness: Harness) -> None:
    """With and without probes, the spikes are the same, in that run and the next."""
    depth = min(2, harness.info.capacity.layers)
    probes = _list_probes(harness, depth)
    harness.configure(depth)  # what probes did before is to be forgotten
    stimulus, exact = harness.work(depth), harness.info.abilities.deterministic

    def plain(trial: int) -> NDArray[np.int32]:
        return harness.run(stimulus, trial=trial).counts

    def probed(trial: int) -> NDArray[np.int32]:
        return harness.run(stimulus, probes, trial=trial).counts

    before = {2 * run: plain(2 * run) for run in range(1 if exact else REPEATS)}
    check_alike("a run without probes, and with all", plain, probed, exact)
    check_alike("a run before others with all probes, and after", before.__getitem__, plain, exact)


@check()
def offered_probes_are_answered(harness: Harness) -> None:
    """Every quantity, layer and reduction offered is answered, all in one run."""
    depth = min(2, harness.info.capacity.layers)
    harness.run(harness.work(depth), _list_probes(harness, depth))


@check(look="which samples _run reduces, and from which step on it takes them")
def probes_agree_with_each_other(harness: Harness) -> None:
    """Samples at a longer interval, means and last samples are those of the finest samples."""
    checked = False
    for view in _views(harness):
        if "none" not in view.offer.reductions:
            continue
        finest = harness.probe(view.offer, "none")
        scatter = measure_noise(harness, finest, view.depth)
        for multiple in range(1, 4 if view.offer.quantity == "membrane" else 2):
            coarse = harness.probe(view.offer, "none", every=multiple)
            if harness.steps < 3 * coarse.every:
                continue
            probes = {replace(coarse, reduce=reduce) for reduce in view.offer.reductions}
            samples = harness.run(harness.work(view.depth), [finest, *(probes - {finest})]).samples
            for probe in probes - {finest}:
                count = harness.steps // probe.every
                apart = []
                for start in range(multiple):
                    chosen = samples[finest][start::multiple][:count].astype(np.float64)
                    expected = sampling.reduce_samples(replace(probe, neurons=None), chosen)
                    apart.append(measure_spread(samples[probe], expected))
                if apart[-1] > min(apart) or not is_near(
                    harness, probe, samples[probe], expected, scatter
                ):
                    raise Failed(
                        f"{describe_probe(probe)}: {apart[-1]:g} away from what samples of every "
                        f"{finest.every} give"
                    )
                checked = True
    skip_if(not checked, "no probe is offered both sample by sample and otherwise")


@check(needs.RING)
def probes_name_their_neurons(harness: Harness) -> None:
    """A probe of some neurons gives these, in the order named."""
    n, views = harness.neurons, _views(harness)
    skip_if(not views, "the device offers no probes")
    for view in views:
        chosen = (n - 2, 0, n - 1)[: min(view.offer.neurons or n, n)]
        offered = sorted(view.offer.reductions, key=("mean", "none", "last").index)
        reduce: Reduction = offered[0]
        some = replace(harness.probe(view.offer, reduce), neurons=chosen)
        rows = []
        for neuron in chosen:
            lit = harness.stimulus(np.tile(np.eye(n)[neuron], (harness.batch, 1)))
            rows.append(_measure_movement(harness, some, lit, view.depth).mean(axis=0))
        moved, places = np.array(rows), np.arange(len(chosen))
        best = max(moved[places, order].sum() for order in map(list, permutations(places)))
        own = moved.diagonal()
        others = (moved - np.diag(own)).max()
        if 2 * own.sum() < best or (reduce != "last" and others > NEIGHBOUR * own.max()):
            raise Failed(f"{describe_probe(some)}: not these neurons, or not in that order")


@check(look="the order of samples, layers and neurons")
def probes_show_what_is_driven(harness: Harness) -> None:
    """A probe shows the samples, the layer and the neurons that the weights and inputs drive."""
    skip_if(harness.residual, "weights of zero move membranes, too, as info states")
    depth = min(3, harness.info.capacity.layers)
    chosen, first = np.arange(harness.batch) % 4 == 1, np.arange(harness.neurons) % 3 == 1
    if not chosen.any():
        chosen = ~chosen
    lit = harness.stimulus(np.outer(chosen, first))
    checked = False
    for offer, layer in _offers_of(harness, depth):
        reduce = next((r for r in ("mean", "none") if r in offer.reductions), None)
        if reduce is None:
            continue
        probe = harness.probe(offer, reduce, layer)
        moved = _measure_movement(harness, probe, lit, depth)
        neurons = np.roll(first, layer - 1)[: moved.shape[1]]
        if not neurons.any() or not (moved.any() or harness.reaches(layer)):
            continue
        for what, driven, means in (
            ("samples", chosen, moved[:, neurons].mean(axis=1)),
            ("neurons", neurons, moved[chosen].mean(axis=0)),
        ):
            if driven.all():
                continue
            there, elsewhere = means[driven].mean(), means[~driven].mean()
            if there <= TWICE * elsewhere:
                raise Failed(
                    f"{describe_probe(probe)}: {what} that are driven move by {there:.3g} on "
                    f"average, and others by {elsewhere:.3g}"
                )
            checked = True
    skip_if(not checked, "the device offers no probes of more than one neuron over time")


@check()
def counts_agree_with_the_raster(harness: Harness) -> None:
    """Output counts are the sums of the output's raster."""
    offer = harness.info.offer("spikes", 1, 1)
    reductions = [r for r in ("none", "mean") if offer is not None and r in offer.reductions]
    if offer is None or not reductions:
        raise NotApplicable("the device shows no output spikes over time")
    probe = harness.probe(offer, reductions[0])
    readout = harness.run(harness.work(), [probe])
    shown = readout.samples[probe]
    sums = shown.sum(axis=0) if probe.reduce == "none" else np.rint(shown * readout.steps)
    counts = readout.counts[:, : sums.shape[-1]]
    if not np.array_equal(sums, counts):
        place = tuple(int(i) for i in np.argwhere(sums != counts)[0])
        raise Failed(f"counts{list(place)} = {counts[place]}, the raster has {sums[place]:g}")


def _views(harness: Harness) -> list[View]:
    """Find what the device shows of the first layer."""
    views = [harness.view(quantity) for quantity in get_args(Quantity)]
    return [view for view in views if view is not None]


def _offers_of(harness: Harness, depth: int) -> Iterator[tuple[ProbeOffer, int]]:
    """Offers of each layer of a network."""
    quantities: tuple[Quantity, ...] = get_args(Quantity)
    for layer in range(1, depth + 1):
        for quantity in quantities:
            offer = harness.info.offer(quantity, layer, depth)
            if offer is not None:
                yield offer, layer


def _measure_movement(
    harness: Harness, probe: Probe, lit: Stimulus, depth: int
) -> NDArray[np.float64]:
    """Measure how far a stimulus moves what a probe shows, `(B, k)`, at the drive that does most.

    Neuron i of a layer drives neuron i + 1 of the next, so that no layer is as another.
    """
    dark, responses = harness.stimulus(np.zeros((harness.batch, harness.neurons))), []
    own = np.eye(harness.neurons)
    for factor in FACTORS:
        # The layer itself is driven to fire now and then, so that its membranes move as well.
        paced = min(1.0, factor * harness.working_share)
        harness.clear(depth)
        for projection in range(depth):
            driven = paced if projection == probe.layer - 1 else 1.0
            harness.write(driven * np.roll(own, min(projection, 1), axis=1), projection)
        shown = [harness.run(s, [probe]).samples[probe].astype(np.float64) for s in (lit, dark)]
        apart = shown[0] - shown[1]
        responses.append(np.abs(apart.mean(axis=0) if probe.reduce == "none" else apart))
    return max(responses, key=lambda moved: float(moved.mean()))


def _list_probes(harness: Harness, depth: int) -> list[Probe]:
    """A probe of every quantity, layer and reduction that is offered."""
    shown = [
        harness.probe(offer, reduce, layer)
        for offer, layer in _offers_of(harness, depth)
        for reduce in offer.reductions
    ]
    skip_if(not shown, "the device offers no probes")
    return shown


# Membranes, in thresholds: of neurons that fire now and then at most, and of neurons that nothing
# drives, of a chip and of a device whose runs do not vary.
MOST, RESTS, EXACT_REST = 4.0, 0.4, 0.1


@check()
def membranes_are_in_the_stated_unit(harness: Harness) -> None:
    """Membranes lie about the stated rest when idle, and not far above the threshold at work."""
    view = harness.require_view("membrane")
    harness.configure(view.depth)
    reduce = view.offer.reductions[0]
    # Through weights of 0 a residual brings something, where anything is driven.
    active = np.full((harness.batch, harness.neurons), float(not harness.residual))
    idle = float(np.median(read_membranes(harness, view, harness.stimulus(active), reduce)))
    if abs(idle) > (EXACT_REST if is_noiseless(harness) else RESTS):
        raise Failed(f"membranes that nothing drives are at {idle:.2f} thresholds, 0 is the rest")
    if harness.share is None:
        return
    shown = read_membranes(harness, view, harness.work(view.depth), reduce)
    usual = float(np.median(np.abs(shown)))
    if usual > MOST:
        raise Failed(f"membranes of neurons that fire now and then are at {usual:.2f} thresholds")
