"""What a network may be, and what a device that lacks something says to one that needs it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import (
    CapacityError,
    Device,
    DeviceInfo,
    Network,
    Population,
    Projection,
    Setting,
    SettingError,
    Stimulus,
    Synapses,
)
from drivers.contract.requests import complete_network
from drivers.errors import WeightError
from support.good_device import INFO
from support.matrix_device import MatrixDevice
from support.restated import restated

THREE = (Population(3), Population(4), Population(2))
CHAIN = tuple(Projection(p, p + 1) for p in range(3))
ABLE = restated(INFO, recurrence=True, skips=True, delay=5, synapse_delays=True)


def graph(*projections: Projection) -> Network:
    return Network(5, THREE, projections)


def refused(network: Network, info: DeviceInfo, error: type[Exception], *words: str) -> None:
    with pytest.raises(error) as caught:
        complete_network(network, info)
    told = str(caught.value)
    assert "\n" not in told
    assert all(word in told for word in words), told


@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_the_short_form_is_a_chain(sizes: list[int]) -> None:
    network = Network.feed_forward(sizes)
    assert network.layers == tuple(sizes)
    assert network.depth == len(network.projections) == len(sizes) - 1
    assert network.shapes == list(pairwise(sizes))
    assert network.is_chain
    filled = complete_network(network, INFO)
    assert filled.full_scale == (1.0,) * network.depth
    assert filled.settings == {"threshold": INFO.neuron.membrane.threshold}
    assert complete_network(filled, INFO) == filled


LACKS: list[tuple[str, Network, dict[str, Any], tuple[str, ...]]] = [
    ("own", graph(*CHAIN, Projection(1, 1)), {"recurrence": False}, ("3, from 1 to 1", "no recur")),
    ("back", graph(*CHAIN, Projection(3, 2)), {"recurrence": False}, ("from 3 to 2", "no recur")),
    ("skip", graph(*CHAIN, Projection(0, 2)), {"skips": False}, ("from 0 to 2", "skip layers")),
    ("late", graph(*CHAIN[:2], Projection(2, 3, delay=3)), {"delay": 2}, ("3 steps of del", "2")),
    (
        "each late",
        graph(*CHAIN[:2], Projection(2, 3, delay=np.ones((4, 2), np.int64))),
        {"synapse_delays": False},
        ("from 2 to 3", "each synapse", "one for all"),
    ),
    ("wide", graph(*CHAIN), {"fan_in": 4}, ("5 synapses that reach a neuron of layer 1", "4")),
    ("sum", graph(*CHAIN, Projection(0, 2)), {"fan_in": 7}, ("8 synapses", "layer 2")),
    ("many", graph(*CHAIN), {"synapses": 34}, ("35 synapses in all", "34")),
]


@pytest.mark.parametrize(("network", "lacks", "words"), [c[1:] for c in LACKS], ids=lambda c: "")
def test_what_a_device_has_not_is_refused_by_name(
    network: Network, lacks: dict[str, Any], words: tuple[str, ...]
) -> None:
    assert complete_network(network, ABLE).full_scale == (1.0,) * len(network.projections)
    refused(network, restated(ABLE, **lacks), CapacityError, *words)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (graph(*CHAIN, Projection(0, 4)), ("from 0 to 4", "target of 1 to 3")),
        (graph(*CHAIN, Projection(-1, 1)), ("from -1 to 1",)),
        (graph(*CHAIN, Projection(0, 0)), ("from 0 to 0",)),
        (graph(*CHAIN, Projection(0, 1)), ("3, from 0 to 1", "second time")),
        (graph(*CHAIN[:2]), ("population 3", "no projection")),
        (graph(*CHAIN[:2], Projection(2, 3, delay=-1)), ("no whole number",)),
        (graph(*CHAIN[:2], Projection(2, 3, delay=np.full((4, 2), 0.5))), ("no whole number",)),
        (graph(*CHAIN[:2], Projection(2, 3, delay=np.ones((2, 4), int))), ("give (4, 2)",)),
        (graph(*CHAIN[:2], Projection(2, 3, full_scale=float("nan"))), ("full scale nan",)),
    ],
)
def test_what_is_no_network_is_refused_everywhere(network: Network, words: tuple[str, ...]) -> None:
    refused(network, ABLE, CapacityError, *words)


def test_a_chain_out_of_order_is_refused_where_order_is_all_there_is() -> None:
    turned = graph(CHAIN[1], CHAIN[0], CHAIN[2])
    assert complete_network(turned, ABLE).shapes == [(3, 4), (5, 3), (4, 2)]
    refused(turned, INFO, CapacityError, "out of order")


def offering(**changes: bool) -> DeviceInfo:
    (threshold,) = INFO.neuron.settings
    return restated(INFO, settings=(replace(threshold, **{"per_neuron": False, **changes}),))


def test_populations_differ_in_settings_only_where_that_is_offered() -> None:
    low, high = {"threshold": -55.0}, {"threshold": -45.0}
    network = Network(5, (Population(3, low), Population(2, high)), CHAIN[:2])
    refused(network, offering(), SettingError, "threshold", "one value for all")
    apart = complete_network(network, offering(per_population=True))
    assert [population.settings for population in apart.populations] == [low, high]
    assert apart.trims == {}
    # A device that trims each neuron is given a trim of each.
    trimmed = complete_network(network, offering(per_neuron=True))
    assert [values.tolist() for values in trimmed.trims["threshold"]] == [[-55.0] * 3, [-45.0] * 2]
    for filled in (apart, trimmed):
        assert [v.tolist() for v in filled.values("threshold")] == [[-55.0] * 3, [-45.0] * 2]


def test_a_trim_of_one_population_is_one_of_all() -> None:
    trims = {"threshold": np.array([-50.0, -48.0], np.float32)}
    network = Network(5, (Population(3), Population(2, {}, trims)), CHAIN[:2])
    filled = complete_network(network, INFO)
    assert [v.tolist() for v in filled.trims["threshold"]] == [[-50.0] * 3, [-50.0, -48.0]]
    wrong = Network(5, (Population(3), Population(3, {}, trims)), CHAIN[:2])
    refused(wrong, INFO, SettingError, "shape (2,) in layer 2", "(3,)")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (((),), CapacityError, "at least one layer"),
        (((4, 6, 3), (1.0,)), CapacityError, "1 full scales for 2"),
        (((4, 6, 3), (), {}, {"threshold": [np.ones(6)]}), SettingError, "1 arrays: .* 2 layers"),
    ],
)
def test_a_short_form_that_does_not_fit_is_refused(
    arguments: tuple[Any, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Network.feed_forward(*arguments)


def test_a_setting_is_named_by_who_offers_it() -> None:
    unknown = Network(5, (Population(3, {"leak": 1.0}),), CHAIN[:1])
    refused(unknown, INFO, SettingError, "'leak' is unknown", "threshold")
    leak = Setting("leak", "", 0.0, 1.0, 0.5, "What leaks.")
    assert complete_network(unknown, restated(INFO, settings=(leak,))).settings == {"leak": 1.0}


@pytest.mark.parametrize("end", ["minimum", "maximum"])
@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_a_trim_may_be_what_float32_makes_of_an_end_of_its_range(end: str, scale: float) -> None:
    low, high = sorted((0.1 * scale, 0.7 * scale))
    setting = Setting("level", "V", low, high, low, "Level.", per_neuron=True)
    info = restated(INFO, settings=(setting,))
    value = np.float32(getattr(setting, end))
    beyond = value + np.float32(0.01 if end == "maximum" else -0.01)
    trimmed = [Population(1, {}, {"level": np.array([v])}) for v in (value, beyond)]
    assert complete_network(Network(5, (trimmed[0],), CHAIN[:1]), info).values("level")[0] == value
    refused(Network(5, (trimmed[1],), CHAIN[:1]), info, SettingError, "level", "of a neuron")


SPARSE = restated(INFO, sparse=True, delay=5, synapse_delays=True)


def sparse(pre: Sequence[int], post: Sequence[int], **more: Any) -> Network:
    """Four inputs onto three neurons."""
    own = Synapses(np.array(pre), np.array(post))
    return Network(4, (Population(3),), (Projection(0, 1, synapses=own, **more),))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (sparse([0, 4], [0, 0]), ("pre", "0 to 3")),
        (sparse([0, 1], [0, 3]), ("post", "0 to 2")),
        (sparse([0, 1], [0, -1]), ("post", "0 to 2")),
        (sparse([0, 1], [0.0, 1.0]), ("post", "whole")),
        (sparse([0, 1], [0]), ("post", "(1,)")),
        (sparse([], []), ("pre", "some")),
        (sparse([1, 0], [0, 0]), ("number 1", "sort")),
        (sparse([0, 0], [1, 0]), ("number 1", "sort")),
        (sparse([0, 0], [1, 1]), ("twice",)),
        (sparse([0, 0], [1, 1], delay=np.array([2, 2])), ("twice",)),
        (sparse([0, 0], [1, 1], delay=np.array([2, 1])), ("sort",)),
        (sparse([0, 1], [1, 1], delay=np.array([1, 2, 3])), ("(3,)", "(2,)")),
        (sparse([0, 1], [1, 1], delay=np.array([1, 6])), ("delay", "5")),
    ],
)
def test_places_that_cannot_be_are_refused(network: Network, words: tuple[str, ...]) -> None:
    with pytest.raises(CapacityError) as caught:
        complete_network(network, SPARSE)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_pair_may_have_synapses_of_different_delays_where_there_are_sparse_ones() -> None:
    twice = sparse([0, 0], [1, 1], delay=np.array([1, 2]))
    assert complete_network(twice, SPARSE).shapes == [(2,)]
    with pytest.raises(CapacityError, match="one between each two"):
        complete_network(twice, SPARSE).as_dense()


def test_limits_count_the_synapses_that_a_device_would_have() -> None:
    network = sparse([0, 1, 2, 3], [0, 0, 1, 2])
    for has, fan_in, synapses in ((True, 2, 4), (False, 4, 12)):
        room = restated(INFO, sparse=has, fan_in=fan_in, synapses=synapses)
        complete_network(network, room)
        for less in ({"fan_in": fan_in - 1}, {"synapses": synapses - 1}):
            with pytest.raises(CapacityError):
                complete_network(network, restated(room, **less))


def test_a_dense_device_holds_a_sparse_projection_with_nothing_in_between(tmp_path: Path) -> None:
    """Also where it is recorded, and the recording replayed."""
    rng = np.random.default_rng(1)
    pre, post = np.nonzero(rng.random((4, 3)) < 0.5)
    network = sparse(pre.tolist(), post.tolist())
    weights = rng.uniform(0.2, 1.0, pre.size).astype(np.float32)
    stimulus = Stimulus.current(rng.uniform(0, 1, (5, 4)).astype(np.float32), steps=20)
    dense, given = MatrixDevice({}), MatrixDevice({})
    dense.configure(Network.feed_forward((4, 3)))
    matrix = np.zeros((4, 3), np.float32)
    matrix[pre, post] = weights
    expected = dense.write_weights(0, matrix)[pre, post], dense.run(stimulus, trial=0).counts
    for name in ("plain", "recorded"):
        device: Device = given
        if name == "recorded":
            device = drivers.open("emulator:ideal", record=tmp_path / "session")
        device.configure(network)
        assert device.network.shapes == [(pre.size,)]
        stored = device.write_weights(0, weights)
        counts = device.run(stimulus, trial=0).counts
        if name == "plain":
            np.testing.assert_array_equal(stored, expected[0])
            np.testing.assert_array_equal(counts, expected[1])
        with pytest.raises(WeightError, match=r"\(12,\)|\(4, 3\)"):
            device.write_weights(0, matrix)
        if name == "recorded":
            device.close()
            with drivers.open(f"replay:{tmp_path / 'session'}") as again:
                again.configure(network)
                np.testing.assert_array_equal(again.write_weights(0, weights), stored)
                np.testing.assert_array_equal(again.run(stimulus, trial=0).counts, counts)


def test_places_are_shared_and_never_changed() -> None:
    network = complete_network(sparse([0, 1], [1, 1]), SPARSE)
    own = network.projections[0].synapses
    assert own is not None and deepcopy(network).projections[0].synapses is own
    assert not own.pre.flags.writeable and own.pre.dtype == np.int32
