"""What the commands about runs share: going on to the end, and printing the result."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from hil.cli.errors import going_on_with, raise_incomplete

if TYPE_CHECKING:
    from hil.api import Result
    from hil.loop.progress import Watcher
    from hil.runs.folder import Run
    from hil.trust import Trust


def finished(
    run: Run, watch: Watcher, record: Path | None, trust: Trust, data: Path | None = None
) -> Result:
    """Train a run to its end and write its page; whatever stops that, say how to go on."""
    from hil.api import finish
    from hil.loop.epochs import Interrupted
    from hil.trust import code_of

    trusting = " --trust" if code_of(run.config()) else ""
    with going_on_with(f"hil resume {quote(str(run.path))}{trusting}"):
        try:
            return finish(run, watch, record, data, trust)
        except Interrupted:
            raise KeyboardInterrupt from None


def print_run(result: Result, json_output: bool) -> None:
    """Print a finished run; say so where its page lacks parts."""
    print_result(result.figures, json_output, result.report)
    raise_incomplete(result.report, result.not_shown, f"hil report {quote(str(result.path))}")


def print_result(result: dict[str, Any], json_output: bool, page: Path | None = None) -> None:
    """Print a result as a table and the name of its page, or as JSON."""
    if json_output:
        typer.echo(json.dumps(result))
        return
    from hil.cli import console

    console.table(("result", ""), rows(result))
    if page is not None:
        typer.echo(page)


def rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to see of a result."""
    low, high = result["test_accuracy_ci95"]
    shown = [
        ("task", str(result["task"])),
        ("device", str(result["device"])),
        ("rule", f"{result['rule']} (observes {result['observe']})"),
        (
            "test accuracy",
            f"{100 * result['test_accuracy']:.2f} %  (95 %: {100 * low:.2f} to {100 * high:.2f})",
        ),
    ]
    if result.get("classes_out_of_balance"):
        shown += [
            ("balanced accuracy", f"{100 * result['balanced_accuracy']:.2f} %"),
            ("majority's share", f"{100 * result['majority_share']:.2f} %  (one class alone)"),
        ]
    if result.get("trained_accuracy") is not None:
        trained = f"{100 * result['trained_accuracy']:.2f} %  (on {result['trained_on']})"
        shown.append(("as trained", trained))
    if "trained_on" in result:
        from hil.reports.run_facts import inference

        shown.append(("an inference", inference(result["costs"])))
        shown += [("noticed", finding) for finding in result["findings"]]
    if "train_seconds" in result:
        shown += [
            (
                "training",
                f"{result['train_seconds']:.1f} s  (device {result['device_seconds']:.1f}, "
                f"host {result['host_seconds']:.1f}, transfer {result['transfer_seconds']:.1f})",
            ),
            ("speed", f"{result['samples_per_second']:.0f} samples/s"),
        ]
    return shown
