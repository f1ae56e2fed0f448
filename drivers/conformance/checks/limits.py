"""Checks that what info states is possible, taken within its limits, refused beyond, and acts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise, product
from typing import get_args

import numpy as np

from drivers.conformance.harness import Failed, Harness, NotApplicable, check_refusal, skip_if
from drivers.contract.info import Capacity, ProbeOffer, Quantity, Reduction, StimulusKind
from drivers.contract.messages import Stimulus
from drivers.contract.network import Network
from drivers.contract.statements import contradictions
from drivers.errors import CapacityError, DeviceError, Diverged, SettingError


def facts_are_possible(harness: Harness) -> None:
    """What info states could be true."""
    wrong = contradictions(harness.info)
    if wrong:
        raise Failed("; ".join(wrong))


def facts_stay(harness: Harness) -> None:
    """Using the device does not change what info states."""
    harness.clear()
    harness.write(1.0)
    harness.run(harness.everything())
    if harness.mapped.info != harness.info:
        raise Failed("info is not what it was when the device was opened")


def line_time_never_falls(harness: Harness) -> None:
    """transfer_seconds is time spent so far: finite, at least 0, and growing."""
    harness.clear()
    read = [harness.mapped.transfer_seconds]
    for share in (1.0, 0.5):
        harness.write(share)
        harness.run(harness.everything())
        read.append(harness.mapped.transfer_seconds)
    if not (all(map(math.isfinite, read)) and 0 <= read[0] <= read[1] <= read[2]):
        raise Failed(f"transfer_seconds was {', '.join(f'{each:g}' for each in read)}")


def largest_network_is_taken(harness: Harness) -> None:
    """A network at each stated limit is taken, stores weights and runs."""
    for layers in _largest(harness):
        _check_taken(
            f"network of layers {_describe_layers(layers)}",
            partial(_run_network, harness, layers, 1, 1),
        )


def larger_network_is_refused(harness: Harness) -> None:
    """A network beyond a stated limit raises CapacityError."""
    capacity = harness.info.capacity
    beyond = [
        (capacity.inputs + 1, 1),
        (1, capacity.neurons + 1),
        (1,) * (capacity.layers + 2),
    ]
    if capacity.fan_in is not None and capacity.fan_in < capacity.inputs:
        beyond.append((capacity.fan_in + 1, 1))
    for inputs, neurons in _most_synapses(capacity):
        if neurons < capacity.neurons:
            beyond.append((inputs, neurons + 1))
    for layers in beyond:
        check_refusal(
            f"network of layers {_describe_layers(layers)}",
            CapacityError,
            partial(harness.device.configure, Network.feed_forward(layers)),
        )


def largest_batch_and_longest_run_are_taken(harness: Harness) -> None:
    """As many samples, and as many steps, as stated are run."""
    info = harness.info
    for batch, steps in ((info.capacity.batch, 1), (1, info.capacity.steps)):
        _check_taken(
            f"{batch} samples of {steps} steps",
            partial(_run_network, harness, (1, 1), batch, steps),
        )


def larger_batch_and_longer_run_are_refused(harness: Harness) -> None:
    """More samples, or more steps, than stated raise CapacityError."""
    info = harness.info
    harness.device.configure(Network.feed_forward((1, 1)))
    for batch, steps in ((info.capacity.batch + 1, 1), (1, info.capacity.steps + 1)):
        check_refusal(
            f"{batch} samples of {steps} steps",
            CapacityError,
            partial(_run_silence, harness, batch, steps),
        )


def full_scales_are_as_stated(harness: Harness) -> None:
    """The least and the greatest full scale are taken, and what is beyond them is refused."""
    form = harness.info.weight_format(0)
    low, high = form.minimum_full_scale, form.maximum_full_scale
    for scale in (low, high):
        _check_taken(
            f"full scale {scale:g}",
            partial(harness.device.configure, Network.feed_forward((1, 1), (scale,))),
        )
    for scale in (0.99 * low, 1.01 * high, math.nan):
        check_refusal(
            f"full scale {scale:g}",
            CapacityError,
            partial(harness.device.configure, Network.feed_forward((1, 1), (scale,))),
        )


def settings_are_as_stated(harness: Harness) -> None:
    """Each setting is taken at both ends of its range, refused beyond them and when unknown."""
    device, refused = harness.device, SettingError
    check_refusal(
        "an unknown setting",
        refused,
        partial(device.configure, _with_setting("no such setting", 0)),
    )
    skip_if(not harness.info.neuron.settings, "the device has no settings")
    for setting in harness.info.neuron.settings:
        for value in (setting.minimum, setting.maximum):
            told = f"setting {setting.name} = {value:g}"
            _check_taken(told, partial(device.configure, _with_setting(setting.name, value)))
        for value in (
            np.nextafter(setting.minimum, -np.inf),
            np.nextafter(setting.maximum, np.inf),
            math.nan,
        ):
            told = f"setting {setting.name} = {value!r}"
            check_refusal(
                told, refused, partial(device.configure, _with_setting(setting.name, float(value)))
            )
    device.configure(Network.feed_forward((1, 1)))


def trims_are_as_stated(harness: Harness) -> None:
    """Settings that can be chosen for each neuron are, and others cannot."""
    trimmed = [setting for setting in harness.info.neuron.settings if setting.per_neuron]
    skip_if(not trimmed, "the device has no settings for each neuron")
    n = min(2, harness.info.capacity.neurons)
    for setting in trimmed:
        name, low, high = setting.name, setting.minimum, setting.maximum
        beyond = high + 0.01 * (high - low)
        for value in (low, high):
            _check_taken(
                f"{name} = {value:g} of {n} neurons",
                partial(_configure_trims, harness, name, n, [value] * n),
            )
        for values in ([low] * (n + 1), [low] * (n - 1) + [beyond]):
            told = f"{name} = {', '.join(f'{value:g}' for value in values)} of {n} neurons"
            check_refusal(told, SettingError, partial(_configure_trims, harness, name, n, values))
    harness.device.configure(Network.feed_forward((1, 1)))


def _largest(harness: Harness) -> Iterator[tuple[int, ...]]:
    """Networks at one limit each, within the others."""
    capacity = harness.info.capacity
    room = capacity.synapses or math.inf
    yield harness.widest, 1
    yield 1, int(min(capacity.neurons, room))
    yield (1,) * int(min(capacity.layers, room) + 1)
    yield from _most_synapses(capacity)


def _most_synapses(capacity: Capacity) -> Iterator[tuple[int, int]]:
    """A projection of as many synapses as are stated, where a layer more would be too many."""
    if capacity.synapses is None:
        return
    inputs = min(capacity.inputs, capacity.fan_in or capacity.inputs, capacity.synapses)
    neurons = min(capacity.neurons, capacity.synapses // inputs)
    if inputs * (neurons + 1) > capacity.synapses:
        yield inputs, neurons


def _check_taken(what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except Diverged:
        raise
    except DeviceError as error:
        raise Failed(f"{what}: stated as possible, but {type(error).__name__}: {error}") from None


def _run_network(harness: Harness, layers: tuple[int, ...], batch: int, steps: int) -> None:
    device = harness.device
    device.configure(Network.feed_forward(layers))
    for projection in range(len(layers) - 1):
        device.write_weights(projection, np.zeros(layers[projection : projection + 2]))
    device.run(_silence(harness.info.offers.stimuli[0], batch, steps, layers[0]))


def _run_silence(harness: Harness, batch: int, steps: int) -> None:
    harness.run(_silence(harness.info.offers.stimuli[0], batch, steps, 1))


def _silence(kind: StimulusKind, batch: int, steps: int, channels: int) -> Stimulus:
    """A stimulus of nothing; none is larger than need be."""
    from scipy.sparse import csr_matrix

    if kind == "current":
        return Stimulus.current(np.zeros((batch, channels)), steps=steps)
    if kind == "current_trace":
        return Stimulus.current_trace(np.zeros((steps, batch, channels)))
    return Stimulus.spikes(csr_matrix((steps * batch, channels), dtype=np.float32), steps=steps)


def _with_setting(name: str, value: float) -> Network:
    return Network.feed_forward((1, 1), settings={name: value})


def _configure_trims(harness: Harness, name: str, n: int, values: list[float]) -> None:
    trims = {name: [np.asarray(values, np.float32)]}
    harness.device.configure(Network.feed_forward((1, n), trims=trims))


def _describe_layers(layers: tuple[int, ...]) -> str:
    return "-".join(map(str, layers)) if len(layers) < 6 else f"1 ({len(layers) - 1} of neurons)"


DEEPEST = 3
# How far medians over neurons may lie apart between two places on one chip.
MEDIANS, SLACK = 1.5, 0.15
# The same weights at another full scale give counts this far apart at most.
COUNTS, FEW_SPIKES = 1.8, 4


def a_layer_shows_the_same_hidden_or_output(harness: Harness) -> None:
    """What a probe shows of a layer does not depend on how many layers follow."""
    if harness.info.neuron.spikes_per_step > 1:
        raise NotApplicable("an output may fire less often in a step than a hidden neuron")
    deepest = min(DEEPEST, harness.info.capacity.layers)
    usual: dict[tuple[int, Quantity, float], list[float]] = {}
    for depth in range(1, deepest + 1):  # each network once: to map it may take long
        for layer, quantity in product(range(max(1, depth - 1), depth + 1), get_args(Quantity)):
            reduce = _shared_reduction(harness, quantity, layer)
            offer = harness.info.offer(quantity, layer, depth)
            if reduce is None or offer is None or layer == deepest:
                continue
            for share in {1.0, min(1.0, 1.5 * (harness.share or 1.0))}:
                found = _measure_median(harness, offer, layer, depth, reduce, share)
                usual.setdefault((layer, quantity, share), []).append(found)
    for (layer, quantity, _), (output, hidden) in usual.items():
        if abs(output - hidden) > SLACK + (1 - 1 / MEDIANS) * max(abs(output), abs(hidden)):
            reduce = _shared_reduction(harness, quantity, layer)
            raise Failed(
                f"the {quantity} of layer {layer} reduced by {reduce!r} is {output:.3g} as "
                f"output and {hidden:.3g} as hidden layer: look at how _run answers probes of "
                "hidden layers"
            )
    skip_if(not usual, "no layer is shown both as output and as hidden layer")


def _shared_reduction(harness: Harness, quantity: Quantity, layer: int) -> Reduction | None:
    """A reduction over time that is offered of a layer as output and as hidden one."""
    output, hidden = (harness.info.offer(quantity, layer, d) for d in (layer, layer + 1))
    if output is None or hidden is None:
        return None
    shared = [r for r in output.reductions if r in hidden.reductions]
    return next((r for r in shared if r != "last"), None)


def _measure_median(
    harness: Harness, offer: ProbeOffer, layer: int, depth: int, reduce: Reduction, share: float
) -> float:
    """The usual value of a layer in a network of a depth, driven by a share of the full scale."""
    harness.clear(depth)
    for projection in range(depth):
        harness.write(
            (share if projection == layer - 1 else 1.0) * np.eye(harness.neurons), projection
        )
    probe = harness.probe(offer, layer, reduce)
    values = harness.run(harness.everything(), [probe]).samples[probe].astype(np.float32)
    if offer.quantity == "membrane":
        values = harness.info.neuron.membrane.in_thresholds(values)
    return float(np.median(values.mean(axis=tuple(range(values.ndim - 1)))))


def each_projection_has_its_own_full_scale(harness: Harness) -> None:
    """The same weights act alike whatever the full scale of their projection, and of others."""
    checked = False
    for depth in sorted({1, min(DEEPEST, harness.info.capacity.layers)}):
        plain = harness.network(depth)
        # What the same weights do in the usual network comes first: it is mapped once.
        lows = [max(harness.info.weight_format(p).minimum_full_scale, 0.75) for p in range(depth)]
        fitting = [p for p in range(depth) if plain.full_scale[p] >= 2 * lows[p]]
        usual = _count_at(harness, plain, [(p, lows[p]) for p in fitting])
        for projection, one in zip(fitting, usual, strict=True):
            scales = [*plain.full_scale]
            scales[projection] = lows[projection]
            network = Network.feed_forward(plain.layers, tuple(scales))
            (two,) = _count_at(harness, network, [(projection, lows[projection])])
            if one is None or two is None:
                continue
            (first, stored), (second, other) = one, two
            if abs(stored / other - 1) > 0.15:
                continue
            if max(first, second) > COUNTS * min(first, second) + FEW_SPIKES * harness.neurons:
                raise Failed(
                    f"the same weights in projection {projection} of {depth} gave {first} spikes "
                    f"at a full scale of {plain.full_scale[projection]:g} and {second} at "
                    f"{lows[projection]:g}: look at which full scale and threshold _write and "
                    "_configure take for which layer"
                )
            checked = True
    skip_if(not checked, "no two full scales hold the same weights, or nothing fires")


def _count_at(
    harness: Harness, network: Network, asked: Sequence[tuple[int, float]]
) -> list[tuple[int, float] | None]:
    """Output spikes, and the weight stored, for each weight in one projection of a network."""
    device = harness.device
    try:
        device.configure(network)
    except CapacityError:
        return [None] * len(asked)
    found: list[tuple[int, float] | None] = []
    for projection, weight in asked:
        stored = 0.0
        for p, shape in enumerate(pairwise(network.layers)):
            one = weight if p == projection else network.full_scale[p]
            rows = np.eye(harness.neurons, dtype=np.float32) * np.float32(one)
            kept = device.write_weights(p, np.repeat(rows, shape[0] // harness.neurons, axis=0))
            if p == projection and (kept > 0).any():
                stored = float(np.median(kept[kept > 0]))
        counts = harness.count_spikes()
        found.append((counts, stored) if stored else None)
    return found


def settings_act(harness: Harness) -> None:
    """Each setting changes something from one end of its range to the other."""
    spans = [s for s in harness.info.neuron.settings if s.maximum > s.minimum]
    skip_if(not spans, "the device has no settings")
    skip_if(harness.share is None, "no weight was found at which neurons fire now and then")
    for setting in spans:
        if not any(
            _runs_differ(
                harness,
                depth,
                {"settings": {setting.name: setting.minimum}},
                {"settings": {setting.name: setting.maximum}},
            )
            for depth in (1, 2)
            if depth <= harness.info.capacity.layers
        ):
            raise Failed(
                f"setting {setting.name} gives the same runs at {setting.minimum:g} and at "
                f"{setting.maximum:g}: look at what _configure does with network.settings"
            )


def trims_act_in_their_layer(harness: Harness) -> None:
    """A setting chosen for the neurons of one layer acts in that layer."""
    trimmed = [s for s in harness.info.neuron.settings if s.per_neuron and s.maximum > s.minimum]
    skip_if(not trimmed, "the device has no settings for each neuron")
    skip_if(harness.share is None, "no weight was found at which neurons fire now and then")
    n = harness.neurons
    for setting in trimmed:
        for depth in range(1, min(DEEPEST, harness.info.capacity.layers) + 1):
            if not harness.reaches(depth):
                continue  # a spike may be too weak to make a neuron of the next layer fire
            for layer in range(depth):
                ends: list[dict[str, object]] = []
                for value in (setting.minimum, setting.maximum):
                    values = [np.full(n, setting.default, np.float32) for _ in range(depth)]
                    values[layer][:] = value
                    ends.append({"trims": {setting.name: values}})
                if not _runs_differ(harness, depth, *ends):
                    raise Failed(
                        f"{setting.name} of the neurons of layer {layer + 1} of {depth} changes "
                        "nothing: look at what _configure does with network.trims of each layer"
                    )


def _runs_differ(harness: Harness, depth: int, *ends: dict[str, object]) -> bool:
    """Tell whether two networks that differ in what they ask for run differently."""
    found = []
    plain = harness.network(depth)
    probes = [
        harness.probe(offer, layer, offer.reductions[0])
        for layer in range(1, depth + 1)
        for quantity in get_args(Quantity)
        if (offer := harness.info.offer(quantity, layer, depth)) is not None
    ]
    for end in ends:
        device = harness.device
        device.configure(Network.feed_forward(plain.layers, plain.full_scale, **end))  # type: ignore[arg-type]
        answers = []
        share = harness.share or 1.0
        for first, later in ((1.0, 1.0), (share, 1.0), (1.0, 0.4), (share / 4, 1.0)):
            harness.write(first * np.eye(harness.neurons))
            for p in range(1, depth):
                harness.write(later * np.eye(harness.neurons), p)
            readout = harness.run(harness.everything(), probes)
            answers += [readout.counts, *(readout.samples[probe] for probe in probes)]
        found.append(answers)
    return any(not np.array_equal(a, b) for a, b in zip(*found, strict=True))
