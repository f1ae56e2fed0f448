"""Runs side by side: which settings they share, what each reached, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.config import Config
    from hil.runs.folder import Run

SEED = ("run", "seed")


def settings(config: Config) -> dict[tuple[str, str], str]:
    """Every setting as text.

    Args:
        config: A complete configuration.

    Returns:
        Text by section and key; the section of those that have none is `run`.
    """
    found: dict[tuple[str, str], str] = {}
    for name, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            found |= {(name, key): _text(item) for key, item in value.items()}
        else:
            found["run", name] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {item}" for key, item in value.items()) or "as it comes"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


class Entry:
    """A run in a comparison.

    Attributes:
        path: Its folder.
        config: Its configuration.
        settings: All settings but the seed, as text.
        metrics: Metrics of each finished epoch.
        result: Its result; None while it is not complete.
    """

    def __init__(self, run: Run) -> None:
        """Read what is compared."""
        self.path, self.config = run.path, run.config()
        self.metrics, self.result = run.metrics(), run.result()
        self.settings = {key: text for key, text in settings(self.config).items() if key != SEED}


@dataclass(frozen=True)
class Group:
    """Runs with the same settings but for the seed.

    Attributes:
        number: From 1, in the order given.
        entries: The runs.
    """

    number: int
    entries: list[Entry]

    @property
    def settings(self) -> dict[tuple[str, str], str]:
        """What they have in common."""
        return self.entries[0].settings

    @cached_property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy of each seed; several runs with one seed count as one, their mean."""
        found: dict[int, list[float]] = {}
        for entry in self.entries:
            if entry.result is not None:
                found.setdefault(entry.config.seed, []).append(entry.result["test_accuracy"])
        return {seed: fmean(values) for seed, values in found.items()}

    @property
    def mean(self) -> float | None:
        """Mean test accuracy of the seeds; None before the first result."""
        return fmean(self.accuracies.values()) if self.accuracies else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval of the mean; None for one seed, or seeds without any spread."""
        values = list(self.accuracies.values())
        if len(set(values)) < 2:
            return None
        from scipy import stats

        low, high = stats.t.interval(
            0.95, len(values) - 1, loc=fmean(values), scale=stats.sem(values)
        )
        return float(low), float(high)


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
    found: dict[tuple[object, ...], list[Entry]] = {}
    for entry in map(Entry, runs):
        found.setdefault(tuple(entry.settings.items()), []).append(entry)
    return [Group(number, entries) for number, entries in enumerate(found.values(), start=1)]


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
