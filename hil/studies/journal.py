"""The journal: one line for each finished trial.

A trial is written when it is finished, whole, as one line that is flushed to the disk. So there is
no trial half-way: whatever happens to the process, those in the file are done, and all others are
not. Each line ends with a checksum of itself and of all lines before it. The lock of the study's
folder keeps other processes from writing.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field

from drivers.errors import FileFormatError
from drivers.files.bounded import check_schema, parse_json, read_bytes
from hil.sections.trials import Outcome

Number = Annotated[float, Field(ge=-1e18, le=1e18)]
Text = Annotated[str, Field(max_length=10_000)]
LARGEST = 1 << 27  # bytes of a journal, which is tens of thousands of trials
CHECK, DIGITS = ',"check":"', 16  # how a line ends: with its checksum, in hexadecimal digits


class OutcomeRecord(BaseModel):
    """The outcome of a trial: its measures, or its error."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Number | None] = Field(init=False)

    error: Text = ""
    served: Text = ""
    passed_over: Text = ""
    firmware: Text = ""
    curve: list[Number | None] = []
    paid: list[dict[Text, Number | None]] = []
    findings: list[Text] = []
    faults: list[list[Number]] = []
    chosen: Annotated[dict[Text, Text | Number], Field(max_length=100)] = {}


class TrialLine(BaseModel):
    """A line; nothing is turned into something else."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    stage: Text
    job: Text
    outcome: OutcomeRecord


class Journal:
    """The finished trials of a study.

    Attributes:
        outcomes: Measures or error of each job, by its key.
        stages: Number of finished trials of each stage of the study.
    """

    def __init__(self, path: Path) -> None:
        """Read a journal, made when there is none; a last line that was cut off is removed.

        Args:
            path: The file.

        Raises:
            FileFormatError: When it is damaged.
        """
        self.outcomes: dict[str, Outcome] = {}
        self.stages = Counter[str]()
        self._path, self._check = path, ""
        if path.is_symlink():
            raise FileFormatError(f"{path} is a link: a journal is none, choose another --out")
        content = read_bytes(path, LARGEST) if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].split(b"\n")[:-1], start=1):
            self._read(line.decode(errors="replace"), f"{path}: line {number}")
        with self._open() as handle:
            handle.truncate(whole)
            os.fsync(handle.fileno())

    def add(self, stage: str, job: str, outcome: Outcome) -> None:
        """Keep a finished trial, on disk when this returns.

        Args:
            stage: Part of the study that it belongs to.
            job: Key of its job.
            outcome: Its measures, or its error.
        """
        record = {"stage": stage, "job": job, "outcome": outcome}
        body = json.dumps(record, separators=(",", ":"))
        line = f"{self._with_checksum(body)}\n".encode()
        self._take_in(body, f"{self._path}: a new line")
        with self._open() as handle:
            handle.write(line)
            handle.flush()
            os.fsync(handle.fileno())

    def _read(self, line: str, name: str) -> None:
        """Take in a line of the file."""
        body = line[: -len(CHECK) - DIGITS - 2] + "}"
        if line != self._with_checksum(body):
            raise FileFormatError(
                f"{name}: does not have the checksum that it states, it was changed or damaged: "
                "choose another --out, or delete it and all lines after it"
            )
        self._take_in(body, name)

    def _take_in(self, body: str, name: str) -> None:
        record = check_schema(TrialLine, parse_json(body, name), name)
        self.outcomes[record["job"]] = record["outcome"]
        self.stages[record["stage"]] += 1
        self._check = self._checksum(body)

    def _open(self) -> IO[bytes]:
        new = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        return os.fdopen(os.open(self._path, new, 0o666), "ab")

    def _with_checksum(self, body: str) -> str:
        return f'{body[:-1]}{CHECK}{self._checksum(body)}"}}'

    def _checksum(self, body: str) -> str:
        return sha256((self._check + body).encode()).hexdigest()[:DIGITS]
