"""The page that compares several runs: one file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.contract.files import write_text
from hil.reports import comparison, plots, rendering
from hil.reports.run_facts import time_by_part

if TYPE_CHECKING:
    from hil.runs.folder import Run

CURVES = {"Validation accuracy": "validation_accuracy", "Training accuracy": "train_accuracy"}


def write_comparison(runs: Sequence[Run], path: Path) -> Path:
    """Write a page that compares runs.

    Runs with the same settings but for the seed form a group. Its interval is Student's t over
    its seeds (runs with the same seed are averaged first: they are not independent), so it speaks
    for further seeds on the same device.

    Args:
        runs: The run folders, complete or not.
        path: The page to write.

    Returns:
        The path.

    Raises:
        ValueError: For no run, or one given twice.
    """
    groups = comparison.grouped(runs)
    members = [(group, run) for group in groups for run in group.runs]
    times = [(run, time_by_part(run.metrics)) for _, run in members if run.metrics]
    text = rendering.render(
        "comparison.html.j2",
        groups=groups,
        members=members,
        differing=comparison.differing(groups),
        times=times,
        longest=max((sum(time.values()) for _, time in times), default=0.0),
        accuracies=_accuracy_plot(groups),
        curves=[
            (title, svg)
            for title, key in CURVES.items()
            if (svg := _metric_curves(groups, key)) is not None
        ],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_text(path, text)


def _accuracy_plot(groups: Sequence[comparison.Group]) -> str | None:
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
    return plots.share_intervals(rows) if rows else None


def _metric_curves(groups: Sequence[comparison.Group], key: str) -> str | None:
    """One metric of every run that has it, in one figure."""
    lines = []
    for group in groups:
        label: str | None = f"group {group.number}"
        for run in group.runs:
            values = [row[key] for row in run.metrics]
            if values and None not in values:
                lines.append(plots.Curve(values, label, group.number - 1))
                label = None
    return plots.curves(lines, "accuracy", percent=True) if lines else None
