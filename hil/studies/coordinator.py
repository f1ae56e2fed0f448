"""The coordinator: a study as a program whose every trial is looked up before it is evaluated.

It is run from the start each time. Finished trials are looked up in the journal by their key,
which names the settings, so a resumed study takes the course of an undisturbed one and ends with
the same table. What is evaluated next depends on finished trials alone, never on their timing.

Repetitions take devices in turn; those that fail are done without.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from drivers import lab
from drivers.errors import DeviceNotFound, make_error
from hil.sections.trials import Outcome
from hil.studies.folder import JOURNAL, Journal, StudyFolder
from hil.studies.plan import Job
from hil.studies.pool import Pool, Request
from hil.studies.trial import FAILED


class Devices:
    """Lays jobs on devices that work, in place of those that do not."""

    def __init__(self, devices: Sequence[str]) -> None:
        """Begin without those that the lab has in quarantine.

        Args:
            devices: Addresses, or names of the lab.
        """
        sick = lab.list_notes(lab.QUARANTINE) if devices else {}
        self._devices = devices
        self._out = {
            each: f"in quarantine since {sick[name]}"
            for each in devices
            if (name := lab.find_name(each)) in sick
        }

    def place(self, job: Job) -> tuple[Job, Outcome]:
        """Lay a job on a device that works.

        Returns:
            The job there, and what is to be noted of it beside its outcome.

        Raises:
            DeviceNotFound: When none is left.
        """
        config = json.loads(job.config)
        wanted = config["device"]
        if wanted not in self._out:
            return job, {}
        left = [each for each in self._devices if each not in self._out]
        if not left:
            raise DeviceNotFound(f"no device of repeat.devices is left: {self._out}")
        # By its seed, so that trials that are compared in pairs stay on the same device.
        config["device"] = left[config["seed"] % len(left)]
        if config["network"]["calibration"] == lab.find_calibration(wanted):
            config["network"]["calibration"] = lab.find_calibration(config["device"])
        note = {"served": config["device"], "passed_over": f"{wanted}: {self._out[wanted]}"}
        return replace(job, config=json.dumps(config, sort_keys=True)), note

    def pass_over(self, job: Job, kind: str, why: str) -> None:
        """Do without the device of a job; one that fails at work is put in quarantine.

        Raises:
            DeviceError: What failed, where there is no other device.
        """
        device, error = json.loads(job.config)["device"], make_error(kind, why)
        if not set(self._devices) - set(self._out) - {device}:
            raise error
        self._out[device] = why
        if not isinstance(error, DeviceNotFound):  # absent, or another's
            lab.add_note(lab.QUARANTINE, device, why)


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
