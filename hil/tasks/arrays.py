"""The user's own arrays: brought into one form, checked, and made into the data of a run.

uint8 features are kept, 255 standing for 1. Others are kept as float32 when those of the training
part lie in [0, 1]. Otherwise the range of the training part becomes [0, 1] (of each feature by
itself, for images the range of all pixels). What lies outside it in the other parts is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from hil.tasks.samples import labels, layout
from hil.tasks.samples.preparation import Preparation, check_numbers
from hil.tasks.task import Data, Task, stratified_split

NAME = "arrays"
PARTS = ("train", "test", "validation")
NAMES = ("class_names", "feature_names")
LAYOUT = "layout"
TEST_SHARE = 0.2  # of the samples, where no test part is given
FEW, IMAGE = 50, 400  # features: below, a table; from, an image of some size
_TEST_SEED = 1797  # fixed, so that figures of runs with other seeds are about the same samples

Arrays = dict[str, NDArray[Any]]
Part = tuple[ArrayLike, ArrayLike]


def _nowhere(_: Generator, __: float) -> Data:
    raise ValueError(
        "task arrays: its samples lie in the folder of its run: start from that run "
        "(hil train --from RUN) or name them (hil train npz:RUN/arrays.npz)"
    )


TASK_OF_ARRAYS = Task(NAME, "samples that a program gave", _nowhere)


def given(
    x: ArrayLike,
    y: ArrayLike | None,
    *,
    test: Part | float = TEST_SHARE,
    validation: Part | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    layout: str | None = None,
) -> Arrays:
    """Samples that a program gave, in the form that is kept with a run.

    Args:
        x: Features to learn from, `(N, n)`, or images or signals, as `hil.tasks.samples.layout`
            tells them; the columns of a table name the features.
        y: Their labels: `(N,)`, or one-hot `(N, C)`.
        test: Features and labels to test with, or the share of the samples set aside for it, in
            the same mix of classes and always the same samples.
        validation: Features and labels to validate with.
        class_names: What each class is called, in ascending order of the labels.
        feature_names: What each feature is called.
        layout: What the axes of an image are: `HW`, `HWC` or `CHW`.

    Returns:
        `x_train`, `y_train`, `x_test`, `y_test`, and what else was given.

    Raises:
        ValueError: When they cannot be used.
    """
    if y is None:
        raise ValueError("x without y: give the labels too, hil.train(x, y)")
    if feature_names is None:
        columns = list(getattr(x, "columns", ()))
        feature_names = columns if all(isinstance(name, str) for name in columns) else []
    found: Arrays = {"x_train": np.asarray(x), "y_train": labels.plain(y, "y_train")}
    for part, pair in (("test", test), ("validation", validation)):
        if pair is not None and not isinstance(pair, float | int):
            features, answers = _pair(pair, part)
            found[f"x_{part}"] = np.asarray(features)
            found[f"y_{part}"] = labels.plain(answers, f"y_{part}")
    for name, texts in zip(NAMES, (class_names, feature_names), strict=True):
        if texts is not None and len(texts):
            found[name] = np.asarray([str(text) for text in texts])
    if layout is not None:
        found[LAYOUT] = np.asarray(layout)
    if isinstance(test, float | int):
        return set_aside(found, test)
    _check_features(found)
    _numbered(found)
    return found


def set_aside(arrays: Arrays, share: float) -> Arrays:
    """The same with a test part: a share of the training part, always the same samples.

    Raises:
        ValueError: When there is no such share, or the arrays cannot be used.
    """
    _check_features(arrays)
    numbers, _ = _numbered(arrays)
    if not 0 < share < 1:
        raise ValueError(f"test = {share}: give a share between 0 and 1, or the samples")
    kept, taken = stratified_split(numbers["y_train"], share, np.random.default_rng(_TEST_SEED))
    found = dict(arrays)
    for key in ("x", "y"):
        whole = arrays[f"{key}_train"]
        found |= {f"{key}_train": whole[kept], f"{key}_test": whole[taken]}
    return found


def data(arrays: Arrays, rng: Generator, validation_fraction: float) -> Data:
    """The data of a run.

    Args:
        arrays: As `given` gives them; `x_test` may be missing where nothing is to be tested.
        rng: Draws the validation part where the arrays bring none.
        validation_fraction: Share of the training samples set aside for validation then.

    Raises:
        ValueError: When the arrays cannot be used.
    """
    _check_features(arrays)
    y, classes = _numbered(arrays)
    preparation = _fitted(arrays, classes)
    x = {f"x_{p}": preparation.apply(arrays[f"x_{p}"], f"x_{p}") for p in _parts(arrays)}
    if "x_validation" not in x:
        rest, taken = stratified_split(y["y_train"], validation_fraction, rng)
        x |= {"x_train": x["x_train"][rest], "x_validation": x["x_train"][taken]}
        y |= {"y_train": y["y_train"][rest], "y_validation": y["y_train"][taken]}
    for part in ("validation", "test"):
        x.setdefault(f"x_{part}", x["x_train"][:0])
        y.setdefault(f"y_{part}", y["y_train"][:0])
    return Data(
        x_train=x["x_train"],
        y_train=y["y_train"],
        x_validation=x["x_validation"],
        y_validation=y["y_validation"],
        x_test=x["x_test"],
        y_test=y["y_test"],
        classes=len(classes),
        image_shape=preparation.image_shape,
        fitted=preparation,
    )


def suited(shape: Sequence[int]) -> Mapping[str, Mapping[str, object]]:
    """Settings that suit the size of a data set.

    A small set is learned in small batches, and any set in about 2000 steps at least. Few
    features are shown stronger, beside an input that is always on, as in `yinyang`.

    Args:
        shape: That of the training features; samples come first.
    """
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


def _pair(pair: Any, part: str) -> tuple[Any, Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"{part} is no pair: give (x, y)")
    return pair[0], pair[1]


def _parts(arrays: Arrays) -> list[str]:
    return [part for part in PARTS if f"x_{part}" in arrays]


def _check_features(arrays: Arrays) -> None:
    train = arrays["x_train"]
    for part in _parts(arrays):
        key, x = f"x_{part}", arrays[f"x_{part}"]
        if x is train:
            layout.of(x, _asked(arrays), key)
        if x.size == 0:
            raise ValueError(f"{key} is empty, its shape is {x.shape}: give some samples")
        if x.shape[1:] != train.shape[1:]:
            raise ValueError(
                f"{key} has samples of shape {x.shape[1:]}, x_train of {train.shape[1:]}: "
                "give the same"
            )
        check_numbers(x, key)
        if (x.dtype == np.uint8) != (train.dtype == np.uint8):
            raise ValueError(
                f"{key} is {x.dtype} and x_train {train.dtype}: give uint8 in all parts or in none"
            )


def _asked(arrays: Arrays) -> str | None:
    """The layout that the user says the samples have."""
    return str(arrays[LAYOUT].ravel()[0]) if LAYOUT in arrays and arrays[LAYOUT].size else None


def _numbered(arrays: Arrays) -> tuple[Arrays, NDArray[Any]]:
    """The labels of each part by number, and the label of each class."""
    single = {
        f"y_{part}": labels.single(arrays[f"y_{part}"], len(arrays[f"x_{part}"]), f"y_{part}")
        for part in _parts(arrays)
    }
    classes = labels.distinct(single["y_train"], arrays["y_train"])
    return {key: labels.numbered(y, classes, key) for key, y in single.items()}, classes


def _fitted(arrays: Arrays, classes: NDArray[Any]) -> Preparation:
    """The preparation that the training part asks for."""
    train = arrays["x_train"]
    axes = layout.of(train, _asked(arrays), "x_train")
    rows = layout.rows(train, axes)
    low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    if axes in layout.IMAGES:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    if train.dtype == np.uint8:
        low, high = np.zeros_like(low), np.full_like(low, 255)
    elif low.min() >= 0 and high.max() <= 1:
        low, high = np.zeros_like(low), np.ones_like(low)
    high = np.where(high > low, high, low + 1)  # a constant says nothing
    shape = train.shape[1:]
    names = {"class_names": classes.astype(str), "feature_names": np.empty(0, str)}
    for key, count in (("class_names", len(classes)), ("feature_names", rows.shape[1])):
        names[key] = arrays.get(key, names[key])
        if key in arrays and (names[key].shape != (count,) or names[key].dtype.kind != "U"):
            raise ValueError(f"{key} has shape {names[key].shape}: give {count} texts")
    return Preparation(low=low, high=high, labels=classes, shape=shape, layout=axes, **names)
