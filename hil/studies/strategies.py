"""Strategies by which a study goes through settings: all combinations, or a search with objectives.

A search is NSGA-II (Deb et al. 2002, IEEE Trans. Evol. Comput. 6, 182, as Optuna has it), held
against random search on the same budget. A generation is asked for and evaluated as a whole, and
told in order, so that what is sampled depends on finished generations alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from drivers import nearest
from hil.config import Sections, merge_layers
from hil.sections.trials import MEASURES, Cell, Level, Row, Rows, Unit
from hil.studies.coordinator import Coordinator
from hil.studies.plan import list_cells, list_units, make_cell, make_jobs, nest, read_level
from hil.studies.schema import Factor, Search, Study, label
from hil.studies.tuning import CompassSearch, list_tuned_levels, tune

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.distributions import BaseDistribution

SAMPLERS = ("nsga2", "random")
FRESH_SEEDS = 2000  # from the seeds of the search to those on which its best is trained anew
WORST = -1e30  # of an objective, for settings that do not work


Tuned = Mapping[tuple[str, ...], CompassSearch]
"""By the levels of the factors that settings were tuned for, how they were found."""


def run_grid(coordinator: Coordinator) -> tuple[Rows, Tuned]:
    """Evaluate every combination of levels, tuned and pre-trained where the study says so.

    Args:
        coordinator: Of a study without a search.

    Returns:
        Its table, and what was tuned.
    """
    study = coordinator.study
    cells, units = list_cells(study), list_units(study)
    tuned = tune(coordinator, cells, study.tune) if study.tune else {}
    steps = []
    for cell in cells:
        best = tuned[list_tuned_levels(cell, study.tune)].best.settings if study.tune else {}
        steps += [(cell, unit, make_jobs(study, unit, cell.settings, best)) for unit in units]
    sources = {jobs[0].key: jobs[0] for _, _, jobs in steps if len(jobs) > 1}
    trials = {jobs[-1].key for _, _, jobs in steps}
    coordinator.expected = len(sources) + len(trials) + coordinator.journal.stages["tune"]
    # A network that cannot be trained cannot be started from either.
    pretrained = coordinator.evaluate("pretrain", list(sources.values()))
    broken = {
        key: outcome for key, outcome in zip(sources, pretrained, strict=True) if "error" in outcome
    }
    able = [jobs[-1] for _, _, jobs in steps if jobs[0].key not in broken]
    outcomes = iter(coordinator.evaluate("trials", able))
    rows = [
        Row(number, cell, unit, broken.get(jobs[0].key) or next(outcomes), jobs[-1].config)
        for number, (cell, unit, jobs) in enumerate(steps)
    ]
    return rows, tuned


# -- searches ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Arm:
    """The trials of one search.

    Attributes:
        sampler: `nsga2` or `random`.
        repeat: Number of the search by it.
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
        search: What was searched for.
        arms: The searches.
        best: Trial of the highest first objective of each sampler, over its searches.
        confirmation: Trials of `usual` and of the best of each sampler on fresh seeds.
    """

    search: Search
    arms: list[Arm]
    best: dict[str, Row]
    confirmation: list[Row]

    @property
    def search_rows(self) -> list[Row]:
        """The trials of the searches themselves."""
        return [row for arm in self.arms for row in arm.rows]

    @property
    def measures(self) -> list[str]:
        """The measures that are the objectives, the first one first."""
        return [objective.removeprefix("-") for objective in self.search.objectives]

    def best_settings(self, study: Study) -> Sections:
        """The best settings of all, as a run's configuration."""
        row = max(self.best.values(), key=lambda row: objectives(self.search, row)[0])
        return merge_layers(study.base, row.cell.settings)


def objectives(search: Search, row: Row) -> list[float]:
    """Measure the objectives of a trial, all of them to be maximised."""
    signed = []
    for objective in search.objectives:
        measured = row.measure(objective.removeprefix("-"))
        sign = -1.0 if objective.startswith("-") else 1.0
        signed.append(WORST if measured is None else sign * measured)
    return signed


def check_objectives(search: Search) -> None:
    """Refuse objectives that are no measures.

    Raises:
        ValueError: Naming the nearest.
    """
    names = [objective.removeprefix("-") for objective in search.objectives]
    for name in names:
        if name not in MEASURES:
            raise ValueError(f"search.objectives: no measure {name!r}: {nearest(name, MEASURES)}")
    if not names or "test_accuracy" in names:
        raise ValueError(
            "search.objectives: give one or more, and not test_accuracy: what is chosen by the "
            "test samples is not tested by them"
        )


