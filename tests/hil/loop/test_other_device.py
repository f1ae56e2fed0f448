"""A training goes on, and is tested, with the device that it began on, unless another is wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import drivers.registry
import hil
from drivers import Identity, LinkError
from hil.runs.folder import Run
from support import xor
from support.command_line import command, refusal
from support.misbehaving import Behaving

SETTINGS = ("--hidden", "6", "--epochs", "1", "--set", "network.steps=8", "--out", "run")


class Plugged(Behaving):
    """Whichever device is plugged in; its cable comes loose in a training."""

    identity = Identity("plugged", serial="7")
    runs_left = 5

    @property
    def info(self):
        return replace(super().info, identity=self.identity)

    def _run(self, *given):
        Plugged.runs_left -= 1
        if Plugged.runs_left < 0:
            raise LinkError("loose")
        return super()._run(*given)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A training that was stopped, and a device that works again."""
    monkeypatch.setitem(drivers.registry.BUILTIN, "plugged", f"{__name__}:Plugged")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Plugged, "runs_left", 5)
    done = command("train", xor.write(tmp_path, 60, 20), "--device", "plugged:", *SETTINGS)
    assert done.exit_code == 2 and "go on with: hil resume run" in done.stderr
    monkeypatch.setattr(Plugged, "runs_left", 10**6)


@pytest.mark.parametrize(
    "other", [Identity("plugged", serial="8"), Identity("another", serial="7"), Identity("another")]
)
def test_another_device_is_refused_unless_it_is_wanted(
    stopped: None, other: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plugged, "identity", other)
    line = refusal("resume", "run")
    assert "began on plugged 7" in line and f"is {other.name} {other.serial}".rstrip() in line
    assert "--other-device" in line
    assert command("resume", "run", "--other-device").exit_code == 0
    assert Run.open("run").environment()["device"]["name"] == other.name
    assert command("evaluate", "run").exit_code == 0
    monkeypatch.setattr(Plugged, "identity", Identity("plugged", serial="7"))
    assert "hil evaluate --device" in refusal("evaluate", "run")
    assert command("evaluate", "run", "--device", "plugged:").exit_code == 0


@pytest.mark.parametrize(
    "same", [Identity("plugged", serial="7", firmware="9"), Identity("plugged")]
)
def test_the_same_device_goes_on(
    stopped: None, same: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its firmware; and one that does not say which it is may be the same."""
    monkeypatch.setattr(Plugged, "identity", same)
    assert hil.resume("run").path == Path("run")
