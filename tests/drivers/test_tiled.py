"""A network over many devices answers as it does on one that is large enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
import hil
from drivers import (
    CapacityError,
    LinkError,
    Network,
    Population,
    Probe,
    ProbeOffer,
    Projection,
    SettingError,
    Stimulus,
    Synapses,
    WeightFormat,
)
from drivers.conformance import CHECKS, Harness, run_check
from drivers.registry import BUILTIN
from support.good_device import Member

KINDS = ("current", "current_trace", "spikes")
# Sixteenths and a dyadic step, so that the order in which charges are added does not matter.
EXACT = (WeightFormat(1.0, 1.0, levels=33),)


class Small(Member):
    """Eight neurons in one layer, of twelve inputs."""

    facts: ClassVar = {
        "layers": 1, "inputs": 12, "neurons": 8, "synapses": 96, "weights": EXACT
    }  # fmt: skip

    def weights(self) -> list[Any]:
        return [cells.astype(np.float64) for cells in self._cells]


class Large(Small):
    """A chip that has room for all of it."""

    facts: ClassVar = {"inputs": 48, "neurons": 48, "synapses": None, "weights": EXACT}


class Mute(Small):
    """Shows how often its neurons fired, and not when."""

    facts: ClassVar = {**Small.facts, "probes": (ProbeOffer("spikes", reductions=("mean",)),)}


class Dull(Small):
    """Takes currents alone."""

    facts: ClassVar = {**Small.facts, "stimuli": ("current",)}


class Coarse(Small):
    """Stores fewer levels."""

    facts: ClassVar = {**Small.facts, "weights": (WeightFormat(1.0, 1.0, levels=15),)}


@pytest.fixture(autouse=True)
def _schemes() -> Any:
    own = {kind.__name__.lower(): kind for kind in (Small, Large, Mute, Dull, Coarse)}
    BUILTIN.update({name: f"{__name__}:{kind.__name__}" for name, kind in own.items()})
    BUILTIN["wired"] = "support.wired_device:Wired"
    yield
    for name in (*own, "wired"):
        del BUILTIN[name]


def stimulus(kind: Any, channels: int, lengths: Any = None, seed: int = 1) -> Stimulus:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 12, (9, 5, channels)) / 16
    return Stimulus.of(kind, np.rint(values) if kind == "spikes" else values, lengths=lengths)


def answers(address: str, network: Network, runs: list[Stimulus], probes: list[Probe]) -> Any:
    """What is stored, and everything that runs give, the later ones carrying on."""
    with drivers.open(address) as device:
        device.configure(network)
        rng = np.random.default_rng(0)
        found = [
            device.write_weights(p, rng.normal(0.2, 0.4, shape))
            for p, shape in enumerate(network.shapes)
        ]
        for number, each in enumerate(runs):
            answer = device.run(each, probes, trial=3, carry=number > 0)
            found += [answer.counts, *(answer.samples[probe] for probe in probes)]
    return found


def are_same(one: Any, other: Any) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def everything(layers: tuple[int, ...]) -> list[Probe]:
    some = [Probe(layer, "membrane", (size - 1, 0), 2) for layer, size in enumerate(layers, 1)]
    whole = [Probe(layer, "spikes") for layer in range(1, len(layers) + 1)]
    return [*some, *whole, Probe(1, "membrane", reduce="mean"), Probe(len(layers), reduce="last")]


@given(
    layers=st.lists(st.integers(2, 12), min_size=1, max_size=3).map(tuple),
    kind=st.sampled_from(KINDS),
    spare=st.integers(0, 3),
    uneven=st.booleans(),
)
def test_small_chips_give_what_a_large_one_gives(
    layers: tuple[int, ...], kind: str, spare: int, uneven: bool
) -> None:
    lengths = np.random.default_rng(2).integers(3, 10, 5) if uneven else None
    network = Network.feed_forward((10, *layers), (1.0,) * len(layers))
    runs = [stimulus(kind, 10, lengths, seed) for seed in (1, 2)]
    needed = sum(-(-size // 8) for size in layers)
    found = answers(f"tiled:small:?chip=1..{needed + spare}", network, runs, everything(layers))
    are_same(found, answers("large:", network, runs, everything(layers)))


@pytest.mark.parametrize("kind", KINDS)
def test_emulated_ideal_chips_give_the_bits_of_one(kind: str) -> None:
    layers = (64, 31, 7)
    network = Network.feed_forward((50, *layers), (1.0,) * 3)
    runs = [stimulus(kind, 50, seed=seed) for seed in (1, 2)]
    found = answers("tiled:emulator:ideal?chip=1..4", network, runs, everything(layers))
    are_same(found, answers("emulator:ideal", network, runs, everything(layers)))
    assert found[3].any()


def test_each_tile_has_the_delays_of_its_synapses() -> None:
    own = np.random.default_rng(5).integers(0, 6, (6, 7))
    network = Network(
        5, (Population(6), Population(7)), (Projection(0, 1, delay=2), Projection(1, 2, delay=own))
    )
    runs = [stimulus("spikes", 5, seed=seed) for seed in (1, 2)]
    found = answers("tiled:wired:,wired:,wired:", network, runs, everything((6, 7)))
    are_same(found, answers("wired:", network, runs, everything((6, 7))))


def test_a_tile_takes_the_channels_that_its_synapses_come_from() -> None:
    """A layer of small fields, as a convolution has, of more inputs than a device takes."""
    post, field = (values.ravel() for values in np.indices((24, 4)))
    order = np.lexsort((post, pre := 2 * (post // 2) + field))
    places = Synapses(pre[order].astype(np.int32), post[order].astype(np.int32))
    back = Projection(1, 2, 1.0, synapses=Synapses(*np.indices((24, 3), np.int32).reshape(2, -1)))
    network = Network(
        26, (Population(24), Population(3)), (Projection(0, 1, 1.0, synapses=places), back)
    )
    with pytest.raises(CapacityError, match="24 synapses that reach"):
        answers("tiled:small:?chip=1..9", network, [], [])
    network = replace(
        network, populations=network.populations[:1], projections=(network.projections[0],)
    )
    runs = [stimulus(kind, 26) for kind in KINDS[1:]]
    found = answers("tiled:small:?chip=1..5", network, runs[:1], everything((24,)))
    are_same(found, answers("large:", network, runs[:1], everything((24,))))
    found = answers("tiled:small:?chip=1..5", network, runs[1:], everything((24,)))
    are_same(found, answers("large:", network, runs[1:], everything((24,))))


def test_trims_go_to_their_neurons() -> None:
    levels = [np.linspace(-60, -40, size) for size in (11, 3)]
    network = Network.feed_forward((6, 11, 3), (1.0, 1.0), trims={"threshold": levels})
    runs = [stimulus("current", 6)]
    found = answers("tiled:small:?chip=1..4", network, runs, everything((11, 3)))
    are_same(found, answers("large:", network, runs, everything((11, 3))))


def test_a_tile_that_fails_is_named() -> None:
    address = "tiled:small:?chip=1,small:?chip=2&fails=2,small:?chip=3"
    network, x = Network.feed_forward((6, 10, 3)), stimulus("current", 6)
    with drivers.open(address) as device:
        device.configure(network)
        device.run(x)
        named = r"^tile 2 \(layer 1, neurons 5 to 9\) at small:\?chip=2&fails=2: the cable"
        with pytest.raises(LinkError, match=named):
            device.run(x)
        device.run(x)
        with pytest.raises(CapacityError):  # the network before stays
            device.configure(Network.feed_forward((6, 10, 10)))
        assert device.run(x).counts.shape == (5, 3)


def test_a_state_is_that_of_all_tiles() -> None:
    network, x = Network.feed_forward((6, 10, 3)), stimulus("current", 6)
    with drivers.open("tiled:small:?chip=1..3") as device:
        device.configure(network)
        for p, shape in enumerate(network.shapes):
            device.write_weights(p, np.random.default_rng(p).normal(0.3, 0.4, shape))
        counts, state = device.run(x).counts, device.state()
    with drivers.open("tiled:small:?chip=1..3") as device:
        device.configure(network)
        device.restore(state)
        assert np.array_equal(device.run(x).counts, counts) and counts.any()


@pytest.mark.parametrize(
    ("layers", "what"),
    [
        ((6, 12, 12, 3), r"2 \+ 2 \+ 1 tiles, .*there are 3"),
        ((13, 8), "13 synapses that reach a neuron of layer 1"),
        ((6, 13, 3), "13 synapses that reach a neuron of layer 2"),
        ((6, 25), "25 neurons in a layer"),
        ((6, 2, 2, 2, 2), "4 neuron layers"),
    ],
)
def test_what_does_not_fit_is_refused(layers: tuple[int, ...], what: str) -> None:
    with drivers.open("tiled:small:?chip=1..3") as device, pytest.raises(CapacityError, match=what):
        device.configure(Network.feed_forward(layers))


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("small:,mute:", "^mute: does not show"),
        ("small:,dull:", "^dull: takes no spikes"),
        ("small:,coarse:", "^coarse: stores other weights"),
        ("may_fail=1,small:?chip=1..3", "may_fail"),
        ("small:,fleet:small:,small:", "within another"),
    ],
)
def test_devices_that_hold_no_tile_are_named(target: str, what: str) -> None:
    with pytest.raises(SettingError, match=what):
        drivers.open(f"tiled:{target}")


def test_a_training_over_ideal_chips_gives_the_weights_of_one(tmp_path: Any) -> None:
    found = [
        hil.train(
            "digits",
            device=device,
            network={"hidden": [40], "steps": 10},
            encoding={"name": "poisson"},
            training={"epochs": 1},
            out=tmp_path / str(number),
        )
        for number, device in enumerate(["emulator:ideal", "tiled:emulator:ideal?chip=1..4"])
    ]
    assert found[0].test_accuracy == found[1].test_accuracy > 0.2
    are_same(found[0].weights, found[1].weights)


@pytest.mark.parametrize("address", ["small:?chip=1..6", "wired:,wired:,wired:"])
def test_it_keeps_the_contract(address: str) -> None:
    with Harness(lambda: drivers.open(f"tiled:{address}")) as harness:
        found = [run_check(check, harness) for check in CHECKS]
    assert not [(each.check, each.detail) for each in found if each.verdict == "failed"]
