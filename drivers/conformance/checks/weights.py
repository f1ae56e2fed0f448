"""Checks that weights are stored as stated, and act as they are stored."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from drivers.conformance import needs
from drivers.conformance.checking import IDLE, Failed, check
from drivers.conformance.harness import DRIVE, Harness, NotApplicable, skip_if
from drivers.conformance.wiring import measure_common_delay
from drivers.contract.messages import Stimulus
from drivers.contract.network import Network, Synapses

DEEPEST = 3
# Synapses that differ turn the same drive into counts this far apart at most.
FACTOR, SPIKES = 1.7, 4
# Shares of the full scale beyond it, which are stored as the full scale.
BEYOND = (1.01, 1.5)
# Share of the spikes of an excitation that are left, at most, when an inhibition comes with it.
INHIBITED = 0.75
# Share of the neurons that fire with dense or sparse synapses which has to fire with both.
SAME = 0.7
# Inputs that are tried one by one, beside those about powers of two, and steps of their runs.
CHANNELS, SOON = 33, 8


@check()
def zero_weights_are_silent(harness: Harness) -> None:
    """With zero weights, as mapping a network leaves them, a strong stimulus makes nothing fire."""
    for told, share in (
        ("configure", 0.0),
        ("a write of zeros", 1.0),
        ("configure once more", 0.0),
    ):
        if told != "a write of zeros":
            harness.configure()
        firing = harness.firing()
        if firing > IDLE:
            raise Failed(f"after {told}, {firing:.0%} of samples and neurons fired without weights")
        harness.write(share)


@check()
def full_weights_fire(harness: Harness) -> None:
    """With weights at full scale a strong stimulus makes neurons fire."""
    harness.clear()
    harness.write(np.eye(harness.neurons))
    if not harness.run(harness.drive_all()).counts.any():
        raise Failed(
            f"no neuron fired in {harness.steps} steps at {harness.group} inputs, full scale "
            f"{harness.full_scale:g} and {harness.amplitude} events a step on each input"
        )


@check()
def negative_weights_do_not_excite(harness: Harness) -> None:
    """Weights below zero make nothing fire, however far below."""
    harness.clear()
    for share in (1.0, *BEYOND):
        harness.write(-share)
        firing = harness.firing()
        if firing > IDLE:
            raise Failed(
                f"{firing:.0%} of samples and neurons fired at weights of -{share:g} full scales"
            )


@check(
    needs.SIGNS, needs.NEURONS, needs.PACE, look="what _write does with signs, of each projection"
)
def inhibition_takes_from_excitation(harness: Harness) -> None:
    """In every layer, what excites a neuron does less when weights below zero come with it."""
    checked, n = False, harness.neurons
    # Even sources excite their neuron, and odd ones inhibit the neuron before.
    even = np.arange(0, n - 1, 2)
    both = np.zeros((n, n))
    both[even, even], both[even + 1, even] = 0.5, -1.0
    for depth in range(1, min(DEEPEST, harness.info.capacity.layers) + 1):
        harness.clear(depth)
        for projection in range(depth - 1):
            harness.write(np.eye(n), projection)
        fired = []
        for shares in (np.maximum(both, 0), both):
            harness.write(shares, depth - 1)
            fired.append(harness.count_spikes())
        if fired[1] > INHIBITED * fired[0] + SPIKES:
            raise Failed(
                f"{fired[0]} spikes of an excitation of layer {depth}, and {fired[1]} with an "
                "inhibition twice as strong"
            )
        checked = checked or fired[0] > SPIKES
    skip_if(not checked, "half of the full scale makes no neuron fire")


@check(needs.RING)
def each_weight_acts_where_it_was_written(harness: Harness) -> None:
    """A weight from an input to a neuron joins these two, and no others."""
    n = harness.neurons
    harness.clear()
    targets = _ring_targets(n)
    harness.write(np.eye(n)[targets])
    hit, missed = _count_hits(harness, targets)
    if missed > IDLE * hit:
        raise Failed(
            f"driven by one group of inputs, the neuron joined to it fired {hit:.1f} times "
            f"on average and each other one {missed:.1f} times"
        )


@check(look="how _run and _write count channels, the last of them above all")
def each_input_acts(harness: Harness) -> None:
    """Of the most inputs stated each makes neurons fire, the first and the last of them as well."""
    n, scale, kind = harness.widest, harness.scale(0), harness.event_kind
    events = math.ceil(DRIVE / scale)
    if events > 1 and harness.info.timing.events_add is not True:
        raise NotApplicable("one input is too weak to make a neuron fire")
    try:  # a single event tells each input's time as well
        late = measure_common_delay(harness, 1) if harness.timed_kinds else None
    except NotApplicable:
        late = None
    steps = min(SOON, harness.info.capacity.steps) if late is None else late + 1
    room = harness.info.capacity.synapses or math.inf
    neurons = int(min(harness.neurons, room // n))
    device = harness.device
    device.configure(Network.feed_forward((n, neurons), (scale,)))
    device.write_weights(0, np.full((n, neurons), scale, np.float32))
    powers = 2 ** np.arange(math.ceil(math.log2(n)) + 1)
    spread = np.linspace(0, n - 1, CHANNELS).astype(int)
    inputs = np.unique(np.clip([*spread, *powers, *(powers - 1)], 0, n - 1))
    silent = []
    for part in np.array_split(inputs, -(-len(inputs) // harness.info.capacity.batch)):
        values = np.zeros((steps, len(part), n), np.float32)
        values[: steps if late is None else 1, np.arange(len(part)), part] = events
        fired = (device.run(Stimulus.of(kind, values), trial=0).counts > 0).mean(axis=1)
        silent += part[fired < 0.5].tolist()
    weak = late is None and len(silent) > len(inputs) / 2
    skip_if(weak, "one input is too weak to make a neuron fire")
    if silent:
        raise Failed(
            f"of {len(inputs)} inputs of {n}, {len(silent)} make no neuron fire within {steps} "
            f"steps: input {', '.join(map(str, silent[:4]))}"
        )


@check(needs.EVENTS, look="how many events _run takes, and at info.capacity.events_per_step")
def every_event_of_a_step_acts(harness: Harness) -> None:
    """Of as many input events in one step as are stated, or as there are inputs, each acts."""
    n, most = harness.widest, harness.most_at_once
    room = (harness.info.capacity.synapses or math.inf) // n
    neurons, scale = int(min(harness.neurons, room)), harness.scale(0)
    skip_if(neurons < 1 or most // neurons * scale < DRIVE, "inputs are too few or too weak")
    step = harness.info.weight_format(0).step(scale)  # no less than the least that is stored
    active = np.linspace(0, n - 1, most).astype(int)
    blocks = np.array_split(active, neurons)
    weights, alone = np.zeros((n, neurons), np.float32), np.zeros((neurons, n), np.float32)
    for neuron, block in enumerate(blocks):
        weights[block, neuron], alone[neuron, block] = max(DRIVE / len(block), step), 1
    device = harness.device
    device.configure(Network.feed_forward((n, neurons), (scale,)))
    device.write_weights(0, weights)
    steps = min(SOON, harness.info.capacity.steps)

    def find_firing(values: NDArray[np.float32]) -> NDArray[np.bool_]:
        stimulus = Stimulus.of("spikes", np.broadcast_to(values, (steps, 1, n)))
        return np.asarray(device.run(stimulus, trial=0).counts[0] > 0)

    by_itself = np.array([find_firing(each)[neuron] for neuron, each in enumerate(alone)])
    together = find_firing(alone.sum(axis=0))
    lost = int((by_itself & ~together).sum())
    if lost > IDLE * neurons:
        raise Failed(
            f"with events on {most} inputs in a step, {lost} of {neurons} neurons do not fire "
            "that fire when their own inputs alone have events"
        )


@check(
    needs.LAYERS,
    look="whether _write leaves other projections alone, and at how _run hands spikes on",
)
def each_projection_acts_at_its_place(harness: Harness) -> None:
    """What reaches the output takes every projection, in whatever order they were written."""
    for first, second in ((0, 1), (1, 0)):
        harness.clear(2)
        fired = {}
        for shares in ((1, 1), (1, 0), (0, 1)):
            for projection in (first, second):
                harness.write(np.eye(harness.neurons) * shares[projection], projection)
            fired[shares] = harness.count_spikes()
        if harness.reaches(2) and not fired[1, 1]:
            raise Failed("no output spikes through two projections at full scale")
        for shares, count in fired.items():
            if shares != (1, 1) and count > IDLE * fired[1, 1] + harness.leaked:
                raise Failed(f"{count} output spikes though projection {shares.index(0)} is zero")
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


@check()
def the_last_write_counts(harness: Harness) -> None:
    """A run is made with the weights that were written last, all of them."""
    harness.clear()
    on, off, stimulus = np.eye(harness.neurons), np.zeros(()), harness.drive_all()
    fired = []
    for shares in (on, off, on, 0.98 * on, off):
        harness.write(shares)
        fired.append(harness.count_spikes(stimulus))
    if max(fired[1], fired[4]) > IDLE * min(fired[0], fired[2], fired[3]) + harness.leaked:
        numbers = ", ".join(map(str, fired))
        raise Failed(f"spikes after writes of on, off, on, nearly on, off: {numbers}")


@check(look="how _write turns the largest weights, and those beyond the full scale, into codes")
def a_larger_weight_never_lowers_the_drive(harness: Harness) -> None:
    """A larger weight makes neurons fire as often, or more; beyond the full scale as at it."""
    harness.clear()
    fired, shares = [], (*2.0 ** np.arange(-4, 1), *BEYOND)
    for share in shares:
        harness.write(share * np.eye(harness.neurons))
        fired.append(harness.count_spikes())
    for less, more in pairwise(fired):
        if more < 0.95 * less - 2 * np.sqrt(less + more):
            numbers = ", ".join(f"{f} at {s:.3g}" for s, f in zip(shares, fired, strict=True))
            raise Failed(f"spikes at shares of the full scale: {numbers}")


@check(needs.PACE, needs.ZERO)
def weights_act_in_proportion(harness: Harness) -> None:
    """Half as many inputs at twice the weight drive a neuron alike."""
    form = harness.info.weight_format(0)
    # At this full scale one of each pair of inputs at full scale brings what `share` brought.
    n, drive = harness.neurons, harness.working_share * harness.group * harness.full_scale
    fitting = [
        pairs
        for pairs in (4, 3, 2, 1)
        if form.minimum_full_scale <= drive / pairs <= form.maximum_full_scale
        and 2 * pairs * n <= harness.most_at_once
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

    values = np.full((harness.steps, harness.batch, n * pairs * 2), harness.amplitude, np.float32)
    driven = Stimulus.of(harness.info.offers.stimuli[0], values)
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
LEVELS_TRIED = 257
# Mean of what rounding adds, in levels: to the nearest, or at random, adds nothing.
BIAS = 0.25
# Weights whose rounding is looked at.
ROUNDED = 512


def _store(harness: Harness, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Write shares of the full scale, `(n_pre, n_post)`, and give what is stored, likewise."""
    harness.clear()
    weights = (shares * harness.full_scale).astype(np.float32)
    return harness.device.write_weights(0, weights).astype(np.float64) / harness.full_scale


