"""Sparse networks in training: what is kept of them, what ties do, and that they resume."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
from hil.config import Config, build
from hil.loop import training
from hil.loop.controller import Controller
from hil.runs.folder import Run
from hil.tasks.samples import SampleSpec

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
            controller.step(x, rng.integers(0, 10, 20), index, 3)
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
