"""A study on several boards: each is used by one trial at a time, and found again."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from drivers import firmware
from hil import studies
from hil.studies import pool
from hil.studies.loader import build
from hil.studies.plan import list_units, make_jobs
from hil.studies.schema import Study
from support.dask_cluster import cluster
from support.firmware_ports import need


def study(*devices: str, task: str = "digits") -> Study:
    sections = {
        "version": 1,
        "name": "boards",
        "base": {
            "task": task,
            "device": devices[0],
            "network": {"hidden": [12], "steps": 8},
            "training": {"epochs": 1, "batch": 20},
        },
        "factors": {"rate": {"key": "optimiser.learning_rate", "levels": [0.01, 0.02]}},
        "repeat": {"times": 4, "devices": list(devices)},
    }
    return build(sections)


def table(folder: Path) -> list[dict[str, str]]:
    """The trials, but for bytes on the line, some of which a busy machine sends again."""
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not k.endswith("_bytes")} for row in rows]


def test_repetitions_take_devices_in_turn() -> None:
    found = study("board:a?baud=9600", "board:b")
    repetitions = list_units(found)
    assert [unit.device for unit in repetitions] == ["board:a?baud=9600", "board:b"] * 2
    assert [unit.seed for unit in repetitions] == [0, 1, 2, 3]
    configs = [make_jobs(found, unit)[-1].config for unit in repetitions]
    assert '"device": "board:b"' in configs[1] and '"device": "board:a?baud=9600"' in configs[2]


def test_a_trial_takes_the_board_of_its_worker() -> None:
    assert pool.required_resources("board:/dev/ttyACM0?baud=9600") == {"board:/dev/ttyACM0": 1}
    assert pool.required_resources("emulator:mixed-signal?chip=3") is None


def test_two_boards_with_a_worker_each_and_one_of_them_killed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("native")
    with firmware.start("native", 1) as one, firmware.start("native", 2) as two:
        task = f"npz:{place / 'images.npz'}"
        found = study(f"board:{one.url}", f"board:{two.url}", task=task)
        studies.run(found, tmp_path / "alone")
        declared = [f"board:{board.url}=1" for board in (one, two)]
        with cluster(2, resources=declared) as address:
            killed: list[int] = []

            def kill_one(progress: Any) -> None:
                if progress.evaluated == 3 and not killed:
                    workers = [
                        each.pid
                        for each in psutil.Process().children(recursive=True)
                        if each.status() != psutil.STATUS_ZOMBIE
                        and "spawn_main" in " ".join(each.cmdline())
                    ]
                    killed.append(workers[0])
                    os.kill(workers[0], signal.SIGKILL)

            studies.run(found, tmp_path / "both", scheduler=address, watch=kill_one)
            assert killed
            monkeypatch.setattr(pool, "PATIENCE", 1.0)
            with pytest.raises(ValueError, match=r"declares board:nowhere \(declared: board:/dev"):
                studies.run(study("board:nowhere"), tmp_path / "none", scheduler=address)
    both, alone = (table(tmp_path / name) for name in ("both", "alone"))
    assert both == alone
    chips = [row["chip"] for row in both]
    assert chips.count(f"board:{one.url}") == chips.count(f"board:{two.url}") == 4
    assert not (tmp_path / "none").exists()
