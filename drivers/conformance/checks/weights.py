"""What is stored, and does it act as it is stored?"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.checks.ending import Failed, NotApplicable
from drivers.conformance.kit.comparing import IDLE
from drivers.conformance.kit.harness import Bench
from drivers.conformance.kit.verdict import Check
from drivers.contract.messages import Network

# How many of the stated levels are tried at most.
LEVELS = 257
# Synapses that differ turn the same drive into counts this far apart at most.
FACTOR, SPIKES = 1.7, 4


def zero_weights_are_silent(bench: Bench) -> None:
    """With zero weights a strong stimulus makes nothing fire."""
    bench.configure()
    told = "after configure"
    for _ in range(2):
        firing = float((bench.run(bench.everything()).counts > 0).mean())
        if firing > IDLE:
            raise Failed(f"{told}, {firing:.0%} of samples and neurons fired without any weight")
        bench.write(0.0)
        told = "after a write of zeros"


def full_weights_fire(bench: Bench) -> None:
    """With weights at full scale a strong stimulus makes neurons fire."""
    bench.clear()
    bench.write(np.eye(bench.neurons))
    if not bench.run(bench.everything()).counts.any():
        raise Failed(
            f"no neuron fired in {bench.steps} steps at {bench.group} inputs, full scale "
            f"{bench.full_scale:g} and {bench.amplitude} events a step on each input"
        )


def negative_weights_do_not_excite(bench: Bench) -> None:
    """Weights below zero make nothing fire."""
    bench.clear()
    bench.write(-1.0)
    firing = float((bench.run(bench.everything()).counts > 0).mean())
    if firing > IDLE:
        raise Failed(f"{firing:.0%} of samples and neurons fired at weights below zero")


def stored_is_within_full_scale(bench: Bench) -> None:
    """Stored weights are finite float32 of the shape written, within the full scale."""
    network = bench.configure()
    rng = np.random.default_rng(1)
    asked = rng.normal(0, 2 * bench.full_scale, network.layers).astype(np.float32)
    stored = bench.device.write_weights(0, asked)
    if stored.shape != asked.shape or stored.dtype != np.float32:
        raise Failed(f"stored is {stored.dtype} {stored.shape}: give float32 {asked.shape}")
    form = bench.info.weight_format(0)
    # Where levels are not stated they may lie so that the full scale is rounded up.
    limit = bench.full_scale * (1 + (1e-5 if form.levels else 0.05))
    if not (np.isfinite(stored).all() and np.abs(stored).max() <= limit):
        raise Failed(f"stored reaches {np.abs(stored).max():g}, full scale is {bench.full_scale:g}")
    if (stored * asked < 0).any():
        raise Failed("some stored weights have another sign than those written")


def stored_is_on_the_levels(bench: Bench) -> None:
    """Stored weights are of the stated levels, every level can be stored, the next is taken."""
    form = bench.info.weight_format(0)
    if form.levels is None:
        raise NotApplicable("the device states no levels")
    network = bench.configure()
    step = 2 * bench.full_scale / (form.levels - 1)
    chosen = np.unique(np.linspace(0, form.levels - 1, min(form.levels, LEVELS)).round())
    levels = (chosen - (form.levels - 1) / 2) * step
    rng = np.random.default_rng(2)
    shape = network.layers
    for part in np.array_split(levels, -(-levels.size // (shape[0] * shape[1]))):
        asked = np.resize(part, shape).astype(np.float32)
        stored = bench.device.write_weights(0, asked)
        if np.abs(stored - asked).max() > 0.01 * step:
            place = np.unravel_index(np.abs(stored - asked).argmax(), shape)
            raise Failed(
                f"one of {form.levels} levels, {asked[place]:g}, was stored as {stored[place]:g}"
            )
    asked = rng.uniform(-bench.full_scale, bench.full_scale, shape).astype(np.float32)
    stored = bench.device.write_weights(0, asked)
    number = stored / step + (form.levels - 1) / 2
    if np.abs(number - number.round()).max() > 0.01:
        place = np.unravel_index(np.abs(number - number.round()).argmax(), shape)
        raise Failed(f"{stored[place]:g} was stored, which is none of {form.levels} levels")
    if np.abs(stored - asked).max() > 1.01 * step:
        raise Failed(f"stored is up to {np.abs(stored - asked).max() / step:.2g} levels off")


def writing_stored_gives_stored(bench: Bench) -> None:
    """Writing what was stored stores the same again."""
    network = bench.configure()
    rng = np.random.default_rng(3)
    asked = rng.normal(0, bench.full_scale / 2, network.layers).astype(np.float32)
    stored = bench.device.write_weights(0, asked)
    again = bench.device.write_weights(0, stored)
    apart = float(np.abs(again - stored).max())
    if apart > 1e-5 * bench.full_scale:
        raise Failed(f"stored again is up to {apart:g} away from what was stored")


def larger_weights_are_not_stored_smaller(bench: Bench) -> None:
    """Of two weights, the larger is stored as large as the other at least."""
    network = bench.configure()
    count = network.layers[0] * network.layers[1]
    rng = np.random.default_rng(4)
    asked = np.linspace(-1.5, 1.5, count, dtype=np.float32) * np.float32(bench.full_scale)
    order = rng.permutation(count)
    written = np.empty(count, np.float32)
    written[order] = asked
    stored = bench.device.write_weights(0, written.reshape(network.layers)).reshape(-1)[order]
    # A device may round at random, to either side.
    levels = bench.info.weight_format(0).levels
    slack = bench.full_scale * (2.02 / (levels - 1) if levels else 1e-5)
    fall = float((np.maximum.accumulate(stored) - stored).max())
    if fall > slack:
        raise Failed(f"a weight was stored {fall:g} below a smaller one")


def each_weight_acts_where_it_was_written(bench: Bench) -> None:
    """A weight from an input to a neuron joins these two, and no others."""
    n = bench.neurons
    if n < 3:
        raise NotApplicable("the device has room for less than three neurons in a layer")
    bench.clear()
    targets = _ring(n)
    bench.write(np.eye(n)[targets])
    hit, missed = _hits(bench, targets)
    if missed > IDLE * hit:
        raise Failed(
            f"driven by one group of inputs, the neuron joined to it fired {hit:.1f} times "
            f"on average and each other one {missed:.1f} times"
        )


def each_projection_acts_at_its_place(bench: Bench) -> None:
    """What reaches the output takes every projection, in whatever order they were written."""
    if bench.info.max_layers < 2:
        raise NotApplicable("the device has one layer only")
    for first, second in ((0, 1), (1, 0)):
        bench.clear(2)
        fired = {}
        for shares in ((1, 1), (1, 0), (0, 1)):
            for projection in (first, second):
                bench.write(np.eye(bench.neurons) * shares[projection], projection)
            fired[shares] = int(bench.run(bench.everything()).counts.sum())
        for shares, count in fired.items():
            if shares != (1, 1) and count > IDLE * fired[1, 1]:
                zero = shares.index(0)
                raise Failed(f"{count} output spikes though projection {zero} is zero")
    if bench.neurons < 3:
        return
    # A ring and a mirror do not commute.
    targets, mirrored = _ring(bench.neurons), np.arange(bench.neurons)[::-1]
    for projection, route in enumerate((targets, mirrored)):
        bench.write(np.eye(bench.neurons)[route], projection)
    hit, missed = _hits(bench, mirrored[targets])
    if missed > IDLE * hit:
        raise Failed(
            f"through two projections, the neuron joined to a group of inputs fired {hit:.1f} "
            f"times on average and each other one {missed:.1f} times"
        )


def the_last_write_counts(bench: Bench) -> None:
    """A run is made with the weights that were written last, all of them."""
    bench.clear()
    on, off, stimulus = np.eye(bench.neurons), np.zeros(()), bench.everything()
    fired = []
    for shares in (on, off, on, 0.98 * on, off):
        bench.write(shares)
        fired.append(int(bench.run(stimulus).counts.sum()))
    if max(fired[1], fired[4]) > IDLE * min(fired[0], fired[2], fired[3]):
        told = ", ".join(map(str, fired))
        raise Failed(f"spikes after writes of on, off, on, nearly on, off: {told}")


def configure_clears_weights(bench: Bench) -> None:
    """Mapping a network leaves every weight zero."""
    bench.configure()
    bench.write(1.0)
    before = int(bench.run(bench.everything()).counts.sum())
    bench.configure()
    after = int(bench.run(bench.everything()).counts.sum())
    if after > IDLE * before:
        raise Failed(f"{after} spikes after configure, {before} before it")


def doubling_a_weight_never_lowers_the_drive(bench: Bench) -> None:
    """Twice the weight makes neurons fire as often, or more."""
    bench.clear()
    fired = []
    for share in 2.0 ** np.arange(-4, 1):
        bench.write(share * np.eye(bench.neurons))
        fired.append(int(bench.run(bench.everything()).counts.sum()))
    for less, more in pairwise(fired):
        if more < 0.95 * less - 4 * np.sqrt(less + more) / 2:
            told = ", ".join(map(str, fired))
            raise Failed(f"spikes at 1/16 of the full scale, doubled four times: {told}")


def weights_act_in_proportion(bench: Bench) -> None:
    """Half as many inputs at twice the weight drive a neuron alike."""
    share, form = bench.share, bench.info.weight_format(0)
    if share is None:
        raise NotApplicable("no weight was found at which neurons fire now and then")
    # At this full scale one of each pair of inputs at full scale brings what `share` brought.
    n, drive = bench.neurons, share * bench.group * bench.full_scale
    fitting = [
        pairs
        for pairs in (4, 3, 2, 1)
        if form.minimum_full_scale <= drive / pairs <= form.maximum_full_scale
        and 2 * pairs * n <= bench.info.max_inputs
    ]
    if not fitting:
        raise NotApplicable("no full scale, or number of inputs, fits")
    pairs, full_scale = fitting[0], drive / fitting[0]
    device = bench.device
    device.configure(Network((n * pairs * 2, n), (full_scale,)))

    def write(first: float, second: float) -> NDArray[np.float32]:
        weights = np.zeros((n, pairs, 2, n), np.float32)
        weights[np.arange(n), :, :, np.arange(n)] = first, second
        stored = device.write_weights(0, weights.reshape(-1, n))
        return stored.reshape(weights.shape)[0, 0, :, 0]

    driven = bench.drive(np.ones((bench.batch, n * pairs * 2)))
    half = float(write(0.499 * full_scale, 0.499 * full_scale)[0])
    whole = int(bench.run(driven).counts.sum())
    ones = []
    for weights in ((2 * half, 0.0), (0.0, 2 * half)):
        if np.abs(write(*weights) - weights).max() > 0.05 * full_scale:
            raise NotApplicable("the levels are too coarse")
        ones.append(int(bench.run(driven).counts.sum()))
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
    stored_is_within_full_scale,
    stored_is_on_the_levels,
    writing_stored_gives_stored,
    larger_weights_are_not_stored_smaller,
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


def _hits(bench: Bench, targets: NDArray[np.int64]) -> tuple[float, float]:
    """Mean output spikes of the neuron at each group's target, and of each other neuron."""
    n = bench.neurons
    parts = [np.eye(n)[i : i + bench.batch] for i in range(0, n, bench.batch)]
    counts = np.concatenate([bench.run(bench.stimulus(part)).counts for part in parts])
    hit = counts[np.arange(n), targets].sum()
    return float(hit / n), float((counts.sum() - hit) / (n * (n - 1)))
