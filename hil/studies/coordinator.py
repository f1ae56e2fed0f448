"""The coordinator: a study as a program whose every trial is looked up before it is evaluated.

It is run from the start each time. Finished trials are found in the journal by their key, which
names the settings, so a resumed study goes the way that it would have gone, and ends with the
same table. What is evaluated next depends on finished trials alone, never on their timing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hil.studies.definition import label
from hil.studies.folder import JOURNAL, Folder
from hil.studies.journal import Journal
from hil.studies.plan import TUNING_SEEDS, Cell, Choice, Job, cells, combinations, job, units
from hil.studies.pool import Pool
from hil.studies.table import Row
from hil.studies.trial import Outcome, Weights

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from hil.studies.definition import Factor, Study, Tune


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    Attributes:
        stage: What is under way.
        done: Trials done, in this process or before.
        total: Trials in all, as far as is known.
        evaluated: Trials done in this process.
        seconds: Since it began.
    """

    stage: str
    done: int
    total: int
    evaluated: int
    seconds: float


Watcher = Callable[[Progress], None]


@dataclass(frozen=True)
class Trial:
    """A job with what Optuna knows it by."""

    job: Job
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]


class Coordinator:
    """Evaluates the stages of one study.

    Attributes:
        study: The study.
        journal: Its finished trials.
    """

    def __init__(self, folder: Folder, pool: Pool, watch: Watcher) -> None:
        """Take up a study whose folder is locked.

        Args:
            folder: Its folder.
            pool: Where trials are evaluated.
            watch: Called after each of them.
        """
        self.study, self._folder, self._pool, self._watch = folder.study, folder, pool, watch
        self.journal = Journal(folder.path / JOURNAL)
        self._began, self._evaluated = time.perf_counter(), 0
        self._seen: set[str] = set()
        self.expected = 0

    def evaluate(
        self, stage: str, trials: Sequence[Trial], measures: Sequence[str]
    ) -> list[Outcome]:
        """Evaluate what is not known yet.

        Args:
            stage: Name of the stage, for the journal.
            trials: The trials.
            measures: What Optuna knows them by.

        Returns:
            The outcome of each, in the same order.
        """
        known, places = self.journal.outcomes, dict[str, int]()
        for number, trial in enumerate(trials):
            if not self._done(trial.job):
                places.setdefault(trial.job.key, number)
        self._seen |= {trial.job.key for trial in trials}
        self._tell(stage)
        requests = (
            (number, trials[number].job, self._weights(trials[number].job))
            for number in places.values()
        )
        for number, outcome, weights in self._pool(requests):
            trial = trials[number]
            if weights:
                self._folder.save_weights(trial.job.key, weights)
            self.journal.add(
                stage,
                trial.job.key,
                number,
                outcome,
                [outcome.get(measure) or 0.0 for measure in measures],
                trial.params,
                trial.distributions,
            )
            self._evaluated += 1
            self._tell(stage)
        return [known[trial.job.key] for trial in trials]

    def _done(self, job: Job) -> bool:
        """Whether a job is finished, and what others want of it is there."""
        outcome = self.journal.outcomes.get(job.key)
        if outcome is None:
            return False
        return not job.keep or "error" in outcome or self._folder.has_weights(job.key)

    def _weights(self, job: Job) -> Weights | None:
        return self._folder.load_weights(job.start) if job.start else None

    def _tell(self, stage: str) -> None:
        done = len(self._seen & self.journal.outcomes.keys())
        total = max(self.expected, len(self._seen))
        seconds = time.perf_counter() - self._began
        self._watch(Progress(stage, done, total, self._evaluated, seconds))


def grid(coordinator: Coordinator) -> list[Row]:
    """Evaluate every combination of levels, tuned and pre-trained where the study says so.

    Args:
        coordinator: Of a study without a search.

    Returns:
        The table.
    """
    study = coordinator.study
    places, repetitions = cells(study), units(study)
    tuned = tune(coordinator, places, study.tune) if study.tune else {}
    steps = []
    for cell in places:
        best = tuned[_tuned_by(cell, study.tune)] if study.tune else {}
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
    return [
        Row(number, cell, unit, broken.get(jobs[0].key) or next(outcomes))
        for number, (cell, unit, jobs) in enumerate(steps)
    ]


def tune(
    coordinator: Coordinator, places: Sequence[Cell], tuning: Tune
) -> dict[tuple[str, ...], dict[str, Any]]:
    """The settings that did best on validation samples, for each combination of some factors.

    They are tried on seeds of their own, so that what is compared later has not been chosen by.

    Args:
        coordinator: Of the study.
        places: Its combinations of levels.
        tuning: What is tuned.

    Returns:
        Settings by the levels of the factors.
    """
    study = coordinator.study
    options = list(combinations(tuning.factors))
    repetitions = units(study, tuning.times, TUNING_SEEDS)
    kinds: dict[tuple[str, ...], Cell] = {}
    for cell in places:
        kinds.setdefault(_tuned_by(cell, tuning), cell)
    trials, owners = [], []
    for kind, cell in kinds.items():
        # What is to be pre-trained is tuned as it is trained.
        below = {**cell.settings, "way": "scratch"}
        for number, option in enumerate(options):
            for unit in repetitions:
                (only,) = job(study, unit, below, Cell("", option).settings)
                trials.append(Trial(only, *as_optuna(tuning.factors, option)))
                owners.append((kind, number))
    coordinator.expected = len(trials) + len(places) * study.repeat.times
    outcomes = coordinator.evaluate("tune", trials, ["validation_accuracy"])
    found: dict[tuple[tuple[str, ...], int], float] = {}
    for owner, outcome in zip(owners, outcomes, strict=True):
        found[owner] = found.get(owner, 0.0) + (outcome.get("validation_accuracy") or 0.0)
    best = {kind: max((found[kind, n], -n) for n in range(len(options))) for kind in kinds}
    return {kind: Cell("", options[-n]).settings for kind, (_, n) in best.items()}


def _tuned_by(cell: Cell, tuning: Tune | None) -> tuple[str, ...]:
    names = () if tuning is None else tuning.by
    return tuple(cell.choices[name].text for name in names)


def as_optuna(
    factors: Mapping[str, Factor], choices: Mapping[str, Choice], prefix: str = ""
) -> tuple[dict[str, str], dict[str, BaseDistribution]]:
    """Chosen levels as parameters, with what they were chosen from."""
    from optuna.distributions import CategoricalDistribution

    params = {prefix + name: choices[name].text for name in factors}
    distributions: dict[str, BaseDistribution] = {
        prefix + name: CategoricalDistribution([label(level) for level in factor.levels])
        for name, factor in factors.items()
    }
    return params, distributions


def _params(study: Study, cell: Cell) -> tuple[dict[str, str], dict[str, BaseDistribution]]:
    """The levels of a cell; a factor of a part bears the name of the part."""
    params, distributions = as_optuna(study.factors, cell.choices)
    if cell.part:
        own = as_optuna(study.parts[cell.part].factors, cell.choices, f"{cell.part}/")
        params |= own[0]
        distributions |= own[1]
    return params, distributions
