"""The tasks by name: a module here that defines `TASK` is one, one with `TASKS` several by name.

data = hil.tasks.load("digits")
data.x_train, data.y_train, data.x_validation, data.y_validation, data.x_test, data.y_test
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator

from drivers.files.writing import replace_file
from hil import extensions, streams
from hil.discovery import Catalogue
from hil.tasks import formats, own_file
from hil.tasks.sample_set import SampleSet
from hil.tasks.samples import Signals
from hil.tasks.task import Arrays, Data, Task

__all__ = [
    "CATALOGUE",
    "Arrays",
    "Data",
    "SampleSet",
    "Signals",
    "Task",
    "make_name_absolute",
    "files",
    "get",
    "load",
    "names",
    "save",
    "shorten_name",
]

ARRAYS = "arrays"  # the task whose samples a program gave

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
        The task; of its data no more is read than its defaults need before `load` is called.

    Raises:
        ValueError: When there is no task of that name.
    """
    if name == ARRAYS:
        return Task(ARRAYS, "samples that a program gave", _refuse_to_load)
    address = own_file.parse_address(name)
    if address is not None:
        return own_file.make_task(address)
    guess = own_file.guess_address(name)
    if guess is not None and name not in names():
        raise ValueError(f"no task {name!r}: did you mean {guess!r}?")
    return CATALOGUE.get(_spell(name))


def load(
    name: str,
    seed: int = 0,
    validation_fraction: float = 0.1,
    given: SampleSet | None = None,
    *,
    in_order: bool = False,
) -> Data:
    """Load the samples of a task, split as a run of this seed splits them.

    Args:
        name: As for `get`.
        seed: Seed of the run.
        validation_fraction: Share of the training samples set aside for validation; a run's is 0.1
            where nobody sets `training.validation_fraction`.
        given: Those of the task `arrays`.
        in_order: Whether samples follow each other in time: of a file, and of those given, the last
            ones are then set aside, where others are drawn.

    Returns:
        Three parts that share no sample; the test part is the same for every seed.

    Raises:
        ValueError: When there is no such task, or its files are missing or cannot be used.
    """
    rng, address = streams.generator(seed, "split"), own_file.parse_address(name)
    if given is not None:
        data = given.build(None if in_order else rng, validation_fraction)
    elif in_order and address is not None:
        data = own_file.load(address, None, validation_fraction)
    else:
        data = get(name).load(rng, validation_fraction)
    if not isinstance(data, Data):
        raise ValueError(f"task {name!r} gives a {type(data).__name__}: give a hil.tasks.Data")
    if not len(data.x_test):
        raise ValueError(f"task {name}: x_test is empty: give at least one sample")
    return data


def save(name: str, path: str | Path, seed: int = 0, validation_fraction: float = 0.1) -> Path:
    """Write the samples of a task to a numpy archive, which is itself the task `npz:FILE`.

    Args:
        name: As for `get`.
        path: The file, replaced when it exists.
        seed: As for `load`.
        validation_fraction: As for `load`.

    Returns:
        The path written.

    Raises:
        ValueError: As for `load`.
        OSError: When the file cannot be written.
    """
    data, path = load(name, seed, validation_fraction), Path(path)
    with replace_file(path) as handle:
        np.savez(handle, **data.arrays)  # type: ignore[arg-type]
    return path


def files(name: str) -> list[Path]:
    """List the files that the samples of a task come from, none where it has none.

    Raises:
        ValueError: When there is no such task, or its files are missing.
    """
    return list(get(name).files())


def make_name_absolute(name: str) -> str:
    """Name a task such that it means the same wherever it is used: that of a file is absolute.

    Raises:
        ValueError: When it names no file, or has options that it cannot have.
    """
    address = own_file.parse_address(name)
    if address is None:
        return extensions.make_name_absolute(_spell(name))
    return str(own_file.make_absolute(address))


def shorten_name(name: str) -> str:
    """Name a task as it stands in names of folders: that of a file without its place."""
    address = own_file.parse_address(name)
    return name if address is None else address.path.name


def _refuse_to_load(_: Generator, __: float) -> Data:
    raise ValueError(
        "task arrays: its samples lie in the folder of its run: start from that run "
        "(hil train --from RUN) or name them (hil train npz:RUN/arrays.npz)"
    )


def _spell(name: str) -> str:
    """Spell the name of a built-in task as its module; leave any other as it is."""
    module = name.replace("-", "_")
    return module if module in names() else name
