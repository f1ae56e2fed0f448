"""What the user sees in the terminal: tables, and progress where there is a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.training import Progress as Position
    from hil.training import Watcher


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
    """Show progress on standard error while in the context; silent when piped.

    Yields:
        A watcher for `hil.training` and `hil.evaluation`.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda position: None
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

        yield watch


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
