"""The tasks by name: a module of this package that defines `TASK` is one."""

from __future__ import annotations

from pathlib import Path

from hil import extensions, streams
from hil.discovery import Catalogue
from hil.tasks import arrays, formats, own_file
from hil.tasks.arrays import Arrays
from hil.tasks.samples.signals import Signals
from hil.tasks.task import Data, Task

__all__ = [
    "CATALOGUE",
    "Arrays",
    "Data",
    "Signals",
    "Task",
    "files",
    "get",
    "load",
    "names",
    "placed",
    "short",
]

ARRAYS = arrays.NAME

CATALOGUE: Catalogue[Task] = Catalogue(
    "task",
    Task,
    "hil.tasks",
    __name__,
    "TASK",
    others=lambda: [f"{name}:FILE" for name in formats.names()],
)
names = CATALOGUE.names


def get(name: str) -> Task:
    """Find a task.

    Args:
        name: One of `names()`, with `-` for `_` as well, of an entry point, or `FILE.py:NAME` or
            `module:NAME`; `FORMAT:FILE` for a file of the user's own, with a format of
            `hil.tasks.formats`; or `arrays`, those of a program.

    Returns:
        The task; its data are not read before `load` is called.

    Raises:
        ValueError: When there is no task of that name.
    """
    if name == ARRAYS:
        return arrays.TASK_OF_ARRAYS
    own = own_file.address(name)
    if own is not None:
        return own_file.task(own)
    meant = own_file.meant(name)
    if meant is not None and name not in names():
        raise ValueError(f"no task {name!r}: did you mean {meant!r}?")
    return CATALOGUE.get(_spelled(name))


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
    if not isinstance(data, Data):
        raise ValueError(f"task {name!r} gives a {type(data).__name__}: give a hil.tasks.Data")
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
    """The name of a task that means the same wherever it is used: that of a file is absolute.

    Raises:
        ValueError: When it names no file, or has options that it cannot have.
    """
    own = own_file.address(name)
    return extensions.placed(_spelled(name)) if own is None else str(own_file.placed(own))


def short(name: str) -> str:
    """The name of a task as it stands in names of folders: that of a file without its place."""
    own = own_file.address(name)
    return name if own is None else own.path.name


def _spelled(name: str) -> str:
    """The name of a built-in task, whichever way its words are joined; any other as it is."""
    joined = name.replace("-", "_")
    return joined if joined in names() else name
