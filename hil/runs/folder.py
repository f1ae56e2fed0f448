"""A run is a folder. Whatever happens to the process, the folder stays readable.

config.toml       the complete configuration; re-runnable
environment.json  versions, machine, and what was chosen by what the device states
start.npz         the weights to start from, where another run gives them
checkpoint.npz    everything needed to go on; replaced as a whole
metrics.jsonl     one line per epoch, rewritten from the checkpoint's own record
snapshot.npz      what the report shows of the trained network
result.json       the final figures; there when the run is complete
report.html       the page
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from drivers.contract.errors import FileFormatError
from drivers.contract.files import read_npz, write_npz, write_text
from hil.runs.lock import locked

if TYPE_CHECKING:
    from hil.config import Config

VERSION = 1
CONFIG, ENVIRONMENT, METRICS = "config.toml", "environment.json", "metrics.jsonl"
CHECKPOINT, SNAPSHOT, RESULT = "checkpoint.npz", "snapshot.npz", "result.json"
START, REPORT = "start.npz", "report.html"
RUNS = Path("runs")

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(
        cls, path: Path | None, config: Config, chosen: Sequence[Mapping[str, Any]] = ()
    ) -> Run:
        """Make a new run folder; it appears with its configuration or not at all.

        The weights of the run that `config.start` names are copied into it, so that it no longer
        depends on that run.

        Args:
            path: Where; None picks `runs/TASK-RULE-seedN`, numbered when it is taken.
            config: The complete configuration.
            chosen: What of it was chosen by what the device states, and why, as JSON takes it.

        Raises:
            ValueError: When the folder exists, or cannot be made, or nothing can start from
                `config.start`.
        """
        if path is not None and path.exists():
            raise ValueError(
                f"{path} exists already: choose another --out, or go on with it: "
                f"hil resume {quote(str(path))}"
            )
        from hil.config import dump

        start = cls.open(config.start).weights() if config.start else None
        parent = RUNS if path is None else path.parent
        draft = parent / f".draft.{uuid4().hex}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            draft.mkdir()
            (draft / CONFIG).write_text(dump(config), encoding="utf-8")
            made = {"version": VERSION, **environment(), "chosen": list(chosen)}
            machine = json.dumps(made, indent=2)
            (draft / ENVIRONMENT).write_text(machine + "\n", encoding="utf-8")
            if start is not None:
                write_npz(draft / START, "start", start, VERSION)
            return cls(_placed(draft, path, config))
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise ValueError(
                f"run folder {path or parent} cannot be made: {error.strerror}{where}"
            ) from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run folder.

        Raises:
            ValueError: When it is none, or one that a newer version wrote.
        """
        run = cls(Path(path))
        try:
            made = json.loads((run.path / ENVIRONMENT).read_text(encoding="utf-8"))
            version = int(made["version"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path} is no run folder: give one that hil train made (it holds {ENVIRONMENT})"
            ) from None
        if version > VERSION:
            raise ValueError(
                f"{path} is a run folder of version {version}, this spikeloop reads up to "
                f"{VERSION}: upgrade it"
            )
        return run

    def environment(self) -> dict[str, Any]:
        """Machine, versions, and `chosen`: what was chosen by what the device states."""
        text = (self.path / ENVIRONMENT).read_text(encoding="utf-8")
        return {"chosen": [], **json.loads(text)}

    def add_chosen(self, chosen: Sequence[Mapping[str, Any]]) -> None:
        """Keep what else was chosen; a choice of the same setting is replaced."""
        made, new = self.environment(), {choice["setting"] for choice in chosen}
        kept = [choice for choice in made["chosen"] if choice["setting"] not in new]
        text = json.dumps({**made, "chosen": [*kept, *chosen]}, indent=2)
        write_text(self.path / ENVIRONMENT, text + "\n")

    def config(self) -> Config:
        """The configuration of the run."""
        from hil.config import build, read

        return build(read(self.path / CONFIG))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to the run; the lock goes with the process.

        What a killed process left half-written is removed.

        Raises:
            ValueError: When another process holds it.
        """
        with locked(self.path):
            for name in (CHECKPOINT, SNAPSHOT, METRICS, RESULT, REPORT):
                for leftover in self.path.glob(f".{name}.*"):
                    leftover.unlink(missing_ok=True)
            yield

    # -- what is written ----------------------------------------------------------------------

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        """Replace the checkpoint as a whole."""
        config = np.asarray((self.path / CONFIG).read_text(encoding="utf-8"))
        write_npz(self.path / CHECKPOINT, "checkpoint", {**arrays, "config": config}, VERSION)

    def load_checkpoint(self) -> Arrays | None:
        """The last checkpoint, or None before the first.

        Raises:
            ValueError: When it is damaged, or of another configuration than `config.toml`.
        """
        path, config = self.path / CHECKPOINT, self.path / CONFIG
        if not path.exists():
            return None
        again = f"hil train --config {quote(str(config))} --out NEW"
        try:
            arrays = read_npz(path, ("checkpoint",), VERSION)
        except FileFormatError as error:
            raise ValueError(f"{error}; start anew with: {again}") from None
        if str(arrays.pop("config", "")) != config.read_text(encoding="utf-8"):
            raise ValueError(
                f"{config} was changed after the run began: put it back, or start anew with: "
                f"{again}"
            )
        return arrays

    def weights(self) -> Arrays:
        """The shadow weights `weights/N` of the last checkpoint, of a complete run or not.

        Raises:
            ValueError: When there is no checkpoint yet, or it is damaged.
        """
        checkpoint = self.load_checkpoint()
        if checkpoint is None:
            raise ValueError(
                f"{self.path} has no checkpoint yet: train it first: "
                f"hil resume {quote(str(self.path))}"
            )
        return {name: w for name, w in checkpoint.items() if name.startswith("weights/")}

    def load_start(self) -> Arrays:
        """The weights `weights/N` to start from, of a run that does not draw its own.

        Raises:
            FileFormatError: When they are missing or damaged.
        """
        return read_npz(self.path / START, ("start",), VERSION)

    def save_snapshot(self, arrays: Mapping[str, object]) -> None:
        """Replace the snapshot for the report."""
        write_npz(self.path / SNAPSHOT, "snapshot", arrays, VERSION)

    def load_snapshot(self) -> Arrays | None:
        """The snapshot, or None when the run is not complete."""
        path = self.path / SNAPSHOT
        return read_npz(path, ("snapshot",), VERSION) if path.exists() else None

    def save_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the metrics, one JSON object a line."""
        write_text(self.path / METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics of each finished epoch.

        Raises:
            ValueError: When the file is damaged.
        """
        path = self.path / METRICS
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [self._parsed(path, line, "epoch") for line in lines]

    def save_result(self, result: Mapping[str, Any]) -> None:
        """Write the final figures, which completes the run."""
        write_text(self.path / RESULT, json.dumps(result, indent=2) + "\n")

    def result(self) -> dict[str, Any] | None:
        """The final figures, or None while the run is not complete.

        Raises:
            ValueError: When the file is damaged.
        """
        path = self.path / RESULT
        if not path.exists():
            return None
        return self._parsed(path, path.read_bytes(), "test_accuracy")

    def _parsed(self, path: Path, text: bytes, key: str) -> dict[str, Any]:
        """A JSON object that has a certain key."""
        try:
            found: dict[str, Any] = json.loads(text)
            found[key]
        except (ValueError, TypeError, LookupError):
            raise ValueError(
                f"{path} is damaged: delete {METRICS} and {RESULT}, then "
                f"hil resume {quote(str(self.path))} writes them anew"
            ) from None
        return found


def _placed(draft: Path, path: Path | None, config: Config) -> Path:
    """Move a folder to a path, or where none is given to the first free one below `runs/`."""
    stem = f"{config.task.split('/')[-1].replace(':', '-')}-{config.rule['name']}-seed{config.seed}"
    number = 1
    while True:
        place = path or RUNS / (stem if number == 1 else f"{stem}-{number}")
        try:
            os.rename(draft, place)
            return place
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
            if path is not None or not taken:
                raise
        number += 1


def environment() -> dict[str, Any]:
    """Machine and versions, for the record."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in ("spikeloop", "brian2", "numpy", "scipy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": versions,
        "blas_threads": 1,
    }
