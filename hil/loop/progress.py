"""Progress of a training: what its watcher is given, and a watcher that displays it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hil.plain_text import describe_score
from hil.progress import Stage, display


@dataclass(frozen=True)
class TrainingProgress:
    """Position of a training.

    Attributes:
        phase: `train`, `validate` or `test`; or what is done before and after that, in words.
        done: Batches done of this phase (of all epochs, for `train`).
        total: Batches of this phase; 0 of one in words.
        epoch: Epoch under way, from 1.
        metrics: Metrics of the epoch that just ended, else None.
        note: What was just chosen, else None.
        findings: What the test showed to be amiss, once it is done, as a result keeps it.
    """

    phase: str
    done: int = 0
    total: int = 0
    epoch: int = 0
    metrics: dict[str, Any] | None = None
    note: str | None = None
    findings: Sequence[Mapping[str, Any]] = ()


Watcher = Callable[[TrainingProgress], None]


def ignore_progress(now: TrainingProgress) -> None:
    """Watch nothing."""


@contextmanager
def display_progress() -> Iterator[Watcher]:
    """Display a training on standard error: batches, and what each epoch gave and showed.

    Each warning is shown once, when it is first made. When piped there is no progress, and one
    line at the end says what was found.

    Yields:
        A watcher for `hil.loop.training` and `hil.loop.evaluation`.
    """
    last: dict[tuple[str, str], Mapping[str, Any]] = {}  # findings by what is amiss with what
    with display() as shown:

        def watch(now: TrainingProgress) -> None:
            nonlocal last
            if now.total == 0:
                shown.begin(now.phase)
                return
            if now.note is not None:
                shown.write(f"hil: {now.note}")
            name = f"epoch {now.epoch}" if now.phase == "train" else now.phase
            shown.show(Stage(name, now.done, now.total, "batches", row=now.phase))
            findings = now.findings if now.metrics is None else now.metrics["findings"]
            by_subject = {(f["kind"], f["where"]): f for f in findings if f["is_warning"]}
            if shown.on_terminal:
                if now.metrics is not None:
                    shown.write(_epoch(now.metrics))
                for subject, finding in by_subject.items():
                    if subject not in last:
                        shown.write(finding["text"], "yellow")
                last |= by_subject
            elif now.metrics is not None:
                last = by_subject  # what was mended since is in the report
            else:
                last |= by_subject

        yield watch
        if last and not shown.on_terminal:
            headlines = "; ".join(finding["headline"] for finding in last.values())
            print(f"hil: {headlines}: see the report", file=sys.stderr)


def also_call(watch: Watcher, on_epoch: Callable[[dict[str, Any]], object] | None) -> Watcher:
    """A watcher that also gives a program the metrics of each epoch, once all of it is saved.

    Args:
        watch: A watcher.
        on_epoch: Called with a copy of the metrics of each epoch that ends, if there is one.
    """

    def both(now: TrainingProgress) -> None:
        watch(now)
        if now.metrics is not None and on_epoch is not None:
            on_epoch(dict(now.metrics))

    return both


def _epoch(metrics: Mapping[str, Any]) -> str:
    training = describe_score(metrics, "train") or f"loss {metrics['train_loss']:.3g}"
    validation = describe_score(metrics, "validation")
    parts = [f"training {training}", *([f"validation {validation}"] if validation else [])]
    return f"epoch {metrics['epoch']}: {', '.join(parts)}, {metrics['seconds']:.1f} s"
