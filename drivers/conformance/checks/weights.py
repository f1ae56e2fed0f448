"""Do weights act as they are stored?"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.kit.comparing import IDLE
from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.network import Network

# Synapses that differ turn the same drive into counts this far apart at most.
FACTOR, SPIKES = 1.7, 4


def zero_weights_are_silent(harness: Harness) -> None:
    """With zero weights a strong stimulus makes nothing fire."""
    harness.configure()
    told = "after configure"
    for _ in range(2):
        firing = float((harness.run(harness.everything()).counts > 0).mean())
        if firing > IDLE:
            raise Failed(f"{told}, {firing:.0%} of samples and neurons fired without any weight")
        harness.write(0.0)
        told = "after a write of zeros"


def full_weights_fire(harness: Harness) -> None:
    """With weights at full scale a strong stimulus makes neurons fire."""
    harness.clear()
    harness.write(np.eye(harness.neurons))
    if not harness.run(harness.everything()).counts.any():
        raise Failed(
            f"no neuron fired in {harness.steps} steps at {harness.group} inputs, full scale "
            f"{harness.full_scale:g} and {harness.amplitude} events a step on each input"
        )


def negative_weights_do_not_excite(harness: Harness) -> None:
    """Weights below zero make nothing fire."""
    harness.clear()
    harness.write(-1.0)
    firing = float((harness.run(harness.everything()).counts > 0).mean())
    if firing > IDLE:
        raise Failed(f"{firing:.0%} of samples and neurons fired at weights below zero")


def each_weight_acts_where_it_was_written(harness: Harness) -> None:
    """A weight from an input to a neuron joins these two, and no others."""
    n = harness.neurons
    if n < 3:
        raise NotApplicable("the device has room for less than three neurons in a layer")
    harness.clear()
    targets = _ring(n)
    harness.write(np.eye(n)[targets])
    hit, missed = _hits(harness, targets)
    if missed > IDLE * hit:
        raise Failed(
            f"driven by one group of inputs, the neuron joined to it fired {hit:.1f} times "
            f"on average and each other one {missed:.1f} times"
        )


def each_projection_acts_at_its_place(harness: Harness) -> None:
    """What reaches the output takes every projection, in whatever order they were written."""
    if harness.info.capacity.layers < 2:
        raise NotApplicable("the device has one layer only")
    for first, second in ((0, 1), (1, 0)):
        harness.clear(2)
        fired = {}
        for shares in ((1, 1), (1, 0), (0, 1)):
            for projection in (first, second):
                harness.write(np.eye(harness.neurons) * shares[projection], projection)
            fired[shares] = int(harness.run(harness.everything()).counts.sum())
        if harness.reaches(2) and not fired[1, 1]:
            raise Failed(
                "no output spikes through two projections at full scale: look at whether _write "
                "leaves the other projections alone, and at how _run hands spikes on"
            )
        for shares, count in fired.items():
            if shares != (1, 1) and count > IDLE * fired[1, 1]:
                zero = shares.index(0)
                raise Failed(f"{count} output spikes though projection {zero} is zero")
    if harness.neurons < 3:
        return
    # A ring and a mirror do not commute.
    targets, mirrored = _ring(harness.neurons), np.arange(harness.neurons)[::-1]
    for projection, route in enumerate((targets, mirrored)):
        harness.write(np.eye(harness.neurons)[route], projection)
    hit, missed = _hits(harness, mirrored[targets])
    if missed > IDLE * hit:
        raise Failed(
            f"through two projections, the neuron joined to a group of inputs fired {hit:.1f} "
            f"times on average and each other one {missed:.1f} times"
        )


def the_last_write_counts(harness: Harness) -> None:
    """A run is made with the weights that were written last, all of them."""
    harness.clear()
    on, off, stimulus = np.eye(harness.neurons), np.zeros(()), harness.everything()
    fired = []
    for shares in (on, off, on, 0.98 * on, off):
        harness.write(shares)
        fired.append(int(harness.run(stimulus).counts.sum()))
    if max(fired[1], fired[4]) > IDLE * min(fired[0], fired[2], fired[3]):
        told = ", ".join(map(str, fired))
        raise Failed(f"spikes after writes of on, off, on, nearly on, off: {told}")


def configure_clears_weights(harness: Harness) -> None:
    """Mapping a network leaves every weight zero."""
    harness.configure()
    harness.write(1.0)
    before = int(harness.run(harness.everything()).counts.sum())
    harness.configure()
    after = int(harness.run(harness.everything()).counts.sum())
    if after > IDLE * before:
        raise Failed(f"{after} spikes after configure, {before} before it")


def doubling_a_weight_never_lowers_the_drive(harness: Harness) -> None:
    """Twice the weight makes neurons fire as often, or more."""
    harness.clear()
    fired = []
    for share in 2.0 ** np.arange(-4, 1):
        harness.write(share * np.eye(harness.neurons))
        fired.append(int(harness.run(harness.everything()).counts.sum()))
    for less, more in pairwise(fired):
        if more < 0.95 * less - 4 * np.sqrt(less + more) / 2:
            told = ", ".join(map(str, fired))
            raise Failed(f"spikes at 1/16 of the full scale, doubled four times: {told}")


def weights_act_in_proportion(harness: Harness) -> None:
    """Half as many inputs at twice the weight drive a neuron alike."""
    share, form = harness.share, harness.info.weight_format(0)
    if share is None:
        raise NotApplicable("no weight was found at which neurons fire now and then")
    # At this full scale one of each pair of inputs at full scale brings what `share` brought.
    n, drive = harness.neurons, share * harness.group * harness.full_scale
    fitting = [
        pairs
        for pairs in (4, 3, 2, 1)
        if form.minimum_full_scale <= drive / pairs <= form.maximum_full_scale
        and 2 * pairs * n <= harness.widest
        and 2 * pairs * n * n <= (harness.info.capacity.synapses or math.inf)
    ]
    if not fitting:
        raise NotApplicable("no full scale, or number of inputs, fits")
    pairs, full_scale = fitting[0], drive / fitting[0]
    device = harness.device
    device.configure(Network.feed_forward((n * pairs * 2, n), (full_scale,)))

    def write(first: float, second: float) -> NDArray[np.float32]:
        weights = np.zeros((n, pairs, 2, n), np.float32)
        weights[np.arange(n), :, :, np.arange(n)] = first, second
        stored = device.write_weights(0, weights.reshape(-1, n))
        return stored.reshape(weights.shape)[0, 0, :, 0]

    driven = harness.drive(np.ones((harness.batch, n * pairs * 2)))
    half = float(write(0.499 * full_scale, 0.499 * full_scale)[0])
    whole = int(harness.run(driven).counts.sum())
    ones = []
    for weights in ((2 * half, 0.0), (0.0, 2 * half)):
        if np.abs(write(*weights) - weights).max() > 0.05 * full_scale:
            raise NotApplicable("the levels are too coarse")
        ones.append(int(harness.run(driven).counts.sum()))
    one = sum(ones) / 2
    if max(whole, one) > FACTOR * min(whole, one) + SPIKES:
        raise Failed(
            f"{whole} spikes with all inputs at half of the full scale, {one:g} with half of "
            "them at full scale"
        )


CHECKS: tuple[Check, ...] = (
    zero_weights_are_silent,
    full_weights_fire,
    negative_weights_do_not_excite,
    each_weight_acts_where_it_was_written,
    each_projection_acts_at_its_place,
    the_last_write_counts,
    configure_clears_weights,
    doubling_a_weight_never_lowers_the_drive,
    weights_act_in_proportion,
)


def _ring(n: int) -> NDArray[np.int64]:
    """From groups to neurons, so that neither the inverse nor a mirror image is the same."""
    targets = np.roll(np.arange(n), 1)
    targets[[0, 1]] = targets[[1, 0]]
    return targets


def _hits(harness: Harness, targets: NDArray[np.int64]) -> tuple[float, float]:
    """Mean output spikes of the neuron at each group's target, and of each other neuron."""
    n = harness.neurons
    parts = [np.eye(n)[i : i + harness.batch] for i in range(0, n, harness.batch)]
    counts = np.concatenate([harness.run(harness.stimulus(part)).counts for part in parts])
    hit = counts[np.arange(n), targets].sum()
    return float(hit / n), float((counts.sum() - hit) / (n * (n - 1)))
