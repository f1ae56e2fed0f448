"""The host: tasks, learning rules, the loop, runs and reports.

The whole loop in one call:

    import hil

    result = hil.train("digits", device="emulator:mixed-signal?chip=7", rule="adfa", seed=1)
    print(result.test_accuracy, result.report)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__version__ = "0.1.0"
__all__ = ["Result", "evaluate", "resume", "train"]


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        path: The run folder.
        figures: All of `result.json`.
    """

    path: Path
    figures: dict[str, Any]

    @property
    def test_accuracy(self) -> float:
        """Share of test samples classified right."""
        return float(self.figures["test_accuracy"])

    @property
    def report(self) -> Path:
        """The page of the run."""
        return self.path / "report.html"


def train(
    task: str | None = None,
    *,
    device: str | None = None,
    rule: str | Mapping[str, Any] | None = None,
    seed: int | None = None,
    start: str | Path | None = None,
    out: str | Path | None = None,
    record: str | Path | None = None,
    **sections: Any,
) -> Result:
    """Train a network on a device, test it, and write a run folder with its report.

    Args:
        task: Name of a task, or `npz:FILE`; `digits` when None.
        device: Address of the device; the task's default when None.
        rule: Name of the learning rule, or its section, e.g. `{"name": "adfa", "g": "tanh"}`; the
            task's default when None.
        seed: Seed of everything on the host; 0 when None.
        start: Run folder to start from: its weights are the first ones, and its settings hold
            where none are given here, its seed included.
        out: Run folder to make; None picks a free name below `runs/`.
        record: File to record the session with the device to; it must not exist.
        sections: Any other part of the configuration, e.g. `training={"epochs": 5}`,
            `network={"hidden": [500, 500]}`, `observe="spikes"`.

    Returns:
        The finished run.

    Raises:
        ValueError: When something asked for does not exist or does not fit.
        DeviceError: When the device fails.
    """
    from hil.config import build
    from hil.loop.training import check
    from hil.runs.folder import Run
    from hil.runs.warm_start import base

    asked = {
        key: value
        for key, value in {
            "task": task,
            "device": device,
            "rule": {"name": rule} if isinstance(rule, str) else rule,
            "seed": seed,
        }.items()
        if value is not None
    }
    config = build({} if start is None else base(start, asked, sections), asked, sections)
    check(config, record)
    run = Run.create(None if out is None else Path(out), config)
    return resume(run.path, record)


def resume(path: str | Path, record: str | Path | None = None) -> Result:
    """Go on with a run from its last checkpoint, to its end.

    Args:
        path: The run folder.
        record: File to record the session with the device to; it must not exist.
    """
    from hil.cli.console import progress
    from hil.loop.training import train as finish
    from hil.reports.run_page import write_report
    from hil.runs.folder import Run

    run = Run.open(path)
    with progress() as watch:
        figures = finish(run, watch, record)
    write_report(run)
    return Result(run.path, figures)


def evaluate(
    path: str | Path, device: str | None = None, record: str | Path | None = None
) -> dict[str, Any]:
    """Deploy the weights of a run on a device as they are, and test them.

    Args:
        path: The run folder.
        device: Address of the device; the run's own when None.
        record: File to record the session with the device to; it must not exist.

    Returns:
        Test accuracy with its 95 % interval, beside that of the run's own device.
    """
    from hil.loop.evaluation import evaluate as deploy
    from hil.runs.folder import Run

    return deploy(Run.open(path), device, record=record)
