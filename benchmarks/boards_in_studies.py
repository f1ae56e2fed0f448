"""Measure how much faster a study is on two boards than on one, and if kills confuse them.

    python benchmarks/boards_in_studies.py [--trials 40] [--kills 0] [--pace 921600]

Boards are native ones, each declared by a Dask worker of its own; their lines are paced, so that
they and not this machine are what a trial waits for. Trials are short trainings of the digits. With
`--kills` one worker after another is killed while the study goes on. Two trials on one board at a
time would find its port taken, and be errors of the table.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from drivers import firmware
from hil import studies
from hil.studies.loader import build
from support.dask_cluster import cluster


def run(path: Path, boards: list[str], trials: int, kills: int) -> tuple[float, int]:
    """Seconds of a study on some boards, and how many of its trials did not work."""
    sections = {
        "version": 1,
        "name": "boards",
        "base": {
            "device": boards[0],
            "network": {"hidden": [20], "steps": 8},
            "training": {"epochs": 1, "batch": 40},
        },
        "factors": {"rate": {"key": "optimiser.learning_rate", "levels": [0.01]}},
        "repeat": {"times": trials, "devices": boards},
    }
    rng, left = random.Random(0), [kills]

    def kill_one(progress: Any) -> None:
        workers = [each for each in psutil.Process().children(recursive=True) if is_worker(each)]
        if left[0] and workers and rng.random() < 2 * kills / trials:
            left[0] -= 1
            os.kill(rng.choice(workers).pid, signal.SIGKILL)

    declared = [f"{board.partition('?')[0]}=1" for board in boards]
    with cluster(len(boards), resources=declared) as address:
        time.sleep(10)  # until the workers are there
        began = time.perf_counter()
        result = studies.run(build(sections), path, scheduler=address, watch=kill_one)
    return time.perf_counter() - began, int(result["failed"])


def is_worker(process: psutil.Process) -> bool:
    """Tell if it is a worker that lives; one that was killed may linger without a command line."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def main() -> None:
    """Print a row for each number of boards."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--pace", type=int, default=921600)
    given = parser.parse_args()
    print("| boards | trials | kills | seconds | failed |\n|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        firmware.start("native", 1) as one,
        firmware.start("native", 2) as two,
    ):
        line = f"?pace={given.pace}&baud={given.pace}"
        boards = [f"board:{each.url}{line}" for each in (one, two)]
        for used in (boards[:1], boards):
            path = Path(folder) / str(len(used))
            seconds, failed = run(path, used, given.trials, given.kills)
            row = (len(used), given.trials, given.kills, f"{seconds:.1f}", failed)
            print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()
