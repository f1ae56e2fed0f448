"""The tasks by name: a module of this package that defines `TASK` is one."""

from __future__ import annotations

from pathlib import Path

from hil import streams
from hil.discovery import Catalogue
from hil.tasks import arrays
from hil.tasks.arrays import Arrays
from hil.tasks.task import Data, Task

__all__ = ["Arrays", "Data", "Task", "files", "get", "load", "names", "placed"]

OWN, ARRAYS = "npz:", arrays.NAME

_TASKS = Catalogue("task", __name__, "TASK", others=("npz:FILE",))
names = _TASKS.names


def get(name: str) -> Task:
    """Find a task.

    Args:
        name: One of `names()`, `npz:FILE` for the user's own data (see `hil.tasks.npz`), or
            `arrays`, those of a program.

    Returns:
        The task; its data are not read before `load` is called.

    Raises:
        ValueError: When there is no task of that name.
    """
    if name == ARRAYS:
        return arrays.TASK_OF_ARRAYS
    if name.startswith(OWN):
        from hil.tasks import npz

        return npz.task(name.removeprefix(OWN))
    task: Task = _TASKS.module(name).TASK
    return task


def load(name: str, seed: int, validation_fraction: float, given: Arrays | None = None) -> Data:
    """The samples of a task, split as a run of this seed splits them.

    Args:
        name: As for `get`.
        seed: Seed of the run.
        validation_fraction: Share of the training samples set aside for validation.
        given: Those of the task `arrays`.

    Raises:
        ValueError: When there is no such task, or its files are missing or cannot be used.
    """
    rng = streams.generator(seed, "split")
    if given is not None:
        data = arrays.data(given, rng, validation_fraction)
    else:
        data = get(name).load(rng, validation_fraction)
    if not len(data.x_test):
        raise ValueError(f"task {name}: x_test is empty: give at least one sample")
    return data


def files(name: str) -> list[Path]:
    """The files that the samples of a task come from, none where it has none.

    Raises:
        ValueError: When there is no such task, or its files are missing.
    """
    return list(get(name).files())


def placed(name: str) -> str:
    """The name of a task that means the same wherever it is used: that of a file is absolute."""
    file = name.removeprefix(OWN)
    return name if not name.startswith(OWN) or not file else f"{OWN}{Path(file).absolute()}"
