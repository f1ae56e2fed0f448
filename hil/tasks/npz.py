"""The user's own data, from a numpy archive: `npz:FILE`.

The archive holds `x_train`, `y_train`, `x_test`, `y_test` and, if there is a fixed validation
part, `x_validation` and `y_validation`. Features are `(N, n)`, or `(N, height, width)` for
images; labels are integers `(N,)`, 0 to classes - 1.

uint8 features are kept, 255 standing for 1. Others are kept as float32 when all of them lie in
[0, 1]. Otherwise the range of the training part becomes [0, 1] (of each feature by itself, for
images the range of all pixels) and what lies outside it in the other parts is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from drivers.contract.errors import FileFormatError
from drivers.contract.files.archives import array_shape, read_arrays
from hil.tasks.task import Data, Features, Task, stratified_split

FEW, IMAGE = 50, 400  # features: below, a table; from, an image of some size
_REQUIRED = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL = ("x_validation", "y_validation")

Arrays = dict[str, NDArray[Any]]


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
        _suited(path),
        files=lambda: [path],
    )


def _suited(path: Path) -> Mapping[str, Mapping[str, object]]:
    """Settings that suit the size of a data set; none where the file tells no size.

    A small set is learned in small batches, and any set in about 2000 steps at least. Few
    features are shown stronger, beside an input that is always on, as in `yinyang`.
    """
    try:
        shape = array_shape(path, "x_train")
    except FileFormatError:
        return {}
    samples, *each = shape or (0,)
    if samples == 0:
        return {}
    features, batch = prod(each), min(max(samples // 25, 10), 100)
    epochs = min(max(ceil(2000 * batch / samples), 10), 200)
    found: dict[str, Mapping[str, object]] = {
        "network": {"hidden": [800 if features >= IMAGE else 200]},
        "training": {"batch": batch, "epochs": epochs},
    }
    if features < FEW:
        found["encoding"] = {"name": "current", "gain": 2.0, "bias": 0.5}
        found["homeostasis"] = {"weight": 0.003}
        found["optimiser"] = {"weight_decay": 0.01}
    elif features >= IMAGE:
        found["optimiser"] = {"learning_rate": 2e-3}
    return found


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
    arrays = _read(path)
    try:
        return _data(arrays, rng, validation_fraction)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path) -> Arrays:
    try:
        arrays = read_arrays(path, (*_REQUIRED, *_OPTIONAL), deflated=True)
    except FileFormatError as error:
        raise ValueError(f"{error}; such files are written with numpy.savez") from None
    wanted = _REQUIRED + _OPTIONAL if arrays.keys() & _OPTIONAL else _REQUIRED
    missing = [key for key in wanted if key not in arrays]
    if missing:
        raise ValueError(f"{path}: holds no {', '.join(missing)}: give {', '.join(wanted)}")
    return arrays


def _data(arrays: Arrays, rng: Generator, validation_fraction: float) -> Data:
    _check_features(arrays)
    _check_labels(arrays)
    x = _scaled(arrays)
    y = {key: array.astype(np.int64) for key, array in arrays.items() if key.startswith("y_")}
    classes = int(y["y_train"].max()) + 1
    if "x_validation" not in x:
        rest, taken = stratified_split(y["y_train"], validation_fraction, rng)
        x |= {"x_train": x["x_train"][rest], "x_validation": x["x_train"][taken]}
        y |= {"y_train": y["y_train"][rest], "y_validation": y["y_train"][taken]}
    return Data(
        x_train=x["x_train"],
        y_train=y["y_train"],
        x_validation=x["x_validation"],
        y_validation=y["y_validation"],
        x_test=x["x_test"],
        y_test=y["y_test"],
        classes=classes,
        image_shape=_image_shape(arrays),
    )


def _check_features(arrays: Arrays) -> None:
    train = arrays["x_train"]
    for key, x in arrays.items():
        if not key.startswith("x_"):
            continue
        if x.ndim not in (2, 3):
            raise ValueError(f"{key} has shape {x.shape}: give (N, n) or (N, height, width)")
        if x.size == 0:
            raise ValueError(f"{key} is empty, its shape is {x.shape}: give some samples")
        if x.shape[1:] != train.shape[1:]:
            raise ValueError(
                f"{key} has samples of shape {x.shape[1:]}, x_train of {train.shape[1:]}: "
                "give the same"
            )
        if x.dtype.kind not in "buif" or (x.dtype == np.uint8) != (train.dtype == np.uint8):
            raise ValueError(
                f"{key} is {x.dtype} and x_train {train.dtype}: give real numbers, and uint8 "
                "in all parts or in none"
            )
        if not np.isfinite(x).all():
            raise ValueError(f"{key} holds NaN or infinity: clean the data first")


def _check_labels(arrays: Arrays) -> None:
    for key, y in arrays.items():
        if not key.startswith("y_"):
            continue
        samples = len(arrays[key.replace("y_", "x_")])
        if y.shape != (samples,):
            raise ValueError(f"{key} has shape {y.shape} for {samples} samples: give ({samples},)")
        if y.dtype.kind not in "iu":
            raise ValueError(f"{key} is {y.dtype}: give integers, 0 to classes - 1")
    present = np.unique(arrays["y_train"])
    if present[0] != 0 or present[-1] != len(present) - 1:
        raise ValueError(
            f"y_train has {len(present)} labels from {present[0]} to {present[-1]}: "
            f"number the classes 0 to {len(present) - 1}"
        )


def _image_shape(arrays: Arrays) -> tuple[int, int] | None:
    shape = arrays["x_train"].shape[1:]
    return (shape[0], shape[1]) if len(shape) == 2 else None


def _scaled(arrays: Arrays) -> dict[str, Features]:
    raw = {key: x.reshape(len(x), -1) for key, x in arrays.items() if key.startswith("x_")}
    train = raw["x_train"]
    if train.dtype == np.uint8:
        return dict(raw)
    if all(x.min() >= 0 and x.max() <= 1 for x in raw.values()):
        return {key: x.astype(np.float32) for key, x in raw.items()}
    axis = 0 if _image_shape(arrays) is None else None
    low = train.min(axis=axis).astype(np.float64)
    span = train.max(axis=axis) - low
    span = np.where(span > 0, span, 1)
    return {key: np.clip((x - low) / span, 0, 1).astype(np.float32) for key, x in raw.items()}
