"""Settings that are chosen for each combination on validation samples, before it is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from hil.studies.coordinator import Coordinator, Trial, as_optuna
from hil.studies.plan import TUNING_SEEDS, Cell, combinations, job, units

if TYPE_CHECKING:
    from hil.studies.schema import Tune


@dataclass(frozen=True)
class Tuned:
    """The settings that were tried for one combination of levels, with their scores.

    Attributes:
        options: The settings that could be chosen.
        scores: Their mean validation accuracy; none where there is one option, which is not tried.
    """

    options: Sequence[Cell]
    scores: Sequence[float]

    @property
    def best(self) -> Cell:
        """The settings that did best, the first of equals."""
        if not self.scores:
            return self.options[0]
        return self.options[max(range(len(self.scores)), key=self.scores.__getitem__)]


def tune(
    coordinator: Coordinator, places: Sequence[Cell], tuning: Tune
) -> dict[tuple[str, ...], Tuned]:
    """The settings that did best on validation samples, for each combination of some factors.

    They are tried on seeds of their own, so that what is compared later has not been chosen by.
    A single candidate is taken as it is.

    Args:
        coordinator: Of the study.
        places: Its combinations of levels.
        tuning: What is tuned.

    Returns:
        The settings tried and their scores, by the levels of the factors.
    """
    study = coordinator.study
    options = [Cell("", choices) for choices in combinations(tuning.factors)]
    repetitions = units(study, tuning.times, TUNING_SEEDS)
    kinds: dict[tuple[str, ...], Cell] = {}
    for cell in places:
        kinds.setdefault(levels_of(cell, tuning), cell)
    if len(options) == 1:
        return {kind: Tuned(options, []) for kind in kinds}
    trials = []
    for cell in kinds.values():
        # What is to be pre-trained is tuned as it is trained.
        below = {**cell.settings, "mode": "scratch"}
        for option in options:
            for unit in repetitions:
                (only,) = job(study, unit, below, option.settings)
                trials.append(Trial(only, *as_optuna(tuning.factors, option.choices)))
    coordinator.expected = len(trials) + len(places) * study.repeat.times
    outcomes = coordinator.evaluate("tune", trials, ["validation_accuracy"])
    reached = iter([outcome.get("validation_accuracy") or 0.0 for outcome in outcomes])
    return {
        kind: Tuned(options, [fmean(next(reached) for _ in repetitions) for _ in options])
        for kind in kinds
    }


def levels_of(cell: Cell, tuning: Tune) -> tuple[str, ...]:
    """The levels of a cell by which it is tuned."""
    return tuple(cell.choices[name].text for name in tuning.by)
