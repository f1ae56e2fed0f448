"""The journal: one line for each finished trial, in Optuna's own format.

A trial is written when it is finished, whole, as one line that is flushed to the disk. So there is
no trial half-way: whatever happens to the process, those in the file are done, and all others are
not. A last line that was cut off is removed when the journal is opened; the lock of the study's
folder keeps other processes from writing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Outcome = dict[str, Any]


class Journal:
    """The finished trials of a study, by stage.

    Attributes:
        outcomes: Measures or error of each job, by its key.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal, made when there is none.

        Args:
            path: The file.

        Raises:
            ValueError: When it is damaged.
        """
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        _repair(path)
        try:
            self._storage = JournalStorage(JournalFileBackend(str(path)))
            self._stages: dict[str, Study] = {
                stage: optuna.load_study(study_name=stage, storage=self._storage)
                for stage in optuna.get_all_study_names(self._storage)
            }
            trials = [trial for stage in self._stages.values() for trial in stage.get_trials()]
            self.outcomes: dict[str, Outcome] = {
                trial.user_attrs["job"]: trial.user_attrs["outcome"] for trial in trials
            }
        except (ValueError, KeyError, LookupError, TypeError) as error:
            raise ValueError(f"{path} is damaged ({error}): choose another --out") from None

    def add(
        self,
        stage: str,
        job: str,
        number: int,
        outcome: Outcome,
        values: Sequence[float],
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        """Keep a finished trial.

        Args:
            stage: Which part of the study it belongs to.
            job: Key of its job.
            number: Its place in the stage.
            outcome: Its measures, or its error.
            values: What Optuna knows it by; maximised.
            params: Its levels or values by factor.
            distributions: What they were chosen from.
        """
        import optuna
        from optuna.trial import TrialState, create_trial

        if stage not in self._stages:
            self._stages[stage] = optuna.create_study(
                study_name=stage, storage=self._storage, directions=["maximize"] * len(values)
            )
        failed = "error" in outcome
        self._stages[stage].add_trial(
            create_trial(
                state=TrialState.FAIL if failed else TrialState.COMPLETE,
                values=None if failed else list(values),
                params=dict(params),
                distributions=dict(distributions),
                user_attrs={"job": job, "number": number, "outcome": outcome},
            )
        )
        self.outcomes[job] = outcome

    def trials(self, stage: str) -> list[FrozenTrial]:
        """The finished trials of a stage, in the order of their numbers."""
        if stage not in self._stages:
            return []
        finished = self._stages[stage].get_trials(deepcopy=False)
        return sorted(finished, key=lambda trial: int(trial.user_attrs["number"]))


def _repair(path: Path) -> None:
    """Remove what a killed process left: Optuna's lock, and the beginning of a line."""
    for leftover in path.parent.glob(f"{path.name}.lock*"):
        leftover.unlink()
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as handle:
            handle.truncate(whole)
            handle.flush()
            os.fsync(handle.fileno())
