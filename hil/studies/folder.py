"""A study's folder. Whatever happens to the process, it stays readable and can be gone on with.

study.toml        the complete study; re-runnable
environment.json  versions and machine, the code and the data that it began with
journal.log       one line for each finished trial
weights/          networks that other trials start from
trials.csv        a row for each trial, without times: the same however it was run
times.csv         where the time of each trial went
best.toml         a search: the best settings, as a configuration
result.json       the numbers behind the page; there when the study is complete
report.html       the page

A trial is written to the journal when it is finished, whole, as one line that is flushed to the
disk. So there is no trial half-way: whatever happens to the process, those in the file are done,
and all others are not. Each line ends with a checksum of itself and of all lines before it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from drivers.contract.messages import read_npz, write_npz
from drivers.errors import FileFormatError
from drivers.files.bounded import check_schema, parse_json, parse_toml, read_bytes, read_json
from drivers.files.writing import remove_drafts, write_text
from hil.runs.exclusive import LOCK, lock
from hil.runs.records import StudyEnvironmentRecord, environment
from hil.sections.trials import FRAMES, MEASURES, TIMES, Outcome, Row, Rows
from hil.studies.plan import flatten
from hil.studies.schema import Study
from hil.studies.trial import Weights
from hil.trust import check_unchanged

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


VERSION = 1
STUDY, ENVIRONMENT, JOURNAL, WEIGHTS = "study.toml", "environment.json", "journal.log", "weights"
TRIALS, TIMES_TABLE, BEST = "trials.csv", "times.csv", "best.toml"
RESULT, REPORT = "result.json", "report.html"
STUDIES = Path("studies")
# What a spreadsheet takes for a formula, and what of it is a number.
_FORMULA = re.compile(r"[=+\-@\t\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Sources:
    """Things that a study takes from outside of its own file.

    Attributes:
        code: SHA-256 of each file of code that it names, by name.
        data: SHA-256 of the samples of each task, as its first trial takes them.
    """

    code: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study.

    Attributes:
        path: Where it is.
        study: The study.
        left_out: Parts of it that the device has no options for, and why.
        sources: The code and the data that it takes from elsewhere.
    """

    path: Path
    study: Study
    left_out: Mapping[str, str] = field(default_factory=dict)
    sources: Sources = Sources()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the folder, or take up what is in it, and keep other processes out.

        Raises:
            ValueError: When it holds another study, or something else, or is in use.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file: choose another --out")
        ours = (self.path / JOURNAL).exists() or (self.path / LOCK).exists()
        if self.path.exists() and any(self.path.iterdir()) and not ours:
            raise ValueError(f"{self.path} holds something else than a study: choose another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        with lock(self.path):
            self._take_up()
            yield

    def _take_up(self) -> None:
        """Write down the study, or check that it is the one that the folder is about."""
        weights = self.path / WEIGHTS
        if weights.is_symlink():
            raise ValueError(f"{weights} is a link: the folder of a study has none, remove it")
        remove_drafts(self.path)
        text = dump_study(self.study)
        try:
            there = read_bytes(self.path / STUDY)
        except FileFormatError:
            if (self.path / STUDY).is_symlink() or (self.path / STUDY).exists():
                raise
            weights.mkdir(exist_ok=True)
            record = {**environment(), **asdict(self.sources)}
            write_text(self.path / ENVIRONMENT, json.dumps(record, indent=2) + "\n")
            write_text(self.path / STUDY, text)
            return
        weights.mkdir(exist_ok=True)
        remove_drafts(weights)
        difference = _first_difference(there, text)
        if difference is not None:
            raise ValueError(
                f"{self.path} holds the results of another study ({difference}): "
                "choose another --out, or ask for that one again"
            )
        self._check_sources()

    def _check_sources(self) -> None:
        """Refuse to go on with other code or data than the study began with."""
        began = self.environment()
        check_unchanged(began["code"], self.sources.code)
        for task, digest in self.sources.data.items():
            if began["data"].get(task) != digest:
                then = began["data"].get(task, "none")
                raise ValueError(
                    f"{self.path} began with other data than {task} holds now (SHA-256 "
                    f"{then[:12]}, now {digest[:12]}): bring those back, or choose another --out"
                )

    def environment(self) -> dict[str, Any]:
        """Read `environment.json`.

        Raises:
            FileFormatError: When it is missing or damaged.
        """
        path = self.path / ENVIRONMENT
        return check_schema(StudyEnvironmentRecord, read_json(path), str(path))

    def save_weights(self, key: str, weights: Weights) -> None:
        """Keep the weights that a job ended with."""
        write_npz(self.path / WEIGHTS / f"{key}.npz", "weights", weights, VERSION)

    def load_weights(self, key: str) -> Weights:
        """Load the weights that a job ended with.

        Raises:
            FileFormatError: When they are missing or damaged.
        """
        path = self.path / WEIGHTS / f"{key}.npz"
        stored = read_npz(path, ("weights",), VERSION)
        weights = {n: a for n, a in stored.items() if n.startswith(("weights/", "ways/"))}
        for name, array in weights.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise FileFormatError(f"{path}: {name[:60]} are no weights: delete it")
        graph = {
            n: a for n, a in stored.items() if n.startswith(("delays/", "synapses/", "cells/"))
        }
        return {name: array.astype(np.float32) for name, array in weights.items()} | graph

    def has_weights(self, key: str) -> bool:
        """Tell if the weights of a job are there."""
        return (self.path / WEIGHTS / f"{key}.npz").exists()


def dump_study(study: Study) -> str:
    """Write the complete study as TOML."""
    import tomli_w

    return tomli_w.dumps(_without_none(study.model_dump(mode="json", exclude_defaults=True)))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def _first_difference(there: bytes, given: str) -> str | None:
    """The first key in which two studies differ, in words; None for the same study."""
    try:
        old = dict(flatten(parse_toml(there, STUDY)))
    except FileFormatError as error:
        return str(error)
    new = dict(flatten(parse_toml(given.encode(), STUDY)))
    for key in [*new, *old]:
        if old.get(key) != new.get(key):
            then, now = (_short(values.get(key)) for values in (old, new))
            return f"{key} there is {then}, asked for is {now}"
    return None


def _short(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# -- tables --------------------------------------------------------------------------------------


def trials_csv(rows: Rows, factors: Sequence[str], parts: Sequence[str] | None = None) -> str:
    """Tabulate everything but times: the same bytes however the study was run.

    Args:
        rows: The trials.
        factors: Columns for their levels.
        parts: What the part of each trial is called, row by row; that of its cell when None.

    Returns:
        The table, with a header.
    """
    header = ["trial", "part", *factors, "unit", "seed", "chip", *MEASURES, "error"]
    parts = [row.cell.part for row in rows] if parts is None else parts
    lines = [
        [
            row.number,
            part,
            *(row.text(factor) for factor in factors),
            row.unit.number,
            row.unit.seed,
            row.device or ("" if row.unit.chip is None else row.unit.chip),
            *_numbers(row, MEASURES),
            row.outcome.get("error", ""),
        ]
        for row, part in zip(rows, parts, strict=True)
    ]
    return _csv(header, lines)


def times_csv(rows: Rows) -> str:
    """Tabulate what need not be the same again: seconds, firmware, and frames on the line."""
    return _csv(
        ["trial", *TIMES, "firmware", *FRAMES],
        (
            [
                row.number,
                *_numbers(row, TIMES),
                row.outcome.get("firmware", ""),
                *_numbers(row, FRAMES),
            ]
            for row in rows
        ),
    )


def _numbers(row: Row, names: Iterable[str]) -> list[str]:
    measured = (row.measure(name) for name in names)
    return ["" if value is None else f"{value:.10g}" for value in measured]


def _csv(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([_quote_formula(cell) for cell in line] for line in (header, *lines))
    return buffer.getvalue()


def _quote_formula(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: a text that looks like one is quoted."""
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # which alone would end the row
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
