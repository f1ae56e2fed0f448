"""What the user sees in the terminal: tables, and progress where there is a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.training import Progress as Position
    from hil.training import Watcher


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output: drawn in a terminal, tab-separated when piped."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(row))
        return
    drawn = Table(*header, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawn.add_row(*row)
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
    if "train_seconds" in result:
        rows += [
            (
                "training",
                f"{result['train_seconds']:.1f} s  (device {result['device_seconds']:.1f}, "
                f"host {result['host_seconds']:.1f}, line {result['transfer_seconds']:.1f})",
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
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Batches per second."""

        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.1f}/s")

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} batches"),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    ) as bars:
        rows: dict[str, Any] = {}

        def watch(position: Position) -> None:
            if position.phase not in rows:
                rows[position.phase] = bars.add_task(position.phase, total=position.total, note="")
            row = rows[position.phase]
            bars.update(row, completed=position.done, total=position.total)
            if position.phase == "train":
                bars.update(row, description=f"epoch {position.epoch}")
            if position.metrics is not None:
                bars.update(row, note=_note(position.metrics))

        yield watch


def _note(metrics: dict[str, Any]) -> str:
    note = f"train {100 * metrics['train_accuracy']:.2f} %"
    if metrics["validation_accuracy"] is not None:
        note += f", validation {100 * metrics['validation_accuracy']:.2f} %"
    return note
