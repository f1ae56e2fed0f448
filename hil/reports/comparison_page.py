"""The page that compares several runs: one file that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hil.reports import comparison, plots, rendering
from hil.reports.run_facts import PAID, paid, time_by_part

if TYPE_CHECKING:
    from hil.runs.folder import Run

Draw = Callable[[], str]
CURVES = {"Validation accuracy": "validation_accuracy", "Training accuracy": "train_accuracy"}


def write_comparison(
    runs: Sequence[Run], path: Path, attempts: rendering.Attempts | None = None
) -> Path:
    """Write a page that compares runs.

    Runs with the same settings but for the seed form a group. Its interval is Student's t over
    its seeds (runs with the same seed are averaged first: they are not independent), so it speaks
    for further seeds on the same device.

    Args:
        runs: The run folders, complete or not.
        path: The page to write.
        attempts: Learns what could not be made.

    Returns:
        The path.

    Raises:
        ValueError: For no run, or one given twice.
    """
    attempts = attempts or rendering.Attempts()
    groups = comparison.grouped(runs)
    members = [(group, run) for group in groups for run in group.runs]
    times = [(run, time_by_part(run.metrics)) for _, run in members if run.metrics]
    costs = [(run, paid(run.result["costs"])) for _, run in members if run.result]
    path.parent.mkdir(parents=True, exist_ok=True)
    return rendering.write_page(
        path,
        "comparison.html.j2",
        attempts,
        groups=groups,
        members=members,
        differing=comparison.differing(groups),
        costs=costs,
        paid_for=list(PAID.values()),
        times=times,
        longest=max((sum(time.values()) for _, time in times), default=0.0),
        accuracies=attempts.drawn("Test accuracy", draw)
        if (draw := _accuracy_plot(groups)) is not None
        else None,
        curves=[
            (title, attempts.drawn(title, draw))
            for title, key in CURVES.items()
            if (draw := _metric_curves(groups, key)) is not None
        ],
    )


def _accuracy_plot(groups: Sequence[comparison.Group]) -> Draw | None:
    """Test accuracy of each run, and the mean of each group below its runs."""
    rows = []
    for group in groups:
        shade = group.number - 1
        for run in group.runs:
            if run.result is not None:
                name = f"{group.number} · seed {run.config.seed}"
                low, high = run.result["test_accuracy_ci95"]
                rows.append(
                    plots.ShareInterval(name, run.result["test_accuracy"], (low, high), shade)
                )
        if group.mean is not None and group.interval is not None:
            name = f"{group.number} · mean"
            rows.append(plots.ShareInterval(name, group.mean, group.interval, shade, summary=True))
    return partial(plots.share_intervals, rows) if rows else None


def _metric_curves(groups: Sequence[comparison.Group], key: str) -> Draw | None:
    """One metric of every run that has it, in one figure."""
    lines = []
    for group in groups:
        label: str | None = f"group {group.number}"
        for run in group.runs:
            values = [row[key] for row in run.metrics]
            if values and None not in values:
                lines.append(plots.Curve(values, label, group.number - 1))
                label = None
    return partial(plots.curves, lines, "accuracy", percent=True) if lines else None
