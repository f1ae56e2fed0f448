"""Training on a fleet: as on any device, and to its end though a board is unplugged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import drivers
from drivers import DeviceError, firmware
from drivers.fleet import Fleet
from drivers.registry import BUILTIN
from hil.config import build
from hil.loop import training
from hil.loop.progress import TrainingProgress
from hil.runs.folder import Run
from support.firmware_ports import need
from support.good_device import Member

CHIPS = "fleet:member:?chip=1..3"


@pytest.fixture(autouse=True)
def _members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILTIN, "member", "support.good_device:Member")


def made(path: Path, device: str, **changes: Any) -> Run:
    asked: dict[str, Any] = {
        "task": "digits",
        "device": device,
        "network": {"hidden": [20], "steps": 12},
        "training": {"epochs": 2, "batch": 20},
        "optimiser": {"learning_rate": 0.01},
    }
    return Run.create(path, build(asked, changes))


def weights(run: Run) -> list[bytes]:
    found = run.load_checkpoint() or {}
    return [found[name].tobytes() for name in sorted(found) if name.startswith("weights/")]


def test_it_learns_and_goes_on_bit_for_bit_where_it_was_stopped(tmp_path: Path) -> None:
    run = made(tmp_path / "whole", CHIPS)
    result = training.train(run)
    assert result["test_accuracy"] > 0.5

    class Stopped(Exception):
        pass

    def stop(progress: TrainingProgress) -> None:
        if progress.epoch == 2:
            raise Stopped

    again = made(tmp_path / "stopped", CHIPS)
    with pytest.raises(Stopped):
        training.train(again, stop)
    assert training.train(again)["test_accuracy"] == result["test_accuracy"]
    assert weights(again) == weights(run)


def test_a_recording_of_a_fleet_is_replayed(tmp_path: Path) -> None:
    recorded = made(tmp_path / "run", CHIPS, training={"epochs": 1})
    training.train(recorded, record=tmp_path / "fleet.session")
    replayed = made(
        tmp_path / "again", f"replay:{tmp_path / 'fleet.session'}", training={"epochs": 1}
    )
    training.train(replayed)
    assert weights(replayed) == weights(recorded)


@pytest.mark.parametrize("spare", [1, 0])
def test_a_board_unplugged_in_the_middle(
    tmp_path: Path, spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named, and the training ends well where one may fail; else in one line, to be resumed."""
    need("native")
    boards = [firmware.start("native", seed) for seed in (1, 2)]
    try:
        # As long as it would be waited for without a word, in a fraction of the time.
        monkeypatch.setattr("drivers.board.link.PATIENCE", 0.1)
        address = ",".join([f"may_fail={spare}", *(f"board:{board.url}" for board in boards)])
        run, steps = made(tmp_path / "run", f"fleet:{address}", training={"epochs": 2}), [0]

        def unplug(progress: TrainingProgress) -> None:
            steps[0] += progress.phase == "train"
            if steps[0] == 5:
                boards[1].close()

        if not spare:
            with pytest.raises(DeviceError, match=f"^board:{boards[1].url}: "):
                training.train(run, unplug)
            assert run.result() is None
            return
        result = training.train(run, unplug)
        assert result["test_accuracy"] > 0.5
        (found,) = [f for f in result["findings"] if f["kind"] == "part_failed"]
        assert f"board:{boards[1].url}: " in found["where"]
    finally:
        for board in boards:
            board.close()


def test_members_of_a_fleet_get_the_options_of_a_configuration(tmp_path: Path) -> None:
    config = build({"device": CHIPS, "device_options": {"fails": 99}})
    with drivers.open(config.device_url) as fleet:
        assert isinstance(fleet, Fleet)
        members = [member for member in fleet.devices if isinstance(member, Member)]
    assert [(member.chip, member.fails) for member in members] == [(1, 99), (2, 99), (3, 99)]
