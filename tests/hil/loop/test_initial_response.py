"""Hidden layers that begin silent or saturated are brought into range; the others are left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
from drivers.registry import BUILTIN
from hil import config, tasks
from hil.loop import initialisation, training
from hil.loop.controller import Controller
from hil.loop.defaults import Choice
from hil.loop.train_state import TrainState
from hil.runs.folder import Run

DATA = tasks.load("digits", 0, 0.1)
HIDDEN = [40, 30]


@pytest.fixture(autouse=True)
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILTIN, "integer", "support.integer_chip:IntegerChip")


def made(scale: float, **sections: Any) -> config.Config:
    network = {"hidden": HIDDEN, "initial_scale": scale, **sections}
    return config.build(
        {
            "device": "integer:",
            "observe": "spikes",
            "network": network,
            "encoding": {"name": "regular"},
            "training": {"batch": 32, "epochs": 1},
        }
    )


def begun(controller: Controller, data: tasks.Data) -> list[Choice]:
    state = TrainState.first(controller.layers)
    return initialisation.adjust_initial_response(controller, data, state, drawn=True)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_each_layer_ends_in_its_working_range(scale: float) -> None:
    built = made(scale, full_scale=50.0)
    with drivers.open("integer:") as device:
        controller = Controller.open(built, device, DATA.spec)
        if scale > 1:  # half of the neurons would be silent for ever
            controller.weights = [np.abs(w) for w in controller.weights]
        drawn = [w.copy() for w in controller.weights]
        controller.write()
        x = DATA.batch(DATA.x_train[:32])
        choices = begun(controller, DATA)
        for layer in (1, 2):
            rate = initialisation.observe_batch(controller, x, layer, 99).hidden[layer - 1].mean()
            assert 0.5 * initialisation.LOWEST < rate < 1.2 * initialisation.HIGHEST
        named = {int(choice.setting[-1]) for choice in choices}
        assert named == {1, 2} if scale != 1.0 else True
        for projection, (was, now) in enumerate(zip(drawn, controller.weights, strict=True)):
            assert (projection + 1 in named) == (not np.array_equal(was, now))
            limit = np.float32(device.network.full_scale[projection])
            assert projection + 1 not in named or np.abs(now).max() <= limit
            assert np.array_equal(np.sign(was), np.sign(now))


def test_a_layer_that_nothing_wakes_keeps_its_weights() -> None:
    with drivers.open("integer:") as device:
        controller = Controller.open(made(0.0), device, DATA.spec)
        controller.write()
        assert begun(controller, DATA) == []
        assert not any(weights.any() for weights in controller.weights)


def test_a_run_keeps_what_was_chosen_and_can_do_without(tmp_path: Path) -> None:
    notes = []
    for name, setting in (("on", "measured"), ("off", "as_drawn")):
        built = made(0.01, initial_response=setting)
        run = Run.create(tmp_path / name, built)
        training.train(run, lambda now: notes.append(now.note))
    kept = {
        name: [
            choice
            for choice in json.loads((tmp_path / name / "environment.json").read_text())["chosen"]
            if choice["setting"].startswith("initial weights")
        ]
        for name in ("on", "off")
    }
    assert [c["setting"][-1] for c in kept["on"]] == ["1", "2"]
    assert kept["off"] == []
    assert [note for note in notes if note and note.startswith("initial weights")] == [
        f"{c['setting']} = {c['value']}: {c['reason']}" for c in kept["on"]
    ]


@pytest.mark.parametrize("task", ["digits", "yinyang"])
def test_our_own_chips_begin_inside_and_are_left_as_they_are(task: str) -> None:
    built = config.build({"task": task})
    data = tasks.load(task, 0, 0.1)
    with drivers.open(built.device_url) as device:
        controller = Controller.open(built, device, data.spec)
        controller.write()
        before = controller.state()
        assert begun(controller, data) == []
        after = controller.state()
    kept = [name for name in before if name.startswith(("weights/", "stored/"))]
    assert len(kept) == 4
    assert all(np.array_equal(before[name], after[name]) for name in kept)
