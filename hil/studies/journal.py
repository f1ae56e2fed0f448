"""The journal: one line for each finished trial, in Optuna's own format.

A trial is written when it is finished, whole, as one line that is flushed to the disk. So there is
no trial half-way: whatever happens to the process, those in the file are done, and all others are
not. The lock of the study's folder keeps other processes from writing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.errors import FileFormatError
from drivers.files.bounded import check_schema, describe_error, parse_json, read_bytes
from hil.sections.trials import Outcome

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Number = Annotated[float, Field(ge=-1e18, le=1e18)]
Text = Annotated[str, Field(max_length=10_000)]
LARGEST = 1 << 27  # bytes of a journal, which is tens of thousands of trials
CHECK, DIGITS = ',"check":"', 16  # how a line ends: with its checksum, in hexadecimal digits


class JournalRecord(BaseModel):
    """A part of a line; nothing is turned into something else."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class OutcomeRecord(JournalRecord):
    """The outcome of a trial: its measures, or its error."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number | None] = Field(init=False)

    error: Text = ""
    curve: list[Number | None] = []
    findings: list[Text] = []
    chosen: Annotated[dict[Text, Text | Number], Field(max_length=100)] = {}


class TrialAttributes(JournalRecord):
    """Our own attributes of a trial."""

    job: Text
    number: Annotated[int, Field(ge=0)]
    outcome: OutcomeRecord


class StageLine(JournalRecord):
    """The line that begins a stage."""

    op_code: Literal[0]
    worker_id: Text
    study_name: Text
    directions: list[Literal[1, 2]]


class TrialLine(JournalRecord):
    """The line of a trial."""

    op_code: Literal[4]
    worker_id: Text
    study_id: Annotated[int, Field(ge=0)]
    datetime_start: Text | None
    datetime_complete: Text | None = None
    state: Literal[1, 3]
    value: Number | None
    values: list[Number] | None
    distributions: dict[str, Text]
    params: dict[str, Any]
    user_attrs: TrialAttributes
    system_attrs: dict[str, Any]
    intermediate_values: dict[str, Any]


class JournalFile:
    """The file of a journal, line by line, as Optuna asks for it.

    Each line ends with a checksum of itself and of all lines before it. Optuna's own reader takes
    it for one more field and passes it over.
    """

    def __init__(self, path: Path) -> None:
        """Read a journal, made when there is none; a last line that was cut off is removed.

        Args:
            path: The file.

        Raises:
            FileFormatError: When it is damaged.
        """
        self._path, self._logs, self._check = path, list[dict[str, Any]](), ""
        if path.is_symlink():
            raise FileFormatError(f"{path} is a link: a journal is none, choose another --out")
        content = read_bytes(path, LARGEST) if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].split(b"\n")[:-1], start=1):
            self._read(line, f"{path}: line {number}")
        with self._open() as handle:
            handle.truncate(whole)
            os.fsync(handle.fileno())

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Read the lines from the one of that number on, the first being 0."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines, on disk when this returns."""
        for log in logs:
            body = json.dumps(log, separators=(",", ":"))
            check = self._checksum(body)
            with self._open() as handle:
                handle.write(f'{body[:-1]}{CHECK}{check}"}}\n'.encode())
                handle.flush()
                os.fsync(handle.fileno())
            self._check = check
            self._logs.append(json.loads(body))

    def _open(self) -> IO[bytes]:
        new = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        return os.fdopen(os.open(self._path, new, 0o666), "ab")

    def _read(self, line: bytes, name: str) -> None:
        """Take in a line of the file."""
        text = line.decode(errors="replace")
        body = text[: -len(CHECK) - DIGITS - 2] + "}"
        check = self._checksum(body)
        if text != f'{body[:-1]}{CHECK}{check}"}}':
            raise FileFormatError(
                f"{name}: does not have the checksum that it states, it was changed or damaged: "
                "choose another --out, or delete it and all lines after it"
            )
        log = parse_json(body, name)
        code = log.get("op_code") if isinstance(log, dict) else None
        kinds: dict[object, type[BaseModel]] = {0: StageLine, 4: TrialLine}
        kind = kinds.get(code if type(code) is int else None)
        if kind is None:
            raise FileFormatError(f"{name}: is neither that of a stage nor that of a trial")
        self._logs.append(check_schema(kind, log, name))
        self._check = check

    def _checksum(self, body: str) -> str:
        return sha256((self._check + body).encode()).hexdigest()[:DIGITS]


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

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            self._storage = JournalStorage(JournalFile(path))  # type: ignore[arg-type]
            self._stages: dict[str, Study] = {
                stage: optuna.load_study(study_name=stage, storage=self._storage)
                for stage in optuna.get_all_study_names(self._storage)
            }
            trials = [trial for stage in self._stages.values() for trial in stage.get_trials()]
        except FileFormatError:
            raise
        except Exception as error:  # Optuna raises nearly anything on what it did not write
            raise FileFormatError(
                f"{path}: is damaged ({describe_error(error)}): choose another --out"
            ) from None
        self.outcomes: dict[str, Outcome] = {
            trial.user_attrs["job"]: trial.user_attrs["outcome"] for trial in trials
        }

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
        """List the finished trials of a stage, in the order of their numbers."""
        if stage not in self._stages:
            return []
        finished = self._stages[stage].get_trials(deepcopy=False)
        return sorted(finished, key=lambda trial: int(trial.user_attrs["number"]))
