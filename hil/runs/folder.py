"""A run is a folder. Whatever happens to the process, the folder stays readable.

What its files hold is told in docs/run_folder.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers import lab
from drivers.contract.arrays import select_prefix
from drivers.contract.messages import read_npz, write_npz
from drivers.errors import DeviceError, FileFormatError, name_source
from drivers.files.bounded import read_bytes, read_toml
from drivers.files.writing import remove_drafts, write_text
from hil import tasks
from hil.runs import records
from hil.runs.exclusive import RUNS, draft_in, lock, move_draft, stem
from hil.runs.records import check as check_snapshot
from hil.runs.records import environment, packages

if TYPE_CHECKING:
    from drivers import Device
    from hil.config import Config

VERSION = 1
CONFIG, ENVIRONMENT, METRICS = "config.toml", "environment.json", "metrics.jsonl"
BEST = "best/"  # of the checkpoint, where the best epoch is kept: the state that it ended with
CHECKPOINT, SNAPSHOT, RESULT = "checkpoint.npz", "snapshot.npz", "result.json"
START, REPORT = "start.npz", "report.html"
SOURCE_STEP = "source/dt"  # in `START`, of a model of NIR: its step in seconds
SOURCE_MODEL = "source/model"  # likewise: the bytes of its file
SOURCE_EULER = "source/euler"  # likewise: whether it takes steps by Euler's rule
SAMPLES, PREPARATION = "arrays.npz", "preparation.json"

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
        cls,
        path: Path | None,
        config: Config,
        chosen: Sequence[Mapping[str, Any]] = (),
        code: Mapping[str, str] | None = None,
        samples: Mapping[str, object] | None = None,
        start: Mapping[str, object] | None = None,
        measured: Mapping[str, Any] | None = None,
    ) -> Run:
        """Make a new run folder; it appears with its configuration or not at all.

        The weights to start from are copied into it, so that it does not depend on what
        `config.start` names.

        Args:
            path: Where; None picks `runs/TASK-RULE-seedN`, numbered when it is taken.
            config: The complete configuration.
            chosen: What of it was chosen by what the device states, and why, as JSON takes it.
            code: SHA-256 of each file of code that the configuration names, by name.
            samples: Those of the task `arrays`, kept with the run.
            start: Weights `weights/N` to start from, and delays `delays/N`, where it does not draw
                its own.
            measured: What was measured of the device, by the names of `DeviceInfo`.

        Raises:
            ValueError: When the folder exists, or cannot be made.
        """
        if path is not None and (path.exists() or path.is_symlink()):
            raise ValueError(
                f"{path} exists already: choose another --out, or go on with it: "
                f"{Run(path).spell_command('resume')}"
            )
        from hil.config import dump

        parent = RUNS if path is None else path.parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            with draft_in(parent, ".draft.") as draft:
                (draft / CONFIG).write_text(dump(config), encoding="utf-8")
                facts = {
                    "version": VERSION,
                    "made": datetime.now().astimezone().isoformat(timespec="seconds"),
                    **environment(),
                    "device": None,
                    "measured": dict(measured or {}),
                    "chosen": list(chosen),
                    "data": None,
                    "code": code or {},
                }
                text = json.dumps(facts, indent=2) + "\n"
                (draft / ENVIRONMENT).write_text(text, encoding="utf-8")
                if start is not None:
                    write_npz(draft / START, "start", start, VERSION)
                if samples is not None:
                    write_npz(draft / SAMPLES, "arrays", samples, VERSION)
                return cls(move_draft(draft, path, _name_of(config)))
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            reason = f"{error.strerror}{where}"
            raise ValueError(f"run folder {path or parent} cannot be made: {reason}") from None

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run folder.

        Raises:
            ValueError: When it is none, or a damaged one, or one that a newer version wrote.
        """
        run = cls(Path(path))
        if not (run.path / ENVIRONMENT).is_file():
            raise ValueError(
                f"{path} is no run folder: give one that hil train made (it holds {ENVIRONMENT})"
            )
        run.environment()
        return run

    def environment(self) -> dict[str, Any]:
        """Machine, libraries, data, and `chosen`: what was chosen by what the device states.

        Raises:
            FileFormatError: When the file is damaged.
        """
        return records.read_environment(self.path / ENVIRONMENT, VERSION)

    def add_chosen(self, chosen: Sequence[Mapping[str, Any]]) -> None:
        """Keep what else was chosen; a choice of the same setting is replaced."""
        if not chosen:
            return
        record, new = self.environment(), {choice["setting"] for choice in chosen}
        others = [choice for choice in record["chosen"] if choice["setting"] not in new]
        self._save_environment({**record, "chosen": [*others, *chosen]})

    def add_packages(self) -> None:
        """Keep the versions of the libraries that have been loaded meanwhile."""
        record = self.environment()
        self._save_environment({**record, "packages": {**record["packages"], **packages()}})

    def add_device(self, device: Device) -> None:
        """Keep which device the run is trained on: by what it states, its lab, and its state."""
        made, config, identity = self.environment(), self.config(), device.info.identity
        file, name = config.network.calibration, lab.find_name(config.device)
        record = {
            **asdict(identity),
            "lab": name,
            "flashed": lab.list_notes(lab.FLASHED).get(name, ""),
            "address": lab.find_device(name).address if name else config.device,
            "calibration": sha256(read_bytes(file)).hexdigest() if file else None,
            "condition": dict(device.condition),
        }
        if made["device"] != record:
            self._save_environment({**made, "device": record})

    def add_data(self, data: Mapping[str, Any]) -> None:
        """Keep where the data lie now."""
        self._save_environment({**self.environment(), "data": dict(data)})

    def _save_environment(self, record: Mapping[str, Any]) -> None:
        write_text(self.path / ENVIRONMENT, json.dumps(record, indent=2) + "\n")

    def config(self) -> Config:
        """The configuration of the run.

        Raises:
            FileFormatError: When the file is missing or damaged.
        """
        from hil.config import parse_record

        path = self.path / CONFIG
        try:
            return parse_record(read_toml(path))
        except FileFormatError:
            raise
        except ValueError as error:
            raise FileFormatError(f"{path}: {error}") from None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes from writing to the run; the lock goes with the process.

        What this process or a killed one leaves half-written is removed.

        Raises:
            ValueError: When another process holds it.
        """
        with lock(self.path):
            remove_drafts(self.path)
            try:
                yield
            finally:
                remove_drafts(self.path)

    def lengthen(self, epochs: int) -> None:
        """Let the training end after so many epochs, whether it is complete or not.

        Raises:
            ValueError: When it has come further already.
        """
        from hil.config import dump

        config, done = self.config(), len(self.metrics())
        if epochs <= done:
            raise ValueError(f"--epochs {epochs}: {done} are done already: give more in all")
        if config.training.epochs == epochs:
            return
        training = config.training.model_copy(update={"epochs": epochs})
        with self.hold():
            (self.path / RESULT).unlink(missing_ok=True)  # first: it is of another length
            write_text(self.path / CONFIG, dump(config.model_copy(update={"training": training})))

    # -- what is written ----------------------------------------------------------------------

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        """Replace the checkpoint as a whole."""
        config = np.asarray(read_bytes(self.path / CONFIG).decode())
        write_npz(self.path / CHECKPOINT, "checkpoint", {**arrays, "config": config}, VERSION)

    def require_checkpoint(self) -> Arrays:
        """The last checkpoint.

        Raises:
            ValueError: When there is none yet, or it is damaged.
        """
        checkpoint = self.load_checkpoint()
        if checkpoint is None:
            raise ValueError(
                f"{self.path} has no checkpoint yet: train it first: {self.spell_command('resume')}"
            )
        return checkpoint

    def load_checkpoint(self) -> Arrays | None:
        """The last checkpoint, or None before the first.

        Raises:
            ValueError: When it is damaged, or of another configuration than `config.toml`.
        """
        path, config = self.path / CHECKPOINT, self.path / CONFIG
        if not path.exists() and not path.is_symlink():
            return None
        try:
            arrays = read_npz(path, ("checkpoint",), VERSION)
        except FileFormatError as error:
            raise ValueError(f"{error}; {self._way_to_start}") from None
        then, now = str(arrays.pop("config", "")), read_bytes(config).decode()
        if _without_length(then) != _without_length(now):
            raise ValueError(
                f"{config} was changed after the run began: put it back, or {self._way_to_start}"
            )
        return arrays

    @property
    def _way_to_start(self) -> str:
        return f"start anew with: hil train --config {quote(str(self.path / CONFIG))} --out NEW"

    def blame_file(self, file: str = CHECKPOINT) -> AbstractContextManager[None]:
        """Say in a context that a file is at fault where what is taken from it is refused."""
        return name_source(str(self.path / file), f"; {self._way_to_start}")

    def load_trained(self) -> Arrays:
        """Load what the training left: the epoch that was kept, or else the last checkpoint.

        Raises:
            ValueError: When there is no checkpoint yet, or it is damaged.
        """
        checkpoint = self.require_checkpoint()
        return select_prefix(checkpoint, BEST) or checkpoint

    def weights(self) -> Arrays:
        """Shadow weights, delays, synapses and single cells `cells/N` of what the training left.

        Raises:
            ValueError: When there is no checkpoint yet, or it is damaged.
        """
        kept = ("weights/", "delays/", "synapses/", "cells/")
        return {n: w for n, w in self.load_trained().items() if n.startswith(kept)}

    def load_start(self) -> Arrays:
        """Load the weights that a run starts from: `weights/N`, and `delays/N` if any.

        Raises:
            FileFormatError: When they are missing or damaged.
        """
        return read_npz(self.path / START, ("start",), VERSION)

    def source_step(self) -> float | None:
        """Give the length of a step, in seconds, of the model of NIR that all this began with.

        Returns:
            None where it began with no such model.

        Raises:
            FileFormatError: When what the run starts from is missing or damaged.
        """
        step = self.load_start().get(SOURCE_STEP) if self.config().start else None
        if step is None:
            return None
        if step.shape != () or step.dtype != np.float64 or not 0 < float(step) < np.inf:
            raise FileFormatError(f"{self.path / START}: {SOURCE_STEP}: is no length of a step")
        return float(step)

    def source_model(self) -> bytes | None:
        """Give the file of the model of NIR that all this began with; None without."""
        content = self.load_start().get(SOURCE_MODEL) if self.config().start else None
        if content is not None and (content.ndim != 1 or content.dtype != np.uint8):
            raise FileFormatError(f"{self.path / START}: {SOURCE_MODEL}: is no file")
        return None if content is None else content.tobytes()

    def save_snapshot(self, arrays: Mapping[str, object]) -> None:
        """Replace the snapshot for the report."""
        write_npz(self.path / SNAPSHOT, "snapshot", arrays, VERSION)

    def load_snapshot(self) -> Arrays | None:
        """The snapshot, or None when the run is not complete.

        Raises:
            FileFormatError: When it is damaged, or not of this run's network.
        """
        path = self.path / SNAPSHOT
        if not path.exists() and not path.is_symlink():
            return None
        arrays = read_npz(path, ("snapshot",), VERSION)
        network = self.config().network
        check_snapshot(arrays, len(network.hidden) + 1, len(network.connections), str(path))
        return arrays

    def save_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the metrics, one JSON object a line."""
        write_text(self.path / METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def metrics(self) -> list[dict[str, Any]]:
        """The metrics of each finished epoch.

        Raises:
            ValueError: When the file is damaged.
        """
        try:
            rows = records.read_metrics(self.path / METRICS)
            hidden = len(self.config().network.hidden)
            if rows and len(rows[0]["hidden_rates"]) != hidden:
                raise FileFormatError(
                    f"{self.path / METRICS}: hidden_rates: not of {hidden} layers"
                )
        except FileFormatError as error:
            raise ValueError(f"{error}; {self._way_to_rewrite}") from None
        return rows

    def save_result(self, result: Mapping[str, Any]) -> None:
        """Write the final figures, which completes the run."""
        write_text(self.path / RESULT, json.dumps(result, indent=2) + "\n")

    def result(self) -> dict[str, Any] | None:
        """The final figures, or None while the run is not complete.

        Raises:
            ValueError: When the file is damaged.
        """
        path = self.path / RESULT
        if not path.exists() and not path.is_symlink():
            return None
        try:
            return records.read_result(path)
        except FileFormatError as error:
            raise ValueError(f"{error}; {self._way_to_rewrite}") from None

    @property
    def _way_to_rewrite(self) -> str:
        again = self.spell_command("resume")
        return f"delete {METRICS} and {RESULT}, then {again} writes them anew"

    def spell_command(self, name: str) -> str:
        """Spell a command on the run, with `--trust` where its configuration names code."""
        from hil.trust import code_of

        trust = ""
        with suppress(ValueError, DeviceError):
            trust = " --trust" if code_of(self.config()) else ""
        return f"hil {name} {quote(str(self.path))}{trust}"


def _without_length(config: str) -> str:
    """The text of a configuration but for the epochs, which may become more."""
    return re.sub(r"(?m)^epochs = \d+$", "", config)


def _name_of(config: Config) -> str:
    """Name of the folder of a run where none is given."""
    return f"{stem(tasks.shorten_name(config.task))}-{stem(config.rule['name'])}-seed{config.seed}"
