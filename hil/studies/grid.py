"""A study of combinations: every cell of its factors, repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.studies.coordinator import Coordinator, Trial, as_optuna
from hil.studies.plan import Cell, cells, job, units
from hil.studies.table import Row, Rows
from hil.studies.tuning import Tuned, levels_of, tune

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from hil.studies.schema import Study


@dataclass(frozen=True)
class Grid:
    """The result of all combinations.

    Attributes:
        rows: The table.
        tuned: Which settings were chosen, by the levels of the factors that they were tuned for.
    """

    rows: Rows
    tuned: Mapping[tuple[str, ...], Tuned]


def run(coordinator: Coordinator) -> Grid:
    """Evaluate every combination of levels, tuned and pre-trained where the study says so.

    Args:
        coordinator: Of a study without a search.

    Returns:
        Its table, and what was tuned.
    """
    study = coordinator.study
    places, repetitions = cells(study), units(study)
    tuned = tune(coordinator, places, study.tune) if study.tune else {}
    steps = []
    for cell in places:
        best = tuned[levels_of(cell, study.tune)].best.settings if study.tune else {}
        for unit in repetitions:
            steps.append((cell, unit, job(study, unit, cell.settings, best)))
    sources = {jobs[0].key: jobs[0] for _, _, jobs in steps if len(jobs) > 1}
    coordinator.expected = (
        len(sources)
        + len({jobs[-1].key for _, _, jobs in steps})
        + len(coordinator.journal.trials("tune"))
    )
    # A network that cannot be trained cannot be started from either.
    pretrained = coordinator.evaluate(
        "pretrain", [Trial(source, {}, {}) for source in sources.values()], ["test_accuracy"]
    )
    broken = {
        key: outcome for key, outcome in zip(sources, pretrained, strict=True) if "error" in outcome
    }
    able = [step for step in steps if step[2][0].key not in broken]
    outcomes = iter(
        coordinator.evaluate(
            "trials",
            [Trial(jobs[-1], *_params(study, cell)) for cell, _, jobs in able],
            ["test_accuracy"],
        )
    )
    rows = [
        Row(number, cell, unit, broken.get(jobs[0].key) or next(outcomes), jobs[-1].config)
        for number, (cell, unit, jobs) in enumerate(steps)
    ]
    return Grid(rows, tuned)


def _params(study: Study, cell: Cell) -> tuple[dict[str, str], dict[str, BaseDistribution]]:
    """The levels of a cell; a factor of a part bears the name of the part."""
    params, distributions = as_optuna(study.factors, cell.choices)
    if cell.part:
        own = as_optuna(study.parts[cell.part].factors, cell.choices, f"{cell.part}/")
        params |= own[0]
        distributions |= own[1]
    return params, distributions
