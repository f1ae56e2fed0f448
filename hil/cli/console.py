"""What the user sees in the terminal: tables, and progress where there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.loop.training import Progress as Position
    from hil.loop.training import Watcher


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output: drawn in a terminal, tab-separated when piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(row))
        return
    drawn = Table(*header, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawn.add_row(*map(Text, row))
    console.print(drawn)


def result_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures of a result that a person wants to see."""
    low, high = result["test_accuracy_ci95"]
    rows = [
        ("task", str(result["task"])),
        ("device", str(result["device"])),
        ("rule", f"{result['rule']} (observes {result['observe']})"),
        (
            "test accuracy",
            f"{100 * result['test_accuracy']:.2f} %  (95 %: {100 * low:.2f} to {100 * high:.2f})",
        ),
    ]
    if result.get("trained_accuracy") is not None:
        trained = f"{100 * result['trained_accuracy']:.2f} %  (on {result['trained_on']})"
        rows.append(("as trained", trained))
    if "train_seconds" in result:
        rows += [
            (
                "training",
                f"{result['train_seconds']:.1f} s  (device {result['device_seconds']:.1f}, "
                f"host {result['host_seconds']:.1f}, transfer {result['transfer_seconds']:.1f})",
            ),
            ("speed", f"{result['samples_per_second']:.0f} samples/s"),
        ]
    return rows


@contextmanager
def progress() -> Iterator[Watcher]:
    """Show progress and findings on standard error while in the context.

    Each finding is shown once, when it is first made. When piped there is no progress, and one
    line at the end says what was found.

    Yields:
        A watcher for `hil.loop.training` and `hil.loop.evaluation`.
    """
    from rich.console import Console

    from hil.loop.diagnosis import subject

    console, found = Console(stderr=True), dict[str, str]()
    if not console.is_terminal:

        def listen(position: Position) -> None:
            if position.metrics is not None:
                found.clear()  # of the last epoch: what was mended since is in the report
                found.update({subject(line): line for line in position.metrics["findings"]})

        yield listen
        if found:
            print(f"hil: {'; '.join(found)}: see the report", file=sys.stderr)
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task
    from rich.text import Text

    class Name(ProgressColumn):
        """What is under way."""

        def render(self, task: Task) -> Text:
            return Text(task.description)

    class Pace(ProgressColumn):
        """How far, how fast, and how long still."""

        def render(self, task: Task) -> Text:
            return Text("" if task.total is None else _pace(task))

    with Progress(Name(), BarColumn(24), Pace(), console=console, transient=True) as bars:
        preparing = bars.add_task("preparing", total=None)
        rows: dict[str, Any] = {}

        def watch(position: Position) -> None:
            if position.phase not in rows:
                rows[position.phase] = bars.add_task(
                    position.phase, total=position.total, completed=position.done
                )
            row = rows[position.phase]
            bars.update(preparing, visible=False)
            bars.update(row, completed=position.done, total=position.total)
            if position.phase == "train":
                bars.update(row, description=f"epoch {position.epoch}")
            else:
                bars.update(row, visible=position.done < position.total)
            if position.metrics is not None:
                bars.console.print(Text(_epoch(position.metrics)))
                for line in position.metrics["findings"]:
                    if subject(line) not in found:
                        found[subject(line)] = line
                        bars.console.print(Text(line, "yellow"))

        yield watch


@contextmanager
def stages(total: int) -> Iterator[Callable[[str], None]]:
    """Show on standard error, in a terminal, which stage of so many is under way.

    Yields:
        What is to be called with the name of each stage as it begins.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        TextColumn("{task.completed:.0f}/{task.total:.0f} stages"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        task, begun = bars.add_task("opening the device", total=total), 0

        def begin(stage: str) -> None:
            nonlocal begun
            bars.update(task, description=stage, completed=begun)
            begun += 1

        yield begin


def _pace(task: Any) -> str:
    text = f"{task.completed:.0f}/{task.total:.0f} batches"
    if task.speed is not None and task.time_remaining is not None:
        text += f", {task.speed:.1f}/s, {timedelta(seconds=ceil(task.time_remaining))} left"
    return text


def _epoch(metrics: dict[str, Any]) -> str:
    text = f"epoch {metrics['epoch']}: training {100 * metrics['train_accuracy']:.2f} %"
    if metrics["validation_accuracy"] is not None:
        text += f", validation {100 * metrics['validation_accuracy']:.2f} %"
    return f"{text}, {metrics['seconds']:.1f} s"
