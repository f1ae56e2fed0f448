"""How a network is laid on a device: initial weights, full scales, and what is nominal."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import Network, Probe, Projection, Stimulus
from drivers.contract import requests
from hil import config as configuration
from hil.config import Config, build
from hil.learning.rate_estimators import RateEstimate
from hil.loop import mapping, training
from hil.loop.controller import Controller
from hil.loop.observation.estimation import drive_of_layer
from hil.runs.folder import Run
from hil.tasks.samples import SampleSpec
from support.good_device import INFO
from support.restated import restated


@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_initial_weights_have_the_root_of_the_fan_in(scale: float) -> None:
    layers = (30, 2000, 40, 300)
    config = configuration.build({"network": {"initial_scale": scale}})
    weights = mapping.initial_weights(config, Network.feed_forward(layers), INFO)
    assert [w.shape for w in weights] == [(30, 2000), (2000, 40), (40, 300)]
    for matrix, fan_in in zip(weights, layers, strict=False):
        assert matrix.std() * math.sqrt(fan_in) == pytest.approx(scale, rel=0.03)
        assert abs(matrix.mean()) < 5 * matrix.std() / math.sqrt(matrix.size)


@given(
    hidden=st.lists(st.integers(1, 300), min_size=1, max_size=3),
    fan_in=st.none() | st.integers(40, 400),
    synapses=st.none() | st.integers(300, 90_000),
    recurrent=st.booleans(),
)
def test_layers_are_made_smaller_until_their_synapses_fit(
    hidden: list[int], fan_in: int | None, synapses: int | None, recurrent: bool
) -> None:
    room = restated(INFO, fan_in=fan_in, synapses=synapses, recurrence=True, neurons=400)
    room = restated(room, layers=4, weights=(drivers.WeightFormat(0.01, 100.0),))
    asked = {"network": {"recurrent": recurrent, "hidden": hidden}}

    def refused(sizes: list[int]) -> str | None:
        config = configuration.build(asked, {"network": {"hidden": sizes}})
        try:
            requests.complete_network(mapping.network(config, room, (30, *sizes, 10)), room)
        except drivers.CapacityError as error:
            return str(error)
        return None

    found = mapping.shrink_to_synapses([30, *hidden, 10], room.capacity, recurrent)
    assert (found == hidden) == (refused(hidden) is None) or max(hidden) == 1
    if found != [1] * len(hidden):
        assert refused(found) is None
    if len(hidden) == 1 and found != hidden:
        assert refused([found[0] + 1]) is not None


@pytest.mark.parametrize("tau", [2e-3, 5e-3, 20e-3])
def test_the_nominal_decay_is_what_an_ideal_neuron_keeps(tau: float) -> None:
    with drivers.open("emulator:ideal") as device:
        device.configure(Network.feed_forward((1, 1), settings={"tau_membrane": tau}))
        device.write_weights(0, [[0.5]])
        once = np.zeros((6, 1, 1), np.float32)
        once[0] = 1
        probe = Probe(1)
        seen = device.run(Stimulus.current_trace(once), [probe]).samples[probe].ravel()
        assert seen[1:] / seen[:-1] == pytest.approx(mapping.nominal_decay(device), rel=1e-4)


def test_weights_that_are_learned_stay_within_the_full_scale(tmp_path: Path) -> None:
    steep = {"name": "sgd", "learning_rate": 1e3, "weight_decay": 0.0, "schedule": "constant"}
    small = {"network": {"hidden": [5], "steps": 4}, "training": {"epochs": 1, "batch": 300}}
    config = configuration.build({"device": "emulator:ideal", "optimiser": steep, **small})
    run = Run.create(tmp_path / "run", config)
    training.train(run)
    arrays = run.load_checkpoint()
    assert arrays is not None
    with drivers.open("emulator:ideal") as device:
        scales = mapping.network(config, device.info, (64, 5, 10)).full_scale
    for p, scale in enumerate(scales):
        assert np.abs(arrays[f"weights/{p}"]).max() == pytest.approx(scale, rel=1e-6)


def test_each_projection_may_have_a_full_scale_of_its_own() -> None:
    def scales(*asked: float) -> tuple[float, ...]:
        config = configuration.build({"network": {"hidden": [25], "full_scale": asked}})
        with drivers.open("emulator:ideal") as device:
            return mapping.network(config, device.info, (64, 25, 10)).full_scale

    assert scales(8.0, 2.0) == (1.0, 0.4)
    with pytest.raises(ValueError, match=r"full_scale: 3 numbers"):
        scales(8.0, 2.0, 1.0)


@pytest.mark.parametrize("arrival", ["same_step", "end_of_step", "next_step"])
def test_rates_and_rasters_bring_the_same_charge_to_the_next_layer(arrival: str) -> None:
    """A neuron that fires in every step: what it sends in the last one may come too late."""
    steps, info = 5, restated(INFO, layer=arrival)
    weights = np.random.default_rng(0).standard_normal((3, 4), np.float32)
    rate = np.ones((2, 3), np.float32)
    raster = np.ones((steps, 2, 3), np.float32)
    by_rate = drive_of_layer(RateEstimate(rate, rate, 0 * rate), weights, info, steps)
    by_raster = drive_of_layer(RateEstimate(rate, rate, 0 * rate, raster), weights, info, steps)
    arriving = steps - (arrival == "next_step")
    np.testing.assert_allclose(by_rate.mean, arriving / steps * (rate @ weights), rtol=1e-5)
    np.testing.assert_allclose(by_raster.mean, by_rate.mean, rtol=1e-5)


@pytest.mark.parametrize("arrival", ["same_step", "end_of_step", "next_step"])
def test_what_comes_back_shows_a_step_later_at_the_earliest(arrival: str) -> None:
    chain = Network.feed_forward((2, 3, 1))
    looped = replace(chain, projections=(*chain.projections, Projection(1, 1)))
    device: Any = SimpleNamespace(info=restated(INFO, layer=arrival), network=looped)
    lags = [route.lag for route in mapping.routes(device, "current")]
    assert lags == [0, int(arrival != "same_step"), 1]


LAYERS = (64, 20, 10)


def settings(device: str = "emulator:mixed-signal", **network: Any) -> Config:
    return build(
        {
            "task": "digits",
            "device": device,
            "network": {"hidden": [20], "steps": 8, **network},
            "training": {"epochs": 2},
        }
    )


class Stopped(Exception):
    """The training is stopped."""


def test_a_sparse_run_that_is_stopped_and_resumed_ends_the_same(tmp_path: Path) -> None:
    config = settings(density=0.3, recurrent=True, delays=2)
    whole, halved = (Run.create(tmp_path / name, config) for name in ("a", "b"))
    training.train(whole)

    def stop(progress: Any) -> None:
        if halved.metrics():
            raise Stopped

    with pytest.raises(Stopped):
        training.train(halved, stop)
    training.train(halved)
    one, other = whole.require_checkpoint(), halved.require_checkpoint()
    for p, (a, b) in enumerate([*pairwise(LAYERS), (20, 20)]):
        size = (round(0.3 * a * b),)
        assert one[f"synapses/{p}"].shape == (2, *size)
        assert one[f"weights/{p}"].shape == one[f"stored/{p}"].shape == size
        for name in ("weights", "stored", "synapses"):
            np.testing.assert_array_equal(one[f"{name}/{p}"], other[f"{name}/{p}"])
    assert one["delays/0"].shape == one["weights/0"].shape


def test_ties_keep_shadow_weights_alike_whatever_each_cell_stores() -> None:
    rng = np.random.default_rng(0)
    initial: dict[str, Any] = {}
    for p, ends in enumerate(pairwise(LAYERS)):
        pre, post = np.nonzero(rng.random(ends) < 0.3)
        initial[f"synapses/{p}"] = np.stack([pre, post]).astype(np.int32)
        initial[f"cells/{p}"] = ((pre + post) % 7).astype(np.int32)
        initial[f"weights/{p}"] = rng.normal(0, 0.3, 7).astype(np.float32)[(pre + post) % 7]
    with drivers.open("emulator:ideal?programming_noise=0.1") as device:
        controller = Controller.open(
            settings("emulator:ideal"), device, SampleSpec(64, 10), initial
        )
        controller.load_weights(initial)
        controller.write()
        before = [w.copy() for w in controller.weights]
        for index in range(3):
            x = rng.random((20, 64)).astype(np.float32)
            controller.step(x, rng.integers(0, 10, 20), index, index / 3)
        for p, (first, now) in enumerate(zip(before, controller.weights, strict=True)):
            ties = initial[f"cells/{p}"]
            assert not np.array_equal(first, now)
            for weights in (first, now):
                assert len(np.unique(weights)) == len(np.unique(ties)) == 7
        assert any(
            np.array_equal(v, initial[n]) for n, v in controller.state().items() if n in initial
        )


def test_initial_weights_go_by_the_synapses_that_there_are() -> None:
    config = settings("emulator:ideal", density=0.1, initial_response="as_drawn")
    with drivers.open("emulator:ideal") as device:
        controller = Controller.open(config, device, SampleSpec(64, 10))
        own = device.network.projections[0].synapses
        assert own is not None
        scaled = controller.weights[0] * np.sqrt(np.bincount(own.post))[own.post]
        assert 0.7 < scaled.std() < 1.3
