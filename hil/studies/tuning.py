"""Settings that are chosen for each combination on validation samples, before it is compared.

Every combination gets the same number of settings. The levels of the study are tried first, all
combinations of them. Each further one is the nearest to the best so far that was not tried yet, a
step along the first factor before a step along the next: compass search (Kolda, Lewis & Torczon
2003, SIAM Review 45, 385) without a shrinking step. Beyond its levels, a factor of numbers goes on
by 1, 3, 10, 30 and so on, so that what does best at an edge widens the grid until it lies within,
or until the number is spent.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING

from hil.sections.trials import Cell, Level, Unit
from hil.studies.coordinator import Coordinator
from hil.studies.plan import TUNING_SEEDS, Job, list_units, make_cell, make_jobs, read_level

if TYPE_CHECKING:
    from hil.studies.schema import Factor, Study, Tune

Place = tuple[int, ...]  # of a setting in the grid: the place of its level, factor by factor
MARKS = [float(f"{digit}e{power}") for power in range(-12, 13) for digit in (1, 3)]


def tune(
    coordinator: Coordinator, cells: Sequence[Cell], tuning: Tune
) -> dict[tuple[str, ...], CompassSearch]:
    """Find the settings that do best on validation samples, for each combination of some factors.

    They are tried on seeds of their own, so that what is compared later has not been chosen by.

    Args:
        coordinator: Of the study.
        cells: Its combinations of levels.
        tuning: What is tuned.

    Returns:
        A search for each combination of the levels of those factors, at its end.
    """
    study = coordinator.study
    kinds: dict[tuple[str, ...], Cell] = {}
    for cell in cells:
        kinds.setdefault(list_tuned_levels(cell, tuning), cell)
    searches = {kind: CompassSearch(study, tuning, cell) for kind, cell in kinds.items()}
    if tuning.settings == 1:
        return searches
    coordinator.expected = tuning.settings * tuning.times * len(kinds)
    coordinator.expected += len(cells) * study.repeat.times
    repetitions = list_units(study, tuning.times, TUNING_SEEDS)
    while new := [(search, place) for search in searches.values() for place in search.next()]:
        jobs = [s.make_job(unit, s.option(place)) for s, place in new for unit in repetitions]
        outcomes = coordinator.evaluate("tune", jobs)
        scores = iter(outcome.get("validation_accuracy") or 0.0 for outcome in outcomes)
        for search, place in new:
            search.tried[place] = fmean(next(scores) for _ in repetitions)
    return searches


def list_tuned_levels(cell: Cell, tuning: Tune) -> tuple[str, ...]:
    """Name the levels of a cell by which it is tuned."""
    return tuple(cell.levels[name].text for name in tuning.by)


@dataclass
class CompassSearch:
    """The settings that are tried for one combination.

    Attributes:
        study: The study.
        tuning: What is tuned.
        cell: The combination.
        factors: What of it is tuned here: settings of a rule where the rule has them.
        tried: Mean validation accuracy by place, in the order in which they were tried.
    """

    study: Study
    tuning: Tune
    cell: Cell
    factors: Mapping[str, Factor] = field(init=False)
    tried: dict[Place, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Look up what the rule has, and how long a trial lasts.

        Raises:
            ValueError: When the levels alone make more settings than are to be tried.
        """
        # What is to be pre-trained is tuned as it is trained.
        self._below = {**self.cell.settings, "mode": "scratch"}
        (usual,) = make_jobs(self.study, list_units(self.study, 1)[0], self._below)
        config = json.loads(usual.config)
        self.factors = {
            name: factor
            for name, factor in self.tuning.factors.items()
            if not factor.key.startswith("rule.") or factor.key[5:] in config["rule"]
        }
        epochs = math.ceil(self.tuning.epochs * config["training"]["epochs"])
        self._shorter = {"training": {"epochs": epochs}}
        if len(self.grid) > self.tuning.settings:
            raise ValueError(
                f"tune.settings = {self.tuning.settings}: the levels alone make {len(self.grid)} "
                "settings: try at least as many, or give fewer levels"
            )

    @property
    def grid(self) -> list[Place]:
        """Combinations of the given levels."""
        return list(product(*(range(len(factor.levels)) for factor in self.factors.values())))

    @property
    def options(self) -> list[Cell]:
        """The settings that were tried, in order; those that the levels give before any was."""
        return [self.option(place) for place in self.tried or self.grid]

    @property
    def best(self) -> Cell:
        """The settings that did best, the first of equals; the given ones where none was tried."""
        places = self.tried or dict.fromkeys(self.grid, 0.0)
        return self.option(max(places, key=places.__getitem__))

    def next(self) -> list[Place]:
        """Find what to try next: the grid, then one by one the nearest to the best."""
        if not self.tried:
            return self.grid
        if len(self.tried) == self.tuning.settings:
            return []
        best = max(self.tried, key=self.tried.__getitem__)
        furthest = self.tuning.settings + sum(len(f.levels) for f in self.factors.values())
        for distance in range(1, furthest):
            for move in _moves(len(best), distance):
                place = tuple(at + step for at, step in zip(best, move, strict=True))
                if place not in self.tried and self._exists(place):
                    return [place]
        return []

    def option(self, place: Place) -> Cell:
        """The settings at a place that exists."""
        levels = self._levels(place)
        assert levels is not None
        return make_cell(levels)

    def make_job(self, unit: Unit, option: Cell) -> Job:
        """Make one trial of some settings."""
        return make_jobs(self.study, unit, self._below, self._shorter, option.settings)[-1]

    def _levels(self, place: Place) -> dict[str, Level] | None:
        """The levels at a place; None where the grid has ended."""
        levels = {
            name: level
            for (name, factor), at in zip(self.factors.items(), place, strict=True)
            if (level := _level_at(name, factor, at)) is not None
        }
        return levels if len(levels) == len(place) else None

    def _exists(self, place: Place) -> bool:
        """Tell if there are such settings: a grid ends where a configuration is refused."""
        levels = self._levels(place)
        if levels is None:
            return False
        try:
            self.make_job(list_units(self.study, 1)[0], make_cell(levels))
        except ValueError:
            return False
        return True


def _moves(axes: int, distance: int) -> Iterator[Place]:
    """Every move of so many steps in all, along the first factor before the next."""
    steps = range(-distance, distance + 1)
    moves = [move for move in product(steps, repeat=axes) if sum(map(abs, move)) == distance]
    yield from sorted(moves, key=lambda move: ([-abs(step) for step in move], move))


def _level_at(name: str, factor: Factor, at: int) -> Level | None:
    """The level of a factor at a place of the grid, those of numbers in their order."""
    levels = sorted(factor.levels) if is_numeric(factor) else factor.levels
    if 0 <= at < len(levels):
        return read_level(name, factor, levels[at])
    if not is_numeric(factor):
        return None
    if at < 0:
        mark = bisect_left(MARKS, levels[0]) + at
    else:
        mark = bisect_right(MARKS, levels[-1]) + at - len(levels)
    return read_level(name, factor, MARKS[mark]) if 0 <= mark < len(MARKS) else None


def is_numeric(factor: Factor) -> bool:
    """Tell if the levels of a factor are numbers above 0, which go on beyond those given."""
    return all(type(level) in (int, float) and level > 0 for level in factor.levels)
