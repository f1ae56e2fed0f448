"""The user's own data, from a numpy archive: `npz:FILE`.

The archive holds `x_train`, `y_train`, `x_test`, `y_test` and, if there is a fixed validation
part, `x_validation` and `y_validation`. Features are `(N, n)`, or `(N, height, width)` for
images, and are scaled as `hil.tasks.arrays` says; labels are those that `hil.tasks.labels` takes.
`class_names` and `feature_names` are texts, where they are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from numpy.random import Generator

from drivers.contract.errors import FileFormatError
from drivers.contract.files.archives import array_shape, read_arrays
from hil.tasks import arrays
from hil.tasks.task import Data, Task

_REQUIRED = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL = ("x_validation", "y_validation")


def task(file: str) -> Task:
    """The task whose samples are in a file.

    Args:
        file: Path of the archive.

    Returns:
        The task, named `npz:FILE`. Its defaults suit the number of samples and features; nothing
        else is read before `load` is called.

    Raises:
        ValueError: When the path is empty.
    """
    if not file:
        raise ValueError("task 'npz:' names no file: write npz:FILE")
    path = Path(file)
    return Task(
        f"npz:{file}",
        f"samples of {file}",
        partial(load, path),
        suited(path),
        files=lambda: [path],
    )


def suited(path: Path) -> Mapping[str, Mapping[str, object]]:
    """Settings that suit the size of the data set in a file; none where it tells no size."""
    try:
        return arrays.suited(array_shape(path, "x_train"))
    except FileFormatError:
        return {}


def load(path: Path, rng: Generator, validation_fraction: float) -> Data:
    """Read an archive.

    Args:
        path: The archive.
        rng: Draws the validation part where the archive brings none.
        validation_fraction: Share of the training samples set aside for validation then.

    Returns:
        The samples, uint8 or float32.

    Raises:
        ValueError: When the file is no such archive or its arrays cannot be used.
    """
    found = _read(path)
    try:
        return arrays.data(found, rng, validation_fraction)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path) -> arrays.Arrays:
    try:
        found = read_arrays(path, (*_REQUIRED, *_OPTIONAL, *arrays.NAMES), deflated=True)
    except FileFormatError as error:
        raise ValueError(f"{error}; such files are written with numpy.savez") from None
    wanted = _REQUIRED + _OPTIONAL if found.keys() & _OPTIONAL else _REQUIRED
    missing = [key for key in wanted if key not in found]
    if missing:
        raise ValueError(f"{path}: holds no {', '.join(missing)}: give {', '.join(wanted)}")
    return found
