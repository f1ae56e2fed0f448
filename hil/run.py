"""A run is a folder. Whatever happens to the process, the folder stays readable.

    config.toml       the complete configuration; re-runnable
    environment.json  versions and machine
    checkpoint.npz    everything needed to go on; replaced as a whole
    metrics.jsonl     one line per epoch, rewritten from the checkpoint's own record
    evidence.npz      what the report shows of the trained network
    result.json       the final figures; there when the run is complete
    report.html       the page
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers.files import read_npz, write_npz

if TYPE_CHECKING:
    from hil.config import Config

VERSION = 1
CONFIG, ENVIRONMENT, METRICS = "config.toml", "environment.json", "metrics.jsonl"
CHECKPOINT, EVIDENCE, RESULT = "checkpoint.npz", "evidence.npz", "result.json"
REPORT, LOCK = "report.html", ".lock"

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path | None, config: Config) -> Run:
        """Make a new run folder; it appears with its configuration or not at all.

        Args:
            path: Where; None picks `runs/TASK-RULE-seedN`, numbered when it is taken.
            config: The complete configuration.

        Raises:
            ValueError: When the folder exists, or cannot be made.
        """
        chosen = path if path is not None else _free_path(config)
        if chosen.exists():
            raise ValueError(
                f"{chosen} exists already: choose another --out, or go on with it: hil resume {chosen}"
            )
        from hil.config import dump

        try:
            chosen.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=f".{chosen.name}.", dir=chosen.parent))
        except OSError as error:
            raise ValueError(f"run folder {chosen} cannot be made: {error.strerror}") from None
        try:
            draft.chmod(0o755)
            (draft / CONFIG).write_text(dump(config), encoding="utf-8")
            environment = json.dumps({"version": VERSION, **_environment()}, indent=2)
            (draft / ENVIRONMENT).write_text(environment + "\n", encoding="utf-8")
            os.rename(draft, chosen)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise ValueError(f"run folder {chosen} cannot be made: {error.strerror}") from None
        return cls(chosen)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run folder.

        Raises:
            ValueError: When it is none, or one that a newer version wrote.
        """
        run = cls(Path(path))
        try:
            environment = json.loads((run.path / ENVIRONMENT).read_text(encoding="utf-8"))
            version = int(environment["version"])
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

    def config(self) -> Config:
        """The configuration of the run."""
        from hil.config import build, read

        return build(read(self.path / CONFIG))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to the run; the lock goes with the process.

        Raises:
            ValueError: When another process holds it.
        """
        import fcntl

        with open(self.path / LOCK, "w", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(
                    f"{self.path} is in use by another process: wait for it or stop it"
                ) from None
            yield

    # -- what is written ----------------------------------------------------------------------

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        """Replace the checkpoint as a whole."""
        write_npz(self.path / CHECKPOINT, "checkpoint", arrays, VERSION)

    def load_checkpoint(self) -> Arrays | None:
        """The last checkpoint, or None before the first."""
        path = self.path / CHECKPOINT
        return read_npz(path, ("checkpoint",), VERSION) if path.exists() else None

    def save_evidence(self, arrays: Mapping[str, object]) -> None:
        """Replace the evidence for the report."""
        write_npz(self.path / EVIDENCE, "evidence", arrays, VERSION)

    def load_evidence(self) -> Arrays | None:
        """The evidence, or None when the run is not complete."""
        path = self.path / EVIDENCE
        return read_npz(path, ("evidence",), VERSION) if path.exists() else None

    def save_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the metrics, one JSON object a line."""
        self.write_text(METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics of each finished epoch."""
        path = self.path / METRICS
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def save_result(self, result: Mapping[str, Any]) -> None:
        """Write the final figures, which completes the run."""
        self.write_text(RESULT, json.dumps(result, indent=2) + "\n")

    def result(self) -> dict[str, Any] | None:
        """The final figures, or None while the run is not complete."""
        path = self.path / RESULT
        if not path.exists():
            return None
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file of the folder, complete or not at all."""
        path = self.path / name
        with tempfile.NamedTemporaryFile(
            "w", dir=self.path, prefix=f".{name}.", delete=False, encoding="utf-8"
        ) as handle:
            try:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
                os.replace(handle.name, path)
            except BaseException:
                Path(handle.name).unlink(missing_ok=True)
                raise
        return path


def _free_path(config: Config) -> Path:
    stem = f"{config.task.split('/')[-1].replace(':', '-')}-{config.rule['name']}-seed{config.seed}"
    path, number = Path("runs") / stem, 2
    while path.exists():
        path, number = Path("runs") / f"{stem}-{number}", number + 1
    return path


def _environment() -> dict[str, Any]:
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
