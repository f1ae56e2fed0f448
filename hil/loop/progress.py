"""How far a training is: what it tells its watcher, and how that is displayed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hil.loop.health.diagnosis import subject
from hil.progress import Stage, display


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        phase: `train`, `validate` or `test`.
        done: Batches done of this phase (of all epochs, for `train`).
        total: Batches of this phase.
        epoch: Epoch under way, from 1.
        metrics: Metrics of the epoch that just ended, else None.
        note: What was just chosen, else None.
        findings: What the test showed to be amiss, once it is done.
    """

    phase: str
    done: int
    total: int
    epoch: int
    metrics: dict[str, Any] | None = None
    note: str | None = None
    findings: Sequence[str] = ()


Watcher = Callable[[TrainingProgress], None]


@contextmanager
def displayed() -> Iterator[Watcher]:
    """Display a training on standard error: batches, and what each epoch gave and showed.

    Each finding is shown once, when it is first made. When piped there is no progress, and one
    line at the end says what was found.

    Yields:
        A watcher for `hil.loop.training` and `hil.loop.evaluation`.
    """
    findings: dict[str, str] = {}  # by what they are about
    with display() as shown:

        def watch(now: TrainingProgress) -> None:
            if now.note is not None:
                shown.write(f"hil: {now.note}")
            name = f"epoch {now.epoch}" if now.phase == "train" else now.phase
            shown.show(Stage(name, now.done, now.total, "batches", row=now.phase))
            if shown.on_terminal:
                for line in now.findings:
                    shown.write(line, "yellow")
            else:
                findings.update({subject(line): line for line in now.findings})
            if now.metrics is None:
                return
            latest = {subject(line): line for line in now.metrics["findings"]}
            if shown.on_terminal:
                shown.write(_epoch(now.metrics))
                for line in [latest[about] for about in latest if about not in findings]:
                    shown.write(line, "yellow")
            else:
                findings.clear()  # what was mended since is in the report
            findings.update(latest)

        yield watch
        if findings and not shown.on_terminal:
            print(f"hil: {'; '.join(findings)}: see the report", file=sys.stderr)


def telling(watch: Watcher, on_epoch: Callable[[dict[str, Any]], object] | None) -> Watcher:
    """A watcher that also tells a program the metrics of each epoch, once all of it is saved.

    Args:
        watch: A watcher.
        on_epoch: Called with a copy of the metrics of each epoch that ends; None tells nobody.
    """
    if on_epoch is None:
        return watch

    def both(now: TrainingProgress) -> None:
        watch(now)
        if now.metrics is not None:
            on_epoch(dict(now.metrics))

    return both


def _epoch(metrics: dict[str, Any]) -> str:
    text = f"epoch {metrics['epoch']}: training {100 * metrics['train_accuracy']:.2f} %"
    if metrics["validation_accuracy"] is not None:
        text += f", validation {100 * metrics['validation_accuracy']:.2f} %"
    return f"{text}, {metrics['seconds']:.1f} s"
