"""A search with several objectives: NSGA-II, held against random search on the same budget.

NSGA-II: Deb et al. 2002, IEEE Trans. Evol. Comput. 6, 182, as Optuna has it. A generation is asked
for and evaluated as a whole, and told in order, so that what is sampled depends on finished
generations alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hil.config import Sections, merged
from hil.studies.coordinator import Coordinator, Trial
from hil.studies.plan import Cell, Choice, choice, job, nested, units
from hil.studies.schema import MEASURES, Factor, Search, Study, label
from hil.studies.table import Row

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.distributions import BaseDistribution

SAMPLERS = ("nsga2", "random")
FRESH_SEEDS = 2000  # from the seeds of the search to those on which its best is trained anew
WORST = -1e30  # of an objective, for settings that do not work


@dataclass(frozen=True, eq=False)
class Arm:
    """The trials of one search.

    Attributes:
        sampler: `nsga2` or `random`.
        repeat: Which search by it.
        rows: Its trials in order, generation by generation.
        study: The same for Optuna.
    """

    sampler: str
    repeat: int
    rows: list[Row]
    study: OptunaStudy


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The trials of all searches.

    Attributes:
        arms: The searches.
        best: Trial of the highest first objective of each sampler, over its searches.
        confirmed: Trials of `usual` and of the best of each sampler on fresh seeds.
    """

    arms: list[Arm]
    best: dict[str, Row]
    confirmed: list[Row]


def values(search: Search, row: Row) -> list[float]:
    """The objectives of a trial, all of them to be maximised."""
    signed = []
    for objective in search.objectives:
        measured = row.measure(objective.removeprefix("-"))
        sign = -1.0 if objective.startswith("-") else 1.0
        signed.append(WORST if measured is None else sign * measured)
    return signed


def check(search: Search) -> None:
    """Refuse objectives that are no measures.

    Raises:
        ValueError: Naming the nearest.
    """
    from drivers import nearest

    names = [objective.removeprefix("-") for objective in search.objectives]
    for name in names:
        if name not in MEASURES:
            raise ValueError(f"search.objectives: no measure {name!r}: {nearest(name, MEASURES)}")
    if not names or "test_accuracy" in names:
        raise ValueError(
            "search.objectives: give one or more, and not test_accuracy: what is chosen by the "
            "test samples is not tested by them"
        )


def run(coordinator: Coordinator, search: Search) -> SearchResult:
    """Search, and train the best anew on fresh seeds.

    Args:
        coordinator: Of the study.
        search: What it says of the search.
    """
    fresh = search.confirm * (1 + len(SAMPLERS))
    coordinator.expected = (
        search.population * search.generations * search.repeats * len(SAMPLERS) + fresh
    )
    arms = [
        _arm(coordinator, search, sampler, repeat)
        for repeat in range(search.repeats)
        for sampler in SAMPLERS
    ]
    best = {}
    for sampler in SAMPLERS:
        rows = [row for arm in arms if arm.sampler == sampler for row in arm.rows]
        # The earliest of equals, so that the choice does not depend on anything else.
        best[sampler] = max(rows, key=lambda row: values(search, row)[0])
    return SearchResult(arms, best, _confirmed(coordinator, search, best))


def _arm(coordinator: Coordinator, search: Search, sampler: str, repeat: int) -> Arm:
    import optuna
    from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler

    study = coordinator.study
    (unit,) = units(study, 1)
    seed = unit.seed + repeat
    drawn: BaseSampler = RandomSampler(seed=seed)
    if sampler == "nsga2":
        drawn = NSGAIISampler(population_size=search.population, seed=seed)
    asked = optuna.create_study(sampler=drawn, directions=["maximize"] * len(search.objectives))
    distributions = {name: distribution(factor) for name, factor in study.factors.items()}
    rows: list[Row] = []
    for _ in range(search.generations):
        generation = [asked.ask(distributions) for _ in range(search.population)]
        cells = [Cell("", chosen(study, trial.params)) for trial in generation]
        trials = [
            Trial(job(study, unit, cell.settings)[-1], trial.params, distributions)
            for cell, trial in zip(cells, generation, strict=True)
        ]
        outcomes = coordinator.evaluate(
            f"{sampler}-{repeat}", trials, [o.removeprefix("-") for o in search.objectives]
        )
        for trial, cell, outcome in zip(generation, cells, outcomes, strict=True):
            config = job(study, unit, cell.settings)[-1].config
            row = Row(len(rows), cell, unit, outcome, config)
            rows.append(row)
            asked.tell(trial, values(search, row))
    return Arm(sampler, repeat, rows, asked)


def _confirmed(coordinator: Coordinator, search: Search, best: Mapping[str, Row]) -> list[Row]:
    study = coordinator.study
    kinds: dict[str, Sections] = {"usual": {}}
    kinds |= {sampler: row.cell.settings for sampler, row in best.items()}
    steps = [
        (Cell("", {"settings": Choice(name, None, settings)}), unit)
        for name, settings in kinds.items()
        for unit in units(study, search.confirm, FRESH_SEEDS)
    ]
    outcomes = coordinator.evaluate(
        "confirm",
        [Trial(job(study, unit, cell.settings)[-1], {}, {}) for cell, unit in steps],
        ["test_accuracy"],
    )
    return [
        Row(number, cell, unit, outcome, job(study, unit, cell.settings)[-1].config)
        for number, ((cell, unit), outcome) in enumerate(zip(steps, outcomes, strict=True))
    ]


def distribution(factor: Factor) -> BaseDistribution:
    """What Optuna draws a factor from."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if factor.low is None or factor.high is None:
        return CategoricalDistribution([label(level) for level in factor.levels])
    if factor.whole:
        return IntDistribution(int(factor.low), int(factor.high), log=factor.log)
    return FloatDistribution(factor.low, factor.high, log=factor.log)


def chosen(study: Study, params: Mapping[str, Any]) -> dict[str, Choice]:
    """What was drawn, as levels."""
    choices = {}
    for name, value in params.items():
        factor = study.factors[name]
        if factor.low is None:
            levels = {label(level): level for level in factor.levels}
            choices[name] = choice(name, factor, levels[value])
        else:
            drawn = choice(name, factor, float(f"{value:.4g}"))
            settings = nested(factor.key, value)
            choices[name] = replace(drawn, text=f"{value:.4g}", settings=settings)
    return choices


def best_settings(study: Study, result: SearchResult) -> Sections:
    """The best settings of all, as a run's configuration."""
    row = max(result.best.values(), key=lambda row: values(_search(study), row)[0])
    return merged(study.base, row.cell.settings)


def _search(study: Study) -> Search:
    assert study.search is not None
    return study.search


def front(search: Search, rows: Sequence[Row]) -> list[Row]:
    """Trials that no other one is at least as good as in every objective, and better in one."""
    undominated = []
    for row in rows:
        own = values(search, row)
        if WORST in own:
            continue
        better = (
            all(a >= b for a, b in zip(other, own, strict=True)) and other != own
            for other in (values(search, r) for r in rows)
        )
        if not any(better):
            undominated.append(row)
    return undominated
