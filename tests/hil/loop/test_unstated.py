"""Training on a device whose maker does not know when its events act."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
import hil
from drivers import DeviceInfo, registry
from drivers.contract.info import Timing
from drivers.session import Recorded
from hil import tasks
from hil.characterisation import unstated
from hil.config import build
from hil.loop.defaults import find_open_settings
from hil.loop.session import Session
from hil.runs.folder import Run
from support.matrix_device import MatrixDevice

CELL = {"reset": "hard", "kind": "spikes", "arrival": "next_step", "reduction": "mean"}
OPEN = ("timing.layer", "neuron.reset", "neuron.decay", "neuron.refractory")
TINY: dict[str, Any] = {"network": {"hidden": [12]}, "training": {"epochs": 1}}


class Mute(MatrixDevice):
    """The same device, by a maker who does not know its neurons."""

    @property
    def info(self) -> DeviceInfo:
        """What it is and shows, but not when events act and what its neurons do."""
        info = super().info
        unknown = replace(info.neuron, reset=None, decay=None, refractory=None)
        return replace(info, timing=Timing(dt=1e-3), neuron=unknown)


class Untold(Mute):
    """The same device, whose output never fires."""

    def _run(self, stimulus: Any, probes: Any, trial: Any, carry: bool) -> Any:
        """Run, and count no spike."""
        readout = super()._run(stimulus, probes, trial, carry)
        return replace(readout, counts=0 * readout.counts)


def mute() -> MatrixDevice:
    return Mute(CELL)


def test_what_is_open_is_measured_and_kept_as_stated_by_the_maker_himself() -> None:
    truth = MatrixDevice(CELL).info
    found = unstated.measure_unstated(mute())
    known = unstated.complete_info(mute().info, found)
    assert (known.timing.input, known.timing.layer) == (truth.timing.input, truth.timing.layer)
    assert (known.neuron, known.offers) == (truth.neuron, truth.offers)


def test_what_is_stated_is_not_measured() -> None:
    class Untouched(MatrixDevice):
        def _configure(self, network: drivers.Network) -> None:
            raise AssertionError("configured")

    assert unstated.measure_unstated(Untouched(CELL)) == {}


def test_what_cannot_be_told_stays_open() -> None:
    device = Untold(CELL)
    found = unstated.measure_unstated(device)
    assert found == dict.fromkeys(OPEN, unstated.UNKNOWN)
    assert unstated.complete_info(device.info, found) == device.info


def test_a_training_says_what_was_measured_and_learns_as_if_it_had_been_stated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(registry.BUILTIN, "mute", "support.matrix_device:MatrixDevice")
    stated = hil.train("digits", device=_address("mute"), out=tmp_path / "stated", **TINY)
    monkeypatch.setitem(registry.BUILTIN, "mute", f"{__name__}:Mute")
    found = hil.train("digits", device=_address("mute"), out=tmp_path / "mute", **TINY)
    values = Run.open(found.path).environment()["measured"]
    assert (values["timing.input"], values["timing.layer"]) == ("same_step", "next_step")
    of_neurons = [values[f"neuron.{name}"] for name in ("reset", "decay", "refractory")]
    assert of_neurons == ["hard", 0.9, 0]
    assert found.test_accuracy == stated.test_accuracy
    monkeypatch.setattr(unstated, "measure_unstated", lambda _: pytest.fail("measured again"))
    (found.path / "result.json").unlink()
    assert hil.resume(found.path).test_accuracy == stated.test_accuracy


def test_what_is_chosen_by_the_timing_is_chosen_by_the_measured_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A hard reset that clears the late events of its step: no output fires in every step.
    asked = {"task": "digits", "device": _address("mute", arrival="end_of_step"), **TINY}
    config, kappas = build(asked), []
    data = tasks.load("digits", 0, 0.1)
    for driver in ("support.matrix_device:MatrixDevice", f"{__name__}:Mute"):
        monkeypatch.setitem(registry.BUILTIN, "mute", driver)
        with Session.open(config, data, find_open_settings(asked)) as session:
            kappas.append(session.config.readout.kappa)
    assert kappas == [2 * config.readout.kappa] * 2


def test_a_recording_of_such_a_device_states_what_was_measured_and_replays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(registry.BUILTIN, "mute", f"{__name__}:Mute")
    session = tmp_path / "session"
    found = hil.train(
        "digits", device=_address("mute"), out=tmp_path / "mute", record=session, **TINY
    )
    with drivers.open(f"replay:{session}") as replay:
        assert replay.info.timing.layer == "next_step"
        assert replay.info.neuron.decay == 0.9
        assert replay.info.timing.hard_reset_clears_events is None  # open still
    again = hil.train("digits", device=f"replay:{session}", out=tmp_path / "again", **TINY)
    first, second = (Run.open(run.path).weights() for run in (found, again))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_recording_leaves_open_what_could_not_be_measured(tmp_path: Path) -> None:
    with Recorded(Untold(CELL), tmp_path / "session") as device:
        device.configure(drivers.Network.feed_forward((3, 2)))
    with drivers.open(f"replay:{tmp_path / 'session'}") as replay:
        assert unstated.measure_unstated(replay) == dict.fromkeys(OPEN, unstated.UNKNOWN)
        replay.configure(drivers.Network.feed_forward((3, 2)))  # it stands where it began


def _address(scheme: str, **options: str) -> str:
    cell = {**CELL, **options}
    return f"{scheme}:?" + "&".join(f"{name}={value}" for name, value in cell.items())
