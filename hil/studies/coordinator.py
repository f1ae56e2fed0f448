"""The coordinator: a study as a program whose every trial is looked up before it is evaluated.

It is run from the start each time. Finished trials are looked up in the journal by their key,
which names the settings, so a resumed study takes the course of an undisturbed one and ends with
the same table. What is evaluated next depends on finished trials alone, never on their timing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hil.studies.folder import JOURNAL, Folder
from hil.studies.journal import Journal
from hil.studies.plan import Choice, Job
from hil.studies.pool import Pool
from hil.studies.schema import label
from hil.studies.trial import Outcome, Weights

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from hil.studies.schema import Factor


@dataclass(frozen=True)
class StudyProgress:
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


Watcher = Callable[[StudyProgress], None]


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
        self._watch(StudyProgress(stage, done, total, self._evaluated, seconds))


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
