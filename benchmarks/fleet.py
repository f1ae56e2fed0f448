"""Speed of a fleet beside one of its members, and beside one chip of its size.

    python benchmarks/fleet.py [--boards 4] [--chips 8]

Times the same step of learning of digits (100 hidden neurons) on one paced native board and on a
fleet of them, and on one emulated chip and on a fleet of them, in turn. Needs a C compiler for the
boards.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

import numpy as np

import drivers
from drivers import firmware
from hil.config import build
from hil.loop.controller import Controller
from hil.runs import data as run_data
from hil.tasks.task import Data

BAUD = 921600


def step_seconds(address: str, task: str, hidden: int, batch: int, times: int) -> float:
    """Seconds of a step of learning, the median of some."""
    asked = {"task": task, "device": address, "network": {"hidden": [hidden]}}
    config = build(asked, {"training": {"batch": batch}})
    data = run_data.load_for(config)
    with drivers.open(address) as device:
        controller = Controller.open(config, device, data.spec)
        controller.write()
        seconds = [_step(controller, data, batch, n, times + 2) for n in range(times + 2)]
    return float(np.median(seconds[2:]))


def _step(controller: Controller, data: Data, batch: int, number: int, total: int) -> float:
    rows = np.arange(number * batch, (number + 1) * batch) % len(data.y_train)
    began = time.perf_counter()
    controller.step(data.batch(data.x_train[rows]), data.y_train[rows], number, number / total)
    return time.perf_counter() - began


def main() -> None:
    """Print a row for each comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--boards", type=int, default=4, help="boards of a fleet")
    parser.add_argument("--chips", type=int, default=8, help="emulated chips of a fleet")
    parser.add_argument("--task", default="digits", help="task of the emulated chips")
    parser.add_argument("--hidden", type=int, default=100, help="their hidden neurons")
    given = parser.parse_args()
    print("| what | one, ms a step | fleet, ms a step | fleet / one |\n|---|---|---|---|")
    with ExitStack() as running:
        boards = [
            running.enter_context(firmware.start("native", n + 1)) for n in range(given.boards)
        ]
        urls = [f"board:{board.url}?pace={BAUD}&baud={BAUD}" for board in boards]
        one = step_seconds(urls[0], "digits", 100, 100, 5)
        many = step_seconds("fleet:" + ",".join(urls), "digits", 100, 100, 5)
        print(f"| {given.boards} boards | {1e3 * one:.0f} | {1e3 * many:.0f} | {many / one:.2f} |")
    chips = f"fleet:emulator:mixed-signal?chip=1..{given.chips}"
    one = step_seconds("emulator:mixed-signal?chip=1", given.task, given.hidden, 100, 20)
    many = step_seconds(chips, given.task, given.hidden, 100, 20)
    print(f"| {given.chips} chips | {1e3 * one:.1f} | {1e3 * many:.1f} | {many / one:.2f} |")


if __name__ == "__main__":
    main()
