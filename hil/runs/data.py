"""The data of a run: identified by their SHA-256, read from where they lie."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from drivers.contract.messages import read_npz
from drivers.errors import FileFormatError, name_source
from drivers.files.bounded import MIB, read_json
from drivers.files.writing import write_text
from hil import tasks
from hil.runs.folder import PREPARATION, SAMPLES, VERSION
from hil.runs.records import HEADER
from hil.tasks import own_file
from hil.tasks.preparation import Preparation
from hil.tasks.sample_set import SampleSet

if TYPE_CHECKING:
    from hil.config import Config
    from hil.runs.folder import Run
    from hil.tasks import Data


LARGEST = 64 * MIB  # bytes of a preparation


def load(run: Run, moved: str | Path | None = None) -> Data:
    """The data of a run: those that it began with, once it has begun.

    Args:
        run: The run.
        moved: File of its data, where it is another one by now.

    Raises:
        ValueError: When they are not there, or others than those that it began with.
    """
    config, record = run.config(), run.environment()["data"]
    own, is_kept = own_file.parse_address(config.task), config.task == tasks.ARRAYS
    if moved is not None and is_kept:
        raise ValueError(f"--data {moved}: the samples of this run lie in its folder: leave it out")
    if moved is not None and own is None:
        raise ValueError(
            f"--data {moved}: task {config.task} has no file of its own: set HIL_DATA_DIR where "
            "its files have moved"
        )
    if own is not None and (moved is not None or (record and record["files"])):
        own = own.at(Path(moved).absolute() if moved is not None else record["files"][0])
    task = config.task if own is None else str(own)
    kept = samples(run) if is_kept else None
    try:
        data = load_for(config, kept, task)
    except ValueError as error:
        if is_kept:
            raise FileFormatError(f"{run.path / SAMPLES}: {error}") from None
        if own is not None and not own.path.exists():
            how = "give where the file is now: --data FILE"
            raise ValueError(f"{error}: {how}") from None
        raise
    if record and record["sha256"] != data.sha256:
        how = "give the file that it began with: --data FILE" if own else "bring those back"
        raise ValueError(
            f"{quote(str(run.path))} began with other data than {task} holds now (SHA-256 "
            f"{record['sha256'][:12]}, now {data.sha256[:12]}): {how}"
        )
    return data


def load_for(config: Config, given: SampleSet | None = None, task: str | None = None) -> Data:
    """Load the samples that a configuration asks for, as `hil.tasks.load` does.

    Args:
        config: The configuration.
        given: As there.
        task: Name of its task, where that is another one by now.
    """
    training = config.training
    seed, share = config.seed, training.validation_fraction
    return tasks.load(task or config.task, seed, share, given, in_order=training.carry)


def samples(run: Run) -> SampleSet:
    """The samples that a program gave, as they are kept with the run.

    Raises:
        FileFormatError: When they are missing or damaged.
    """
    arrays = read_npz(run.path / SAMPLES, ("arrays",), VERSION, records=True)
    with name_source(str(run.path / SAMPLES)):
        return SampleSet.read({key: array for key, array in arrays.items() if key not in HEADER})


def preparation(run: Run) -> Preparation:
    """Load the preparation of new samples for the network of a run.

    Raises:
        FileFormatError: When that is missing, since training has not begun, or damaged.
    """
    path = run.path / PREPARATION
    return Preparation.from_json(read_json(path, LARGEST), str(path))


def keep(run: Run, data: Data, moved: str | Path | None = None) -> None:
    """Keep what the data of a run are, how they are prepared, and where they lie or moved.

    Args:
        run: The run.
        data: Its data, as `load` gave them.
        moved: File of its data, where it is another one by now.
    """
    record = run.environment()["data"]
    if not (run.path / PREPARATION).exists():
        write_text(run.path / PREPARATION, json.dumps(data.preparation.as_json()))
    files = tasks.files(run.config().task)
    files = files if moved is None else [Path(moved), *files[1:]]
    if record is None or moved is not None:
        places = [str(Path(file).absolute()) for file in files]
        run.add_data({"sha256": data.sha256, "files": places})
