"""The page that compares several runs: groups of equal settings, their means and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from hil.figures import plots
from hil.figures.svg import Figure
from hil.reports import rendering
from hil.reports.run_facts import settings_as_text
from hil.sections.run import PAID, paid_costs, time_by_part
from hil.sections.trials import estimate_mean

if TYPE_CHECKING:
    from hil.runs.folder import Run

SEED = ("run", "seed")
Draw = Callable[[], Figure]
CURVES = {"Validation accuracy": "validation_accuracy", "Training accuracy": "train_accuracy"}


class ComparedRun:
    """A run in a comparison.

    Attributes:
        path: Its folder.
        config: Its configuration.
        settings: All settings but the seed, as text.
        metrics: Metrics of each finished epoch.
        result: Its result; None while it is not complete.
    """

    def __init__(self, run: Run) -> None:
        """Read a run folder, complete or not."""
        self.path, self.config = run.path, run.config()
        self.metrics, self.result = run.metrics(), run.result()
        self.settings = {
            key: text for key, text in settings_as_text(self.config).items() if key != SEED
        }


@dataclass(frozen=True)
class RunGroup:
    """Runs with the same settings but for the seed.

    Attributes:
        number: From 1, in the order given.
        runs: The runs.
    """

    number: int
    runs: list[ComparedRun]

    @property
    def settings(self) -> dict[tuple[str, str], str]:
        """The settings of every run of the group, without the seed."""
        return self.runs[0].settings

    @cached_property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy of each seed; several runs with one seed count as one, their mean."""
        by_seed: dict[int, list[float]] = {}
        for run in self.runs:
            if run.result is not None:
                by_seed.setdefault(run.config.seed, []).append(run.result["test_accuracy"])
        return {seed: fmean(values) for seed, values in by_seed.items()}

    @property
    def mean(self) -> float | None:
        """Mean test accuracy of the seeds; None before the first result."""
        return fmean(self.accuracies.values()) if self.accuracies else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Student's 98.5 % interval of the mean, cut at 0 and 1, which an accuracy cannot leave.

        None for one seed, or seeds without any spread.
        """
        accuracies = list(self.accuracies.values())
        return estimate_mean(accuracies, "test_accuracy").interval if accuracies else None


def group_runs(runs: Sequence[Run]) -> list[RunGroup]:
    """Group runs by all settings but the seed.

    Args:
        runs: The run folders, complete or not.

    Returns:
        The groups, in the order in which their first runs are given.

    Raises:
        ValueError: For no run, or one given twice.
    """
    if not runs:
        raise ValueError("no run to compare: give at least one run folder")
    places = [run.path.resolve() for run in runs]
    for place in places:
        if places.count(place) > 1:
            raise ValueError(f"{place} is given twice: give each run once")
    alike: dict[tuple[object, ...], list[ComparedRun]] = {}
    for run in map(ComparedRun, runs):
        alike.setdefault(tuple(run.settings.items()), []).append(run)
    return [RunGroup(number, members) for number, members in enumerate(alike.values(), start=1)]


def differing_settings(groups: Sequence[RunGroup]) -> dict[str, list[str | None]]:
    """Find the settings in which groups differ.

    Args:
        groups: The groups.

    Returns:
        By `section.key`, the value in each group; None where a group has no such setting, because
        its rule or encoding has none. That alone is no difference: the name of the rule is one.
    """
    keys = dict.fromkeys(key for group in groups for key in group.settings)
    table = {key: [group.settings.get(key) for group in groups] for key in keys}
    return {
        ".".join(part for part in key if part != "run"): values
        for key, values in table.items()
        if len(set(values) - {None}) > 1
    }


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
    groups = group_runs(runs)
    for run in (run for group in groups for run in group.runs):
        if (run.result or {}).get("test_nrmse") is not None:
            raise ValueError(f"{run.path} gives numbers, and accuracies are compared: leave it out")
    members = [(group, run) for group in groups for run in group.runs]
    times = [(run, time_by_part(run.metrics)) for _, run in members if run.metrics]
    costs = [(run, paid_costs(run.result["costs"])) for _, run in members if run.result]
    path.parent.mkdir(parents=True, exist_ok=True)
    return rendering.write_page(
        path,
        "comparison.html.j2",
        attempts,
        groups=groups,
        members=members,
        differing=differing_settings(groups),
        costs=costs,
        paid_for=list(PAID.values()),
        times=times,
        longest=max((sum(time.values()) for _, time in times), default=0.0),
        accuracies=attempts.draw("Test accuracy", draw)
        if (draw := _accuracy_plot(groups)) is not None
        else None,
        curves=[
            (title, attempts.draw(title, draw))
            for title, key in CURVES.items()
            if (draw := _metric_curves(groups, key)) is not None
        ],
    )


def _accuracy_plot(groups: Sequence[RunGroup]) -> Draw | None:
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
    return partial(plots.plot_intervals, rows) if rows else None


def _metric_curves(groups: Sequence[RunGroup], key: str) -> Draw | None:
    """One metric of every run that has it, in one figure."""
    lines = []
    for group in groups:
        label: str | None = f"group {group.number}"
        for run in group.runs:
            values = [row[key] for row in run.metrics]
            if values and None not in values:
                epochs = range(1, len(values) + 1)
                lines.append(plots.Line(epochs, values, label, group.number - 1))
                label = None
    return partial(plots.plot_lines, lines, "epoch", "accuracy", percent=True) if lines else None
