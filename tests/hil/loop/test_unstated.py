"""Training on a device whose maker does not know when its events act."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import drivers
import hil
from drivers import DeviceInfo, registry
from drivers.contract.info import Timing
from hil.characterisation import unstated
from hil.runs.folder import Run
from support.matrix_device import MatrixDevice

CELL = {"reset": "hard", "kind": "spikes", "arrival": "next_step", "reduction": "mean"}
TINY: dict[str, Any] = {"network": {"hidden": [12]}, "training": {"epochs": 1}}


class Mute(MatrixDevice):
    """The same device, by a maker who does not know its neurons."""

    @property
    def info(self) -> DeviceInfo:
        """What it is and shows, but not when events act and what leaks."""
        info = super().info
        return replace(info, timing=Timing(dt=1e-3), neuron=replace(info.neuron, decay=None))


def mute() -> MatrixDevice:
    return Mute(CELL)


def test_what_is_open_is_measured_and_kept_as_stated_by_the_maker_himself() -> None:
    truth = MatrixDevice(CELL).info
    found = unstated.measured(mute())
    assert unstated.kept({**found, "training.batch": 3}) == found
    known = unstated.known(mute().info, found)
    assert (known.timing.input, known.timing.layer) == (truth.timing.input, truth.timing.layer)
    assert (known.neuron, known.offers) == (truth.neuron, truth.offers)


def test_what_is_stated_is_not_measured() -> None:
    class Untouched(MatrixDevice):
        def _configure(self, network: drivers.Network) -> None:
            raise AssertionError("configured")

    assert unstated.measured(Untouched(CELL)) == {}


def test_what_cannot_be_told_stays_open() -> None:
    class Silent(Mute):
        def _run(self, stimulus: Any, probes: Any, trial: Any) -> Any:
            readout = super()._run(stimulus, probes, trial)
            return replace(readout, counts=0 * readout.counts)

    device = Silent(CELL)
    found = unstated.measured(device)
    assert found == {"timing.layer": unstated.UNKNOWN, "neuron.decay": unstated.UNKNOWN}
    assert unstated.known(device.info, found) == device.info


def test_a_training_says_what_was_measured_and_learns_as_if_it_had_been_stated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(registry.BUILTIN, "mute", "support.matrix_device:MatrixDevice")
    stated = hil.train("digits", device=_address("mute"), out=tmp_path / "stated", **TINY)
    monkeypatch.setitem(registry.BUILTIN, "mute", f"{__name__}:Mute")
    found = hil.train("digits", device=_address("mute"), out=tmp_path / "mute", **TINY)
    chosen = {c["setting"]: c["value"] for c in Run.open(found.path).environment()["chosen"]}
    assert (chosen["timing.input"], chosen["timing.layer"]) == ("same_step", "next_step")
    assert chosen["neuron.decay"] == 0.9
    assert "timing.layer = next_step: measured" in capfd.readouterr().err
    assert found.test_accuracy == stated.test_accuracy
    monkeypatch.setattr(unstated, "measured", lambda _: pytest.fail("measured again"))
    (found.path / "result.json").unlink()
    assert hil.resume(found.path).test_accuracy == stated.test_accuracy


def _address(scheme: str) -> str:
    return f"{scheme}:?" + "&".join(f"{name}={value}" for name, value in CELL.items())
