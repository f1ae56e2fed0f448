"""Checks that what info states is possible, taken within its limits, refused beyond, and acts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from typing import Any, get_args

import numpy as np

from drivers.conformance import needs
from drivers.conformance.checking import (
    Failed,
    check,
    check_refusal,
    check_taken,
    check_unchanged,
    describe_probe,
)
from drivers.conformance.harness import Harness, NotApplicable, skip_if
from drivers.contract.info import ProbeOffer, Quantity, Reduction, Setting, StimulusKind
from drivers.contract.messages import Probe, Stimulus
from drivers.contract.network import Network, Population, Projection
from drivers.errors import (
    CapacityError,
    DeviceError,
    SettingError,
    StimulusError,
    UnsupportedProbe,
    WeightError,
)

# Runs from which on counters of few bits overflow, and how many times the spikes of a quarter of
# the steps have to be counted, at least, of neurons that adapt as well.
LONG, GROWTH = 64, 2.2
# Cells of a network that is asked for only to be refused.
CELLS = 1 << 22
# By what share of its range, or of itself, a value is beyond a limit.
BEYOND = 0.01


@check()
def line_time_never_falls(harness: Harness) -> None:
    """transfer_seconds is time spent so far: finite, at least 0, and growing."""
    harness.clear()
    read = [harness.mapped.transfer_seconds]
    for share in (1.0, 0.5):
        harness.write(share)
        harness.run(harness.drive_all())
        read.append(harness.mapped.transfer_seconds)
    if not (all(map(math.isfinite, read)) and 0 <= read[0] <= read[1] <= read[2]):
        raise Failed(f"transfer_seconds was {', '.join(f'{each:g}' for each in read)}")


@check()
def stated_limits_are_taken(harness: Harness) -> None:
    """Networks, batches, full scales, settings and trims at each stated limit are taken."""
    room, form = harness.info.capacity, harness.info.weight_format(0)
    cells = room.synapses or max(room.neurons, room.layers)
    for layers, batch in (
        ((harness.widest, 1), 1),
        ((1, min(room.neurons, cells)), 1),
        ((1,) * (min(room.layers, cells) + 1), 1),
        *((layers, 1) for layers in _list_largest_projections(harness)),
        ((1, 1), room.batch),
    ):
        what = f"{batch} samples in a network of layers {_describe_layers(layers)}"
        check_taken(what, partial(_run_silence, harness, layers, batch))
    networks = {
        f"full scale {scale:g}": Network.feed_forward((1, 1), (scale,))
        for scale in (form.minimum_full_scale, form.maximum_full_scale)
    }
    for setting, value in _setting_ends(harness):
        what = f"{setting.name} = {value:g}"
        networks[f"setting {what}"] = _set(setting.name, value)
        if setting.per_neuron:
            n = min(2, room.neurons)
            networks[f"{what} of {n} neurons"] = _trim(setting.name, n, [value] * n)
    for what, network in networks.items():
        check_taken(what, partial(harness.device.configure, network))


@check(needs.MANY_SPIKES, look="how wide _run counts spikes")
def the_longest_run_is_counted(harness: Harness) -> None:
    """As many steps as stated are run, and the spikes of all of them are counted."""
    steps, shape = harness.info.capacity.steps, (harness.group, 1)
    harness.device.configure(Network.feed_forward(shape, (harness.full_scale,)))
    harness.mapped.write_weights(0, np.full(shape, harness.full_scale))
    one = np.full((1, 1, harness.group), harness.amplitude, np.float32)
    fired = []
    for length in (max(steps // 4, 1), steps):
        values = np.broadcast_to(one, (length, 1, harness.group))
        stimulus = Stimulus.of(harness.info.offers.stimuli[0], values)
        run = partial(harness.count_spikes, stimulus)
        fired.append(check_taken(f"1 sample of {length} steps", run))
    if steps >= LONG and fired[1] < GROWTH * fired[0]:
        raise Failed(f"{fired[0]} spikes are counted in {steps // 4} steps, {fired[1]} in {steps}")


@check()
def what_is_not_stated_is_refused(harness: Harness) -> None:
    """Requests beyond what info states raise their errors, and leave the device as it was."""
    refusals = [
        *_networks_beyond(harness),
        *_runs_beyond(harness),
        *_probes_beyond(harness),
        *_weights_beyond(harness),
    ]

    def request_refusals(trial: int) -> None:
        for what, expected, ask in refusals:
            check_refusal(what, expected, ask)

    check_unchanged(harness, "refusals", request_refusals, _choose_refusing_depth(harness))


@check()
def refused_network_leaves_the_old_one(harness: Harness) -> None:
    """A network that the device has no room for leaves the one before as it was."""
    room = harness.info.capacity
    skip_if(room.inputs * room.neurons > CELLS, "the largest network is too large to try")
    whole = Network.feed_forward((room.inputs, *[room.neurons] * room.layers))

    def request_largest_network(trial: int) -> None:
        try:
            harness.device.configure(whole)
        except CapacityError:
            return
        raise NotApplicable("the device has room for every limit at once")

    check_unchanged(harness, "a refused network", request_largest_network)


Refusal = tuple[str, type[DeviceError], Callable[[], object]]


def _choose_refusing_depth(harness: Harness) -> int:
    """Layers of the network on which requests are refused."""
    return min(2, harness.info.capacity.layers)


def _networks_beyond(harness: Harness) -> Iterator[Refusal]:
    """Networks that are larger than stated, of other graphs, or at other settings."""
    room, form, one = harness.info.capacity, harness.info.weight_format(0), Projection(0, 1)
    larger = [(room.inputs + 1, 1), (1, room.neurons + 1), (1,) * (room.layers + 2)]
    if room.fan_in is not None and room.fan_in < room.inputs:
        larger.append((room.fan_in + 1, 1))
    for inputs, neurons in _list_largest_projections(harness):
        if neurons < room.neurons:
            larger.append((inputs, neurons + 1))
    beyond = {
        f"a network of layers {_describe_layers(layers)}": Network.feed_forward(layers)
        for layers in larger
    }
    low, high = form.minimum_full_scale, form.maximum_full_scale
    for scale in ((1 - BEYOND) * low, (1 + BEYOND) * high, math.nan):
        beyond[f"full scale {scale:g}"] = Network.feed_forward((1, 1), (scale,))
    graphs = {"a delay beyond the longest": [replace(one, delay=room.delay + 1)]}
    if not room.recurrence:
        graphs["a projection to its own layer"] = [one, Projection(1, 1)]
    if not room.skips and room.layers > 1:
        graphs["a projection past a layer"] = [one, Projection(1, 2), Projection(0, 2)]
    if not room.synapse_delays:
        graphs["delays by synapse"] = [replace(one, delay=np.zeros((1, 1), np.int64))]
    for what, projections in graphs.items():
        populations = (Population(1),) * max(each.target for each in projections)
        beyond[what] = Network(1, populations, tuple(projections))
    for what, network in beyond.items():
        yield what, CapacityError, partial(harness.mapped.configure, network)
    settings = {"an unknown setting": _set("no such setting", 0.0)}
    for setting, value in _setting_ends(harness):
        n = min(2, room.neurons)
        away = np.inf if value == setting.maximum else -np.inf
        outside = value + np.copysign(BEYOND * (setting.maximum - setting.minimum or 1.0), away)
        for wrong in (float(np.nextafter(value, away)), math.nan):
            settings[f"setting {setting.name} = {wrong!r}"] = _set(setting.name, wrong)
        if setting.per_neuron:
            for values in ([value] * (n + 1), [value] * (n - 1) + [outside]):
                trims = f"{setting.name} = {', '.join(f'{v:g}' for v in values)} of {n} neurons"
                settings[trims] = _trim(setting.name, n, values)
    for what, network in settings.items():
        yield what, SettingError, partial(harness.mapped.configure, network)


def _runs_beyond(harness: Harness) -> Iterator[Refusal]:
    """Runs of more samples or steps than stated, of other kinds, or of too many channels."""
    room, stated = harness.info.capacity, harness.info.offers.stimuli
    for batch, steps in ((room.batch + 1, 1), (1, room.steps + 1)):
        ask = partial(harness.mapped.check_run, stated[0], batch, steps)
        yield f"{batch} samples of {steps} steps", CapacityError, ask
    wide = np.ones((1, 1, harness.group * harness.neurons + 1))
    wrong = {"a stimulus of too many channels": Stimulus.of(stated[0], wide)}
    for kind in get_args(StimulusKind):
        if kind not in stated:
            wrong[f"a stimulus of kind {kind}"] = harness.drive_all(kind)
    for what, stimulus in wrong.items():
        yield what, StimulusError, partial(harness.run, stimulus)


def _probes_beyond(harness: Harness) -> Iterator[Refusal]:
    """Probes that are not offered, to the last step and neuron."""
    depth = _choose_refusing_depth(harness)
    beyond = [Probe(0, "spikes"), Probe(depth + 1, "spikes")]
    for layer, quantity in product(range(1, depth + 1), get_args(Quantity)):
        offer = harness.info.offer(quantity, layer, depth)
        if offer is None:
            beyond += [Probe(layer, quantity, reduce=r) for r in get_args(Reduction)]
            continue
        shown = harness.probe(offer, offer.reductions[0], layer)
        others = [r for r in get_args(Reduction) if r not in offer.reductions]
        beyond += [replace(shown, reduce=reduce) for reduce in others]
        if quantity == "membrane" and offer.every > 1:
            beyond.append(replace(shown, every=offer.every - 1))
        if shown.neurons is not None:
            beyond.append(replace(shown, neurons=tuple(range(len(shown.neurons) + 1))))
        beyond.append(replace(shown, neurons=(harness.neurons,)))
    for probe in beyond:
        ask = partial(harness.run, harness.drive_all(), [probe])
        yield describe_probe(probe), UnsupportedProbe, ask


def _weights_beyond(harness: Harness) -> Iterator[Refusal]:
    """Weights that are no weights of the network that is mapped."""
    depth = _choose_refusing_depth(harness)
    fitting = np.ones((harness.group * harness.neurons, harness.neurons), np.float32)
    for what, projection, weights in (
        ("weights of a wrong shape", 0, fitting[:, 1:]),
        ("weights that are NaN", 0, fitting * np.nan),
        ("weights of no projection", depth, fitting),
    ):
        yield what, WeightError, partial(harness.mapped.write_weights, projection, weights)


def _list_largest_projections(harness: Harness) -> Iterator[tuple[int, int]]:
    """A projection of as many synapses as are stated, where a layer more would be too many."""
    room = harness.info.capacity
    if room.synapses is not None:
        neurons = min(room.neurons, room.synapses // harness.widest)
        if harness.widest * (neurons + 1) > room.synapses:
            yield harness.widest, neurons


def _setting_ends(harness: Harness) -> Iterator[tuple[Setting, float]]:
    """Each setting at both ends of its range."""
    for setting in harness.info.neuron.settings:
        yield setting, setting.minimum
        yield setting, setting.maximum


def _set(name: str, value: float) -> Network:
    return Network.feed_forward((1, 1), settings={name: value})


def _trim(name: str, n: int, values: Sequence[float]) -> Network:
    return Network.feed_forward((1, n), trims={name: [np.asarray(values, np.float32)]})


def _run_silence(harness: Harness, layers: tuple[int, ...], batch: int) -> None:
    """Map a network, write zeros to it and run it for a step without input."""
    device = harness.device
    device.configure(Network.feed_forward(layers))
    for projection, shape in enumerate(pairwise(layers)):
        device.write_weights(projection, np.zeros(shape))
    device.run(Stimulus.of(harness.info.offers.stimuli[0], np.zeros((1, batch, layers[0]))))


def _describe_layers(layers: tuple[int, ...]) -> str:
    return "-".join(map(str, layers)) if len(layers) < 6 else f"1 ({len(layers) - 1} of neurons)"


DEEPEST = 3
# How far medians over neurons may lie apart between two places on one chip.
MEDIANS, SLACK = 1.5, 0.15
# The same weights at another full scale give counts this far apart at most.
COUNTS, FEW_SPIKES = 1.8, 4
# A weight, in thresholds, that is stored at two full scales.
WEIGHT = 0.75


@check(needs.ONE_SPIKE, look="how _run answers probes of hidden layers")
def a_layer_shows_the_same_hidden_or_output(harness: Harness) -> None:
    """What a probe shows of a layer does not depend on how many layers follow."""
    deepest = min(DEEPEST, harness.info.capacity.layers)
    usual: dict[tuple[int, Quantity, float], list[float]] = {}
    for depth in range(1, deepest + 1):  # each network once: to map it may take long
        for layer, quantity in product(range(max(1, depth - 1), depth + 1), get_args(Quantity)):
            output, hidden = (harness.info.offer(quantity, layer, d) for d in (layer, layer + 1))
            if output is None or hidden is None or layer == deepest:
                continue
            shared = [r for r in output.reductions if r in hidden.reductions]
            reduce = next((r for r in shared if r != "last"), None)
            if reduce is None:
                continue
            for share in {1.0, min(1.0, 1.5 * harness.working_share)}:
                offer = output if layer == depth else hidden
                median = _measure_median(harness, offer, layer, depth, reduce, share)
                usual.setdefault((layer, quantity, share), []).append(median)
    for (layer, quantity, _), (one, two) in usual.items():
        if abs(one - two) > SLACK + (1 - 1 / MEDIANS) * max(abs(one), abs(two)):
            raise Failed(
                f"the {quantity} of layer {layer} is {one:.3g} as output and {two:.3g} as hidden "
                "layer"
            )
    skip_if(not usual, "no layer is shown both as output and as hidden layer")


def _measure_median(
    harness: Harness, offer: ProbeOffer, layer: int, depth: int, reduce: Reduction, share: float
) -> float:
    """The usual value of a layer in a network of a depth, driven by a share of the full scale."""
    harness.clear(depth)
    for projection in range(depth):
        own = share if projection == layer - 1 else 1.0
        harness.write(own * np.eye(harness.neurons), projection)
    probe = harness.probe(offer, reduce, layer)
    values = harness.run(harness.drive_all(), [probe]).samples[probe].astype(np.float32)
    if offer.quantity == "membrane":
        values = harness.info.neuron.membrane.in_thresholds(values)
    return float(np.median(values.mean(axis=tuple(range(values.ndim - 1)))))


@check(look="which full scale and threshold _write and _configure take for which layer")
def each_projection_has_its_own_full_scale(harness: Harness) -> None:
    """The same weights act alike whatever the full scale of their projection, and of others."""
    checked = False
    for depth in sorted({1, min(DEEPEST, harness.info.capacity.layers)}):
        plain = harness.network(depth)
        for projection, scale in enumerate(plain.full_scale):
            low = max(harness.info.weight_format(projection).minimum_full_scale, WEIGHT)
            if scale < 2 * low:
                continue
            scales = [*plain.full_scale]
            scales[projection] = low
            other = Network.feed_forward(plain.layers, tuple(scales))
            (one, stored), (two, again) = (
                _count_at(harness, network, projection, low / scale) for network in (plain, other)
            )
            if not abs(stored - again) <= 0.15 * again:
                continue
            if max(one, two) > COUNTS * min(one, two) + FEW_SPIKES * harness.neurons:
                raise Failed(
                    f"the same weights in projection {projection} of {depth} gave {one} spikes at "
                    f"a full scale of {scale:g} and {two} at {low:g}"
                )
            checked = True
    skip_if(not checked, "no two full scales hold the same weights, or nothing fires")


def _count_at(
    harness: Harness, network: Network, projection: int, share: float
) -> tuple[int, float]:
    """Output spikes, and the weight stored, at a share of the usual full scale in a projection."""
    try:
        harness.device.configure(network)
    except CapacityError:
        return 0, math.nan
    stored = math.nan
    for p in range(network.depth):
        own = share if p == projection else 1.0
        kept = harness.write(own * np.eye(harness.neurons), p)
        if p == projection and (kept > 0).any():
            stored = float(np.median(kept[kept > 0]))
    return harness.count_spikes(), stored


@check(needs.SETTINGS, needs.PACE, look="what _configure does with network.settings")
def settings_act(harness: Harness) -> None:
    """Each setting changes something from one end of its range to the other."""
    for setting in (s for s in harness.info.neuron.settings if s.maximum > s.minimum):
        ends = [{"settings": {setting.name: end}} for end in (setting.minimum, setting.maximum)]
        depths = range(1, min(2, harness.info.capacity.layers) + 1)
        if not any(_runs_differ(harness, depth, ends) for depth in depths):
            raise Failed(
                f"setting {setting.name} gives the same runs at {setting.minimum:g} and at "
                f"{setting.maximum:g}"
            )


@check(needs.TRIMS, needs.PACE, look="what _configure does with network.trims of each layer")
def trims_act_in_their_layer(harness: Harness) -> None:
    """A setting chosen for the neurons of one layer acts in that layer."""
    depths = range(1, min(DEEPEST, harness.info.capacity.layers) + 1)
    for setting in harness.info.neuron.settings:
        # A spike may be too weak to make a neuron of the next layer fire.
        for depth in filter(harness.reaches, depths if setting.per_neuron else ()):
            for layer in range(depth):
                ends: list[dict[str, Any]] = []
                for value in (setting.minimum, setting.maximum):
                    usual = np.full(harness.neurons, setting.default, np.float32)
                    values = [
                        np.full_like(usual, value) if p == layer else usual for p in range(depth)
                    ]
                    ends.append({"trims": {setting.name: values}})
                if setting.maximum > setting.minimum and not _runs_differ(harness, depth, ends):
                    raise Failed(
                        f"{setting.name} of the neurons of layer {layer + 1} of {depth} changes "
                        "nothing"
                    )


def _runs_differ(harness: Harness, depth: int, ends: Sequence[dict[str, Any]]) -> bool:
    """Tell whether two networks that differ in what they ask for run differently."""
    acting = []
    plain = harness.network(depth)
    probes = [
        harness.probe(offer, offer.reductions[0], layer)
        for layer in range(1, depth + 1)
        for quantity in get_args(Quantity)
        if (offer := harness.info.offer(quantity, layer, depth)) is not None
    ]
    for end in ends:
        harness.device.configure(Network.feed_forward(plain.layers, plain.full_scale, **end))
        answers = []
        share = harness.working_share
        own = np.eye(harness.neurons)
        inhibited = own - 0.5 * np.roll(own, 1, axis=0)
        for first, later in (
            (own, 1.0),
            (share * own, 1),
            (own, 0.4),
            (share / 4 * own, 1),
            (inhibited, 1),
        ):
            harness.write(first)
            for p in range(1, depth):
                harness.write(later * np.eye(harness.neurons), p)
            readout = harness.run(harness.drive_all(harness.event_kind), probes)
            answers += [readout.counts, *(readout.samples[probe] for probe in probes)]
        acting.append(answers)
    return any(not np.array_equal(a, b) for a, b in zip(*acting, strict=True))
