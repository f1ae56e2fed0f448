"""The coordinator: a study as a program whose every trial is looked up before it is evaluated.

It is run from the start each time. Finished trials are looked up in the journal by their key,
which names the settings, so a resumed study takes the course of an undisturbed one and ends with
the same table. What is evaluated next depends on finished trials alone, never on their timing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hil.sections.trials import Level, Outcome
from hil.studies.folder import JOURNAL, StudyFolder
from hil.studies.journal import Journal
from hil.studies.plan import Job
from hil.studies.pool import Pool
from hil.studies.schema import label

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from hil.studies.schema import Factor


@dataclass(frozen=True)
class StudyProgress:
    """Progress of a study.

    Attributes:
        stage: Name of the stage that it is in.
        done: Trials done, in this process or before.
        total: Trials in all, as far as can be told yet.
        evaluated: Trials done in this process.
        seconds: Since it began.
    """

    stage: str
    done: int
    total: int
    evaluated: int
    seconds: float


@dataclass(frozen=True)
class PlannedTrial:
    """A job with what Optuna knows it by.

    Attributes:
        job: The job.
        params: Levels or values by factor.
        distributions: What they were chosen from.
    """

    job: Job
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)

    @classmethod
    def of(
        cls, job: Job, levels: Mapping[str, Level], factors: Mapping[str, Factor]
    ) -> PlannedTrial:
        """Plan a job with levels of some factors."""
        from optuna.distributions import CategoricalDistribution

        own = {name: factor for name, factor in factors.items() if name in levels}
        return cls(
            job,
            {name: levels[name].text for name in own},
            {n: CategoricalDistribution([label(v) for v in f.levels]) for n, f in own.items()},
        )


class Coordinator:
    """Evaluates the stages of one study.

    Attributes:
        study: The study.
        journal: Its finished trials.
        expected: Trials in all, as far as can be told yet.
    """

    def __init__(
        self, folder: StudyFolder, pool: Pool, watch: Callable[[StudyProgress], None]
    ) -> None:
        """Take up a study whose folder is locked.

        Args:
            folder: Its folder.
            pool: Evaluates trials.
            watch: Called after each of them.
        """
        self.study, self._folder, self._pool, self._watch = folder.study, folder, pool, watch
        self.journal = Journal(folder.path / JOURNAL)
        self._began, self._evaluated = time.perf_counter(), 0
        self._seen: set[str] = set()
        self.expected = 0

    def evaluate(
        self, stage: str, trials: Sequence[PlannedTrial], measures: Sequence[str]
    ) -> list[Outcome]:
        """Evaluate the trials that the journal does not have.

        Args:
            stage: Name of the stage, for the journal.
            trials: The trials.
            measures: What Optuna knows them by.

        Returns:
            The outcome of each, in the same order.
        """
        places = dict[str, int]()
        for number, trial in enumerate(trials):
            if not self._is_done(trial.job):
                places.setdefault(trial.job.key, number)
        self._seen |= {trial.job.key for trial in trials}
        self._report(stage)
        requests = (
            (n, trials[n].job, self._folder.load_weights(start) if start else None)
            for n in places.values()
            for start in [trials[n].job.start]
        )
        for number, outcome, weights in self._pool(requests):
            trial = trials[number]
            if weights:
                self._folder.save_weights(trial.job.key, weights)
            values = [outcome.get(measure) or 0.0 for measure in measures]
            self.journal.add(
                stage, trial.job.key, number, outcome, values, trial.params, trial.distributions
            )
            self._evaluated += 1
            self._report(stage)
        return [self.journal.outcomes[trial.job.key] for trial in trials]

    def _is_done(self, job: Job) -> bool:
        """Tell if a job is finished, and the weights that others want of it are there."""
        outcome = self.journal.outcomes.get(job.key)
        if outcome is None:
            return False
        return not job.keep or "error" in outcome or self._folder.has_weights(job.key)

    def _report(self, stage: str) -> None:
        done = len(self._seen & self.journal.outcomes.keys())
        total = max(self.expected, len(self._seen))
        seconds = time.perf_counter() - self._began
        self._watch(StudyProgress(stage, done, total, self._evaluated, seconds))
