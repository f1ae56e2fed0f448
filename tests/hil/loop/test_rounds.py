"""A device that shows few neurons, or takes few samples, at a time is run several times."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import Network, Probe, Stimulus, UnsupportedProbe
from drivers.registry import BUILTIN
from hil import config, tasks
from hil.config import build
from hil.loop import initialisation, training
from hil.loop.controller import Controller
from hil.loop.defaults import Choice
from hil.loop.supervised_device import SupervisedDevice
from hil.loop.train_state import TrainState
from hil.runs.folder import Run
from support.good_device import INFO, Good
from support.restated import restated

NETWORK = Network.feed_forward((5, 7, 4))
PROBES = st.lists(
    st.builds(
        Probe,
        layer=st.integers(1, 2),
        quantity=st.just("membrane"),
        every=st.integers(1, 3),
        reduce=st.sampled_from(["none", "mean", "last"]),
    )
    | st.builds(Probe, layer=st.integers(1, 2), quantity=st.just("spikes")),
    max_size=4,
    unique=True,
)


class Few(Good):
    """A device that shows so many neurons and takes so many samples at once; counts its runs."""

    at_once: int | None = 3
    batch = 20
    runs = 0

    @property
    def info(self) -> Any:
        offers = [replace(offer, neurons=self.at_once) for offer in INFO.offers.probes]
        return restated(INFO, probes=tuple(offers), batch=self.batch)

    def _run(self, *arguments: Any) -> Any:
        type(self).runs += 1
        self.trials = [*getattr(self, "trials", []), arguments[2]]
        return super()._run(*arguments)


def session(at_once: int | None, batch: int = 20) -> SupervisedDevice:
    made = type("Limited", (Few,), {"at_once": at_once, "batch": batch})
    found = SupervisedDevice(made(), NETWORK)
    rng = np.random.default_rng(0)
    for projection, shape in enumerate(NETWORK.shapes):
        found.write(projection, rng.normal(0.3, 1, shape).astype(np.float32))
    return found


@given(probes=PROBES, at_once=st.integers(1, 9), batch=st.integers(1, 6))
def test_it_answers_as_a_device_that_shows_all(
    probes: list[Probe], at_once: int, batch: int
) -> None:
    x = Stimulus.current(np.random.default_rng(1).random((6, 5)), steps=8)
    whole = session(None).run(x, probes, 0)
    few = session(at_once, batch)
    few.check_run("current", 6, 8, probes)
    found = few.run(x, probes, 0)
    assert np.array_equal(found.counts, whole.counts) and found.samples.keys() == set(probes)
    for probe, samples in whole.samples.items():
        assert found.samples[probe] == pytest.approx(samples, abs=1e-4)  # sums of other orders
        assert found.samples[probe].dtype == samples.dtype
    layers = {probe.layer for probe in probes}
    groups = max((-(-NETWORK.layers[n] // at_once) for n in layers), default=1)
    assert few.costs.usage.runs == groups * -(-6 // batch)


def test_parts_of_a_batch_are_trials_of_their_own_and_all_groups_of_neurons_see_the_same() -> None:
    few = session(4, batch=2)
    few.run(Stimulus.current(np.ones((5, 5)), steps=4), [Probe(1, "membrane")], 7)
    first, *others = zip(*[iter(few._device.trials)] * 2, strict=True)  # type: ignore[attr-defined]
    assert first == (7, 7)
    assert all(a == b for a, b in others) and len({first, *others}) == 3


def test_what_is_not_offered_is_refused_as_ever() -> None:
    with pytest.raises(UnsupportedProbe, match="5 neurons at once"):
        session(3).check_run("current", 6, 8, [Probe(1, neurons=(0, 1, 2, 3, 4))])
    with pytest.raises(UnsupportedProbe, match="layer 4"):
        session(3).check_run("current", 6, 8, [Probe(4)])


def test_a_training_needs_no_option_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BUILTIN, "few", f"{__name__}:Few")
    asked = {"task": "digits", "device": "few:", "network": {"hidden": [20]}}
    weights, runs = [], []
    for at_once in (None, 7):
        monkeypatch.setattr(Few, "at_once", at_once)
        monkeypatch.setattr(Few, "runs", 0)
        run = Run.create(
            tmp_path / str(at_once), build(asked, {"training": {"epochs": 1, "batch": 20}})
        )
        training.train(run)
        found = run.load_checkpoint() or {}
        weights.append([found[n].tobytes() for n in sorted(found) if n.startswith("weights/")])
        runs.append(Few.runs)
    assert weights[0] == weights[1]
    assert runs[0] < runs[1] <= 3 * runs[0]


DATA = tasks.load("digits", 0, 0.1)
HIDDEN = [40, 30]


@pytest.fixture(autouse=True)
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILTIN, "integer", "support.devices_abroad:IntegerChip")


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
