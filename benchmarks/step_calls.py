"""Count the Python calls of a training step, and the frames from the loop to the engine.

    python benchmarks/step_calls.py

Trains digits by default settings for a few steps on `emulator:mixed-signal`, with a profiler on one
step in the middle. Prints the calls of Python functions in that step (those of this package, and
all), and the frames from the step of the loop down to the engine of the chip.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import hil
from hil.loop.controller import Controller
from machine_code import wait_for_code

# What is imported may be installed, and the environment may lie in the checkout.
ROOT = Path(hil.__file__).resolve().parents[1]
OWN = ("hil/", "drivers/", "device_models/", "machine_code/", "<")  # what is generated, too
STEP = 20  # the step that is counted: engines are compiled and caches are warm by then
ENGINE = "device_models/engine/"


@dataclass
class StepCalls:
    """Calls of one step.

    Attributes:
        functions: Calls of each Python function, by file and name.
        deepest: Frames from the step down to the first one of the engine, both counted.
    """

    functions: Counter[str] = field(default_factory=Counter)
    deepest: int = 0

    @property
    def total(self) -> int:
        """Calls of Python functions in all."""
        return self.functions.total()

    @property
    def own(self) -> int:
        """Those of functions of this project."""
        return sum(n for name, n in self.functions.items() if name.startswith(OWN))


def count_step() -> StepCalls:
    """Train for a little more than `STEP` steps, and count the calls of that one."""
    calls, plain, steps = StepCalls(), Controller.step, 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        name = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
        calls.functions[f"{name}:{frame.f_code.co_name}"] += 1
        if name.startswith(ENGINE) and not calls.deepest:
            depth, above = 1, frame.f_back
            while above is not None and above.f_code is not plain.__code__:
                depth, above = depth + 1, above.f_back
            calls.deepest = depth + 1

    def step(self: Controller, *arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps != STEP:
            done = plain(self, *arguments)
            wait_for_code()
            return done
        sys.setprofile(profile)
        try:
            return plain(self, *arguments)
        finally:
            sys.setprofile(None)

    Controller.step = step  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            hil.train("digits", training={"epochs": 1}, out=Path(folder) / "run")
    finally:
        Controller.step = plain  # type: ignore[method-assign]
    return calls


def main() -> None:
    """Count, and print."""
    calls = count_step()
    print(f"calls of Python functions in a step\t{calls.total}")
    print(f"of them of this project\t{calls.own}")
    print(f"frames from the step to the engine\t{calls.deepest}")
    for name, count in calls.functions.most_common(25):
        print(f"{count}\t{name}")


if __name__ == "__main__":
    main()
