"""Checks that weights are stored as stated, and act as they are stored."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.comparing import IDLE
from drivers.conformance.harness import Failed, Harness, NotApplicable, skip_if
from drivers.contract.network import Network

# Synapses that differ turn the same drive into counts this far apart at most.
FACTOR, SPIKES = 1.7, 4


def zero_weights_are_silent(harness: Harness) -> None:
    """With zero weights a strong stimulus makes nothing fire."""
    harness.configure()
    told = "after configure"
    for _ in range(2):
        firing = harness.firing()
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
    firing = harness.firing()
    if firing > IDLE:
        raise Failed(f"{firing:.0%} of samples and neurons fired at weights below zero")


def each_weight_acts_where_it_was_written(harness: Harness) -> None:
    """A weight from an input to a neuron joins these two, and no others."""
    n = harness.neurons
    skip_if(n < 3, "the device has room for less than three neurons in a layer")
    harness.clear()
    targets = _ring_targets(n)
    harness.write(np.eye(n)[targets])
    hit, missed = _count_hits(harness, targets)
    if missed > IDLE * hit:
        raise Failed(
            f"driven by one group of inputs, the neuron joined to it fired {hit:.1f} times "
            f"on average and each other one {missed:.1f} times"
        )


def each_projection_acts_at_its_place(harness: Harness) -> None:
    """What reaches the output takes every projection, in whatever order they were written."""
    skip_if(harness.info.capacity.layers < 2, "the device has one layer only")
    for first, second in ((0, 1), (1, 0)):
        harness.clear(2)
        fired = {}
        for shares in ((1, 1), (1, 0), (0, 1)):
            for projection in (first, second):
                harness.write(np.eye(harness.neurons) * shares[projection], projection)
            fired[shares] = harness.count_spikes()
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
    targets, mirrored = _ring_targets(harness.neurons), np.arange(harness.neurons)[::-1]
    for projection, route in enumerate((targets, mirrored)):
        harness.write(np.eye(harness.neurons)[route], projection)
    hit, missed = _count_hits(harness, mirrored[targets])
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
        fired.append(harness.count_spikes(stimulus))
    if max(fired[1], fired[4]) > IDLE * min(fired[0], fired[2], fired[3]):
        told = ", ".join(map(str, fired))
        raise Failed(f"spikes after writes of on, off, on, nearly on, off: {told}")


def configure_clears_weights(harness: Harness) -> None:
    """Mapping a network leaves every weight zero."""
    harness.configure()
    harness.write(1.0)
    before = harness.count_spikes()
    harness.configure()
    after = harness.count_spikes()
    if after > IDLE * before:
        raise Failed(f"{after} spikes after configure, {before} before it")


def doubling_a_weight_never_lowers_the_drive(harness: Harness) -> None:
    """Twice the weight makes neurons fire as often, or more."""
    harness.clear()
    fired = []
    for share in 2.0 ** np.arange(-4, 1):
        harness.write(share * np.eye(harness.neurons))
        fired.append(harness.count_spikes())
    for less, more in pairwise(fired):
        if more < 0.95 * less - 4 * np.sqrt(less + more) / 2:
            told = ", ".join(map(str, fired))
            raise Failed(f"spikes at 1/16 of the full scale, doubled four times: {told}")


def weights_act_in_proportion(harness: Harness) -> None:
    """Half as many inputs at twice the weight drive a neuron alike."""
    share, form = harness.working_share, harness.info.weight_format(0)
    # At this full scale one of each pair of inputs at full scale brings what `share` brought.
    n, drive = harness.neurons, share * harness.group * harness.full_scale
    fitting = [
        pairs
        for pairs in (4, 3, 2, 1)
        if form.minimum_full_scale <= drive / pairs <= form.maximum_full_scale
        and 2 * pairs * n <= harness.widest
        and 2 * pairs * n * n <= (harness.info.capacity.synapses or math.inf)
    ]
    skip_if(not fitting, "no full scale, or number of inputs, fits")
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
    whole = harness.count_spikes(driven)
    ones = []
    for weights in ((2 * half, 0.0), (0.0, 2 * half)):
        if np.abs(write(*weights) - weights).max() > 0.05 * full_scale:
            raise NotApplicable("the levels are too coarse")
        ones.append(harness.count_spikes(driven))
    one = sum(ones) / 2
    if max(whole, one) > FACTOR * min(whole, one) + SPIKES:
        raise Failed(
            f"{whole} spikes with all inputs at half of the full scale, {one:g} with half of "
            "them at full scale"
        )


def _ring_targets(n: int) -> NDArray[np.int64]:
    """From groups to neurons, so that neither the inverse nor a mirror image is the same."""
    targets = np.roll(np.arange(n), 1)
    targets[[0, 1]] = targets[[1, 0]]
    return targets


def _count_hits(harness: Harness, targets: NDArray[np.int64]) -> tuple[float, float]:
    """Mean output spikes of the neuron at each group's target, and of each other neuron."""
    n = harness.neurons
    parts = [np.eye(n)[i : i + harness.batch] for i in range(0, n, harness.batch)]
    counts = np.concatenate([harness.run(harness.stimulus(part)).counts for part in parts])
    hit = counts[np.arange(n), targets].sum()
    return float(hit / n), float((counts.sum() - hit) / (n * (n - 1)))


