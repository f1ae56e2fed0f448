"""The data of a run: known by their SHA-256, read from where they lie."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from hil import tasks

if TYPE_CHECKING:
    from hil.runs.folder import Run
    from hil.tasks import Data


def load(run: Run, moved: str | Path | None = None) -> Data:
    """The data of a run: those that it began with, once it has begun.

    Args:
        run: The run.
        moved: File of its data, where it is another one by now.

    Raises:
        ValueError: When they are not there, or others than those that it began with.
    """
    config, known = run.config(), run.environment()["data"]
    own = config.task.startswith(tasks.OWN)
    if moved is not None and not own:
        raise ValueError(
            f"--data {moved}: task {config.task} has no file of its own: set HIL_DATA_DIR where "
            "its files have moved"
        )
    task = config.task
    if own and (moved is not None or (known and known["files"])):
        task = f"{tasks.OWN}{Path(moved).absolute() if moved is not None else known['files'][0]}"
    try:
        data = tasks.load(task, config.seed, config.training.validation_fraction)
    except ValueError as error:
        if own and not Path(task.removeprefix(tasks.OWN)).exists():
            how = "give where the file is now: --data FILE"
            raise ValueError(f"{error}: {how}") from None
        raise
    if known and known["sha256"] != data.sha256:
        how = "give the file that it began with: --data FILE" if own else "bring those back"
        raise ValueError(
            f"{quote(str(run.path))} began with other data than {task} holds now (SHA-256 "
            f"{known['sha256'][:12]}, now {data.sha256[:12]}): {how}"
        )
    return data


def keep(run: Run, data: Data, moved: str | Path | None = None) -> None:
    """Keep what the data of a run are and where they lie, at its beginning or where they moved.

    Args:
        run: The run.
        data: Its data, as `load` gave them.
        moved: File of its data, where it is another one by now.
    """
    known = run.environment()["data"]
    files = [moved] if moved is not None else tasks.files(run.config().task)
    if known is None or moved is not None:
        places = [str(Path(file).absolute()) for file in files]
        run.add_data({"sha256": data.sha256, "files": places})
