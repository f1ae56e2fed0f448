"""The coordinator: a study as a program whose every trial is looked up before it is evaluated.

It is run from the start each time. Finished trials are looked up in the journal by their key,
which names the settings, so a resumed study takes the course of an undisturbed one and ends with
the same table. What is evaluated next depends on finished trials alone, never on their timing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hil.sections.trials import Outcome
from hil.studies.devices import Devices
from hil.studies.folder import JOURNAL, StudyFolder
from hil.studies.journal import Journal
from hil.studies.plan import Job
from hil.studies.pool import Pool, Request
from hil.studies.trial import FAILED


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
        self._devices = Devices(folder.study.repeat.devices)
        self._began, self._evaluated = time.perf_counter(), 0
        self._seen: set[str] = set()
        self.expected = 0

    def evaluate(self, stage: str, jobs: Sequence[Job]) -> list[Outcome]:
        """Evaluate the jobs that the journal does not have.

        Args:
            stage: Name of the stage, for the journal.
            jobs: The jobs.

        Returns:
            The outcome of each, in the same order.
        """
        keys = [job.key for job in jobs]
        waiting = {key: job for key, job in zip(keys, jobs, strict=True) if not self._is_done(job)}
        self._seen |= set(keys)
        self._report(stage)
        while waiting:
            placed: dict[str, tuple[str, Outcome]] = {}
            for job, outcome, weights in self._pool(self._place_all(waiting, placed)):
                key, note = placed[job.key]
                if FAILED in outcome:
                    self._devices.pass_over(job, *outcome[FAILED])
                    continue
                del waiting[key]
                if weights:
                    self._folder.save_weights(key, weights)
                self.journal.add(stage, key, {**outcome, **note})
                self._evaluated += 1
                self._report(stage)
        return [self.journal.outcomes[key] for key in keys]

    def _place_all(
        self, waiting: Mapping[str, Job], placed: dict[str, tuple[str, Outcome]]
    ) -> Iterator[Request]:
        """Lay jobs on devices that work, as they are asked for, and write down which was which."""
        for key, job in list(waiting.items()):
            moved, note = self._devices.place(job)
            placed[moved.key] = key, note
            yield moved, self._folder.load_weights(job.start) if job.start else None

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
