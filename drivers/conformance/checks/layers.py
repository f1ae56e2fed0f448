"""Is every layer and projection what info states, at every depth?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import get_args

import numpy as np

from drivers.conformance.kit.ending import Failed, NotApplicable
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check
from drivers.contract.info import ProbeOffer, Quantity, Reduction
from drivers.contract.network import Network
from drivers.errors import CapacityError

DEPTH = 3
# How far medians over neurons may lie apart between two places on one chip.
FACTOR, SLACK = 1.5, 0.15
# The same weights at another full scale give counts this far apart at most.
COUNTS, SPIKES = 1.8, 4


def a_layer_shows_the_same_hidden_or_output(harness: Harness) -> None:
    """What a probe shows of a layer does not depend on how many layers follow."""
    if harness.info.neuron.spikes_per_step > 1:
        raise NotApplicable("an output may fire less often in a step than a hidden neuron")
    deepest = min(DEPTH, harness.info.capacity.layers)
    usual: dict[tuple[int, Quantity, float], list[float]] = {}
    for depth in range(1, deepest + 1):  # each network once: to map it may take long
        for layer, quantity in product(range(max(1, depth - 1), depth + 1), get_args(Quantity)):
            reduce = _shared(harness, quantity, layer)
            offer = harness.info.offer(quantity, layer, depth)
            if reduce is None or offer is None or layer == deepest:
                continue
            for share in {1.0, min(1.0, 1.5 * (harness.share or 1.0))}:
                found = _usual(harness, offer, layer, depth, reduce, share)
                usual.setdefault((layer, quantity, share), []).append(found)
    for (layer, quantity, _), (output, hidden) in usual.items():
        if abs(output - hidden) > SLACK + (1 - 1 / FACTOR) * max(abs(output), abs(hidden)):
            raise Failed(
                f"the {quantity} of layer {layer} reduced by {_shared(harness, quantity, layer)!r} "
                f"is {output:.3g} as output and {hidden:.3g} as hidden layer: look at how _run "
                "answers probes of hidden layers"
            )
    if not usual:
        raise NotApplicable("no layer is shown both as output and as hidden layer")


def _shared(harness: Harness, quantity: Quantity, layer: int) -> Reduction | None:
    """A reduction over time that is offered of a layer as output and as hidden one."""
    output, hidden = (harness.info.offer(quantity, layer, d) for d in (layer, layer + 1))
    if output is None or hidden is None:
        return None
    shared = [r for r in output.reductions if r in hidden.reductions]
    return next((r for r in shared if r != "last"), None)


def _usual(
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
    for depth in sorted({1, min(DEPTH, harness.info.capacity.layers)}):
        plain = harness.network(depth)
        # What the same weights do in the usual network comes first: it is mapped once.
        lows = [max(harness.info.weight_format(p).minimum_full_scale, 0.75) for p in range(depth)]
        fitting = [p for p in range(depth) if plain.full_scale[p] >= 2 * lows[p]]
        usual = _counts_at(harness, plain, [(p, lows[p]) for p in fitting])
        for projection, one in zip(fitting, usual, strict=True):
            scales = [*plain.full_scale]
            scales[projection] = lows[projection]
            network = Network.feed_forward(plain.layers, tuple(scales))
            (two,) = _counts_at(harness, network, [(projection, lows[projection])])
            if one is None or two is None:
                continue
            (first, stored), (second, other) = one, two
            if abs(stored / other - 1) > 0.15:
                continue
            if max(first, second) > COUNTS * min(first, second) + SPIKES * harness.neurons:
                raise Failed(
                    f"the same weights in projection {projection} of {depth} gave {first} spikes "
                    f"at a full scale of {plain.full_scale[projection]:g} and {second} at "
                    f"{lows[projection]:g}: look at which full scale and threshold _write and "
                    "_configure take for which layer"
                )
            checked = True
    if not checked:
        raise NotApplicable("no two full scales hold the same weights, or nothing fires")


def _counts_at(
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
        counts = int(harness.run(harness.everything()).counts.sum())
        found.append((counts, stored) if stored else None)
    return found


def settings_act(harness: Harness) -> None:
    """Each setting changes something from one end of its range to the other."""
    spans = [s for s in harness.info.neuron.settings if s.maximum > s.minimum]
    if not spans:
        raise NotApplicable("the device has no settings")
    _need_firing(harness)
    for setting in spans:
        if not any(
            _differs(
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
    if not trimmed:
        raise NotApplicable("the device has no settings for each neuron")
    _need_firing(harness)
    n = harness.neurons
    for setting in trimmed:
        for depth in range(1, min(DEPTH, harness.info.capacity.layers) + 1):
            if not harness.reaches(depth):
                continue  # a spike may be too weak to make a neuron of the next layer fire
            for layer in range(depth):
                ends: list[dict[str, object]] = []
                for value in (setting.minimum, setting.maximum):
                    values = [np.full(n, setting.default, np.float32) for _ in range(depth)]
                    values[layer][:] = value
                    ends.append({"trims": {setting.name: values}})
                if not _differs(harness, depth, *ends):
                    raise Failed(
                        f"{setting.name} of the neurons of layer {layer + 1} of {depth} changes "
                        "nothing: look at what _configure does with network.trims of each layer"
                    )


def _need_firing(harness: Harness) -> None:
    if harness.share is None:
        raise NotApplicable("no weight was found at which neurons fire now and then")


def _differs(harness: Harness, depth: int, *ends: dict[str, object]) -> bool:
    """Whether two networks that differ in what they ask for run differently."""
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


CHECKS: tuple[Check, ...] = (
    a_layer_shows_the_same_hidden_or_output,
    each_projection_has_its_own_full_scale,
    settings_act,
    trims_act_in_their_layer,
)
