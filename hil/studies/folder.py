"""A study's folder. Whatever happens to the process, it stays readable and can be gone on with.

study.toml        the complete study; re-runnable
environment.json  versions and machine, the code and the data that it began with
journal.log       one line for each finished trial, in Optuna's format
weights/          networks that other trials start from
trials.csv        a row for each trial, without times: the same however it was run
times.csv         where the time of each trial went
best.toml         a search: the best settings, as a configuration
result.json       the numbers behind the page; there when the study is complete
report.html       the page
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from drivers.contract.messages import read_npz, write_npz
from drivers.errors import FileFormatError
from drivers.files.bounded import check_schema, parse_toml, read_bytes, read_json
from drivers.files.writing import remove_drafts, write_text
from hil.runs.exclusive import LOCK, lock
from hil.runs.records import StudyEnvironmentRecord, environment
from hil.sections.trials import FRAMES, MEASURES, TIMES, Row, Rows
from hil.studies.plan import flatten
from hil.studies.schema import Study
from hil.studies.trial import Weights
from hil.trust import check_unchanged

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
        given = dump_study(self.study)
        try:
            there = read_bytes(self.path / STUDY)
        except FileFormatError:
            if (self.path / STUDY).is_symlink() or (self.path / STUDY).exists():
                raise
            weights.mkdir(exist_ok=True)
            record = {**environment(), **asdict(self.sources)}
            write_text(self.path / ENVIRONMENT, json.dumps(record, indent=2) + "\n")
            write_text(self.path / STUDY, given)
            return
        weights.mkdir(exist_ok=True)
        remove_drafts(weights)
        difference = _first_difference(there, given)
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
        record: dict[str, Any] = check_schema(StudyEnvironmentRecord, read_json(path), str(path))
        return record

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
    writer.writerows([_harmless(cell) for cell in line] for line in (header, *lines))
    return buffer.getvalue()


def _harmless(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: a text that looks like one is quoted."""
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r\n", "\n").replace("\r", "\n")  # which alone would end the row
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