def run_search(coordinator: Coordinator, search: Search) -> SearchResult:
    """Search, and train the best anew on fresh seeds.

    Args:
        coordinator: Of the study.
        search: What it says of the search.
    """
    fresh = search.confirm * (1 + len(SAMPLERS))
    each = search.population * search.generations * search.repeats
    coordinator.expected = each * len(SAMPLERS) + fresh
    arms = [
        _run_arm(coordinator, search, sampler, repeat)
        for repeat in range(search.repeats)
        for sampler in SAMPLERS
    ]
    best = {}
    for sampler in SAMPLERS:
        rows = [row for arm in arms if arm.sampler == sampler for row in arm.rows]
        # The earliest of equals, so that the choice does not depend on anything else.
        best[sampler] = max(rows, key=lambda row: objectives(search, row)[0])
    return SearchResult(search, arms, best, _confirm(coordinator, search, best))


def _run_arm(coordinator: Coordinator, search: Search, sampler: str, repeat: int) -> Arm:
    import optuna
    from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = coordinator.study
    (unit,) = list_units(study, 1)
    seed = unit.seed + repeat
    sampling: BaseSampler = RandomSampler(seed=seed)
    if sampler == "nsga2":
        sampling = NSGAIISampler(population_size=search.population, seed=seed)
    optimiser = optuna.create_study(
        sampler=sampling, directions=["maximize"] * len(search.objectives)
    )
    distributions = {name: distribution(factor) for name, factor in study.factors.items()}
    rows: list[Row] = []
    for _ in range(search.generations):
        generation = [optimiser.ask(distributions) for _ in range(search.population)]
        steps = [(make_cell(read_sampled_levels(study, t.params)), unit) for t in generation]
        new = _evaluate(coordinator, f"{sampler}-{repeat}", steps, len(rows))
        for trial, row in zip(generation, new, strict=True):
            optimiser.tell(trial, objectives(search, row))
        rows += new
    return Arm(sampler, repeat, rows, optimiser)


def _evaluate(
    coordinator: Coordinator, stage: str, steps: Sequence[tuple[Cell, Unit]], first: int = 0
) -> list[Row]:
    """Evaluate combinations, numbered from the first on."""
    jobs = [make_jobs(coordinator.study, unit, cell.settings)[-1] for cell, unit in steps]
    outcomes = coordinator.evaluate(stage, jobs)
    return [
        Row(number, cell, unit, outcome, job.config)
        for number, ((cell, unit), job, outcome) in enumerate(
            zip(steps, jobs, outcomes, strict=True), start=first
        )
    ]


def _confirm(coordinator: Coordinator, search: Search, best: Mapping[str, Row]) -> list[Row]:
    study = coordinator.study
    kinds = {"usual": {}, **{sampler: row.cell.settings for sampler, row in best.items()}}
    steps = [
        (make_cell({"settings": Level(name, None, settings)}), unit)
        for name, settings in kinds.items()
        for unit in list_units(study, search.confirm, FRESH_SEEDS)
    ]
    return _evaluate(coordinator, "confirm", steps)


def distribution(factor: Factor) -> BaseDistribution:
    """Make the distribution that Optuna draws a factor from."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if factor.low is None or factor.high is None:
        return CategoricalDistribution([label(level) for level in factor.levels])
    if factor.whole:
        return IntDistribution(int(factor.low), int(factor.high), log=factor.log)
    return FloatDistribution(factor.low, factor.high, log=factor.log)


def read_sampled_levels(study: Study, params: Mapping[str, Any]) -> dict[str, Level]:
    """Read what was sampled as levels."""
    levels = {}
    for name, value in params.items():
        factor = study.factors[name]
        if factor.low is None:
            by_text = {label(level): level for level in factor.levels}
            levels[name] = read_level(name, factor, by_text[value])
        else:
            rounded, text = read_level(name, factor, float(f"{value:.4g}")), f"{value:.4g}"
            levels[name] = replace(rounded, text=text, settings=nest(factor.key, value))
    return levels


def find_front(search: Search, rows: Sequence[Row]) -> list[Row]:
    """Find the trials that no other is at least as good as in every objective, better in one."""
    measured = {row: values for row in rows if WORST not in (values := objectives(search, row))}

    def dominates(other: Row, values: list[float]) -> bool:
        better = all(a >= b for a, b in zip(measured[other], values, strict=True))
        return better and measured[other] != values

    return [
        row
        for row, values in measured.items()
        if not any(dominates(other, values) for other in measured)
    ]
