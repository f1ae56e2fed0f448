"""Groups of runs with equal settings, their mean test accuracies and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

from hil.reports.run_facts import settings
from hil.statistics import mean

if TYPE_CHECKING:
    from hil.runs.folder import Run

SEED = ("run", "seed")


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
        self.settings = {key: text for key, text in settings(self.config).items() if key != SEED}


@dataclass(frozen=True)
class Group:
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
        if not self.accuracies:
            return None
        over_seeds = mean(list(self.accuracies.values()))
        if over_seeds.interval is None:
            return None
        low, high = over_seeds.interval
        return max(0.0, low), min(1.0, high)


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Put runs with the same settings but for the seed together.

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
    return [Group(number, members) for number, members in enumerate(alike.values(), start=1)]


def differing(groups: Sequence[Group]) -> dict[str, list[str | None]]:
    """Settings in which groups differ.

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