# How many of the stated levels are tried at most.
LEVELS = 257
# Mean of what rounding adds, in levels: to the nearest, or at random, adds nothing.
BIAS = 0.25


def stored_is_within_full_scale(harness: Harness) -> None:
    """Stored weights are finite float32 of the shape written, within the full scale."""
    network = harness.configure()
    rng = np.random.default_rng(1)
    asked = rng.normal(0, 2 * harness.full_scale, network.layers).astype(np.float32)
    stored = harness.device.write_weights(0, asked)
    if stored.shape != asked.shape or stored.dtype != np.float32:
        raise Failed(f"stored is {stored.dtype} {stored.shape}: give float32 {asked.shape}")
    form = harness.info.weight_format(0)
    # Where levels are not stated they may lie so that the full scale is rounded up.
    limit = harness.full_scale * (1 + (1e-5 if form.levels else 0.05))
    if not (np.isfinite(stored).all() and np.abs(stored).max() <= limit):
        raise Failed(
            f"stored reaches {np.abs(stored).max():g}, full scale is {harness.full_scale:g}"
        )
    if (stored * asked < 0).any():
        raise Failed("some stored weights have another sign than those written")


def stored_is_on_the_levels(harness: Harness) -> None:
    """Stored weights are of the stated levels, every level can be stored, the next is taken."""
    form = harness.info.weight_format(0)
    if form.levels is None:
        raise NotApplicable("the device states no levels")
    network = harness.configure()
    step = 2 * harness.full_scale / (form.levels - 1)
    chosen = np.unique(np.linspace(0, form.levels - 1, min(form.levels, LEVELS)).round())
    levels = (chosen - (form.levels - 1) / 2) * step
    rng = np.random.default_rng(2)
    shape = network.layers
    for part in np.array_split(levels, -(-levels.size // (shape[0] * shape[1]))):
        asked = np.resize(part, shape).astype(np.float32)
        stored = harness.device.write_weights(0, asked)
        if np.abs(stored - asked).max() > 0.01 * step:
            place = np.unravel_index(np.abs(stored - asked).argmax(), shape)
            raise Failed(
                f"one of {form.levels} levels, {asked[place]:g}, was stored as {stored[place]:g}"
            )
    asked = rng.uniform(-harness.full_scale, harness.full_scale, shape).astype(np.float32)
    stored = harness.device.write_weights(0, asked)
    number = stored / step + (form.levels - 1) / 2
    if np.abs(number - number.round()).max() > 0.01:
        place = np.unravel_index(np.abs(number - number.round()).argmax(), shape)
        raise Failed(f"{stored[place]:g} was stored, which is none of {form.levels} levels")
    if np.abs(stored - asked).max() > 1.01 * step:
        raise Failed(f"stored is up to {np.abs(stored - asked).max() / step:.2g} levels off")


def rounding_has_no_bias(harness: Harness) -> None:
    """Weights are rounded to either side alike, neither down nor toward zero."""
    form = harness.info.weight_format(0)
    if form.levels is None:
        raise NotApplicable("the device states no levels")
    network = harness.configure()
    step = 2 * harness.full_scale / (form.levels - 1)
    rng = np.random.default_rng(5)
    shape = network.layers
    repeats = -(-512 // (shape[0] * shape[1]))
    limit = harness.full_scale - step
    down, inward = [], []
    for _ in range(repeats if limit > step else 0):
        asked = rng.uniform(step, limit, shape) * rng.choice([-1, 1], shape)
        off = harness.device.write_weights(0, asked.astype(np.float32)) - asked
        down.append(off)
        inward.append(off * np.sign(asked))
    skip_if(not down, "too few levels")
    for what, off in (("up", down), ("away from zero", inward)):
        mean = float(np.mean(off)) / step
        if abs(mean) > BIAS:
            raise Failed(
                f"stored weights are {mean:+.2f} levels {what} of those written, on average: look "
                "at how _write rounds, WeightFormat.quantise takes the nearest"
            )


def writing_stored_gives_stored(harness: Harness) -> None:
    """Writing what was stored stores the same again."""
    network = harness.configure()
    rng = np.random.default_rng(3)
    asked = rng.normal(0, harness.full_scale / 2, network.layers).astype(np.float32)
    stored = harness.device.write_weights(0, asked)
    again = harness.device.write_weights(0, stored)
    apart = float(np.abs(again - stored).max())
    if apart > 1e-5 * harness.full_scale:
        raise Failed(f"stored again is up to {apart:g} away from what was stored")


def larger_weights_are_not_stored_smaller(harness: Harness) -> None:
    """Of two weights, the larger is stored as large as the other at least."""
    network = harness.configure()
    count = network.layers[0] * network.layers[1]
    rng = np.random.default_rng(4)
    asked = np.linspace(-1.5, 1.5, count, dtype=np.float32) * np.float32(harness.full_scale)
    order = rng.permutation(count)
    written = np.empty(count, np.float32)
    written[order] = asked
    stored = harness.device.write_weights(0, written.reshape(network.layers)).reshape(-1)[order]
    # A device may round at random, to either side.
    levels = harness.info.weight_format(0).levels
    slack = harness.full_scale * (2.02 / (levels - 1) if levels else 1e-5)
    fall = float((np.maximum.accumulate(stored) - stored).max())
    if fall > slack:
        raise Failed(f"a weight was stored {fall:g} below a smaller one")