def _level_step(harness: Harness) -> float:
    """Distance of two levels, as a share of the full scale; 0 where none are stated."""
    return harness.info.weight_format(0).step(1.0)


@check(needs.LEVELS)
def stored_is_on_the_levels(harness: Harness) -> None:
    """Stored weights are of the stated levels, every level can be stored, the next is taken."""
    step, shape = _level_step(harness), harness.network().layers
    least = harness.info.weight_format(0).least(1.0)
    count = round((1 - least) / step) + 1
    chosen = np.unique(np.linspace(0, count - 1, min(count, LEVELS_TRIED)).round())
    for part in np.array_split(chosen * step + least, -(-chosen.size // (shape[0] * shape[1]))):
        asked = np.resize(part, shape)
        apart = np.abs(_store(harness, asked) - asked)
        if apart.max() > 0.01 * step:
            level = asked.flat[apart.argmax()] * harness.full_scale
            raise Failed(f"one of {count} levels, {level:g}, was stored as another")
    asked = np.random.default_rng(2).uniform(least, 1, shape)
    stored = _store(harness, asked)
    number = (stored - least) / step
    off = np.abs(number - number.round())
    if off.max() > 0.01:
        value = stored.flat[off.argmax()] * harness.full_scale
        raise Failed(f"{value:g} was stored, which is none of {count} levels")
    if np.abs(stored - asked).max() > 1.01 * step:
        raise Failed(f"stored is up to {np.abs(stored - asked).max() / step:.2g} levels off")


@check(needs.LEVELS, look="how _write rounds, WeightFormat.quantise takes the nearest")
def rounding_has_no_bias(harness: Harness) -> None:
    """Weights are rounded to either side alike, neither down nor toward zero."""
    step, shape = _level_step(harness), harness.network().layers
    skip_if(1 - step <= step, "too few levels")
    rng, signs = np.random.default_rng(5), [harness.info.weight_format(0).least(1.0) or 1, 1]
    down, inward = [], []
    for _ in range(-(-ROUNDED // (shape[0] * shape[1]))):
        asked = rng.uniform(step, 1 - step, shape) * rng.choice(signs, shape)
        off = _store(harness, asked) - asked
        down.append(off)
        inward.append(off * np.sign(asked))
    for what, off in (("up", down), ("away from zero", inward)):
        mean = float(np.mean(off)) / step
        if abs(mean) > BIAS:
            raise Failed(
                f"stored weights are {mean:+.2f} levels {what} of those written, on average"
            )


@check()
def writing_stored_gives_stored(harness: Harness) -> None:
    """Writing what was stored stores the same again."""
    asked = np.random.default_rng(3).normal(0, 0.5, harness.network().layers)
    stored = _store(harness, asked)
    apart = float(np.abs(_store(harness, stored) - stored).max())
    if apart > 1e-5:
        raise Failed(f"stored again is up to {apart:g} full scales away from what was stored")


@check()
def larger_weights_are_not_stored_smaller(harness: Harness) -> None:
    """Of two weights, the larger is stored as large as the other at least."""
    shape = harness.network().layers
    order = np.random.default_rng(4).permutation(shape[0] * shape[1])
    written = np.empty(order.size)
    written[order] = np.linspace(-1.5, 1.5, order.size)
    stored = _store(harness, written.reshape(shape)).reshape(-1)[order]
    # A device may round at random, to either side.
    slack = max(1.01 * _level_step(harness), 1e-5)
    fall = float((np.maximum.accumulate(stored) - stored).max())
    if fall > slack:
        raise Failed(f"a weight was stored {fall:g} full scales below a smaller one")


@check(needs.SPARSE, needs.NEURONS, needs.ZERO, look="between which neurons _write lays weights")
def a_sparse_projection_acts_as_a_dense_one(harness: Harness) -> None:
    """Synapses of a sparse projection store and do what those of a dense one do among zeros."""
    places, plain = np.arange(harness.neurons), harness.network()
    shares = np.roll(np.eye(harness.neurons), 1, axis=1) * (places % 2)
    matrix = np.repeat(shares, harness.group, axis=0).astype(np.float32) * harness.full_scale
    own = Synapses(*np.argwhere(matrix).T.astype(np.int32))
    kept, fired = [], []
    for synapses, weights in ((None, matrix), (own, own.gather(matrix))):
        projection = replace(plain.projections[0], synapses=synapses)
        harness.device.configure(replace(plain, projections=(projection,)))
        stored = harness.mapped.write_weights(0, weights)
        kept.append(own.gather(stored) if synapses is None else stored)
        driven = harness.stimulus(np.eye(harness.neurons)[: harness.batch])
        fired.append(harness.run(driven).counts > 0)
    if not np.array_equal(kept[0], kept[1]):
        raise Failed("the same weights are stored as others where the projection is sparse")
    either = np.logical_or(*fired).sum()
    skip_if(not either, "nothing fires")
    if (both := np.logical_and(*fired).sum()) < SAME * either:
        raise Failed(f"of {either} neurons that fire with dense or sparse synapses {both} do both")
