"""The user's own arrays: brought into one form, checked, and made into the data of a run.

uint8 features are kept, 255 standing for 1. Others are kept as float32 when those of the training
part lie in [0, 1] and take up half of it at least. Otherwise the range of the training part becomes
[0, 1] (of each feature or channel by itself, for images the range of all pixels). What lies outside
it in the other parts is clipped.

Signals of different lengths stand one after the other in `x_PART`, with `lengths_PART` beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from hil.tasks.samples import events, labels, layout, raw
from hil.tasks.samples.events import Binning
from hil.tasks.samples.preparation import Preparation, check_numbers
from hil.tasks.samples.signals import Signals
from hil.tasks.task import Data, Task, stratified_split

NAME = "arrays"
PARTS = ("train", "test", "validation")
NAMES = ("class_names", "feature_names")
LAYOUT, BINS = "layout", "bins"
FILLED = 0.5  # of [0, 1]: numbers that take up less of it are in some small unit
TEST_SHARE = 0.2  # of the samples, where no test part is given
MOST_BINS = 100_000
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
        layout: What the axes of a sample are: `HW`, `HWC` or `CHW` of an image, `TC`, `CT` or `T`
            of a signal.

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
    found: Arrays = {"y_train": labels.plain(y, "y_train"), **_flat(x, layout, "train")}
    for part, pair in (("test", test), ("validation", validation)):
        if pair is not None and not isinstance(pair, float | int):
            features, answers = _pair(pair, part)
            found |= _flat(features, layout, part)
            found[f"y_{part}"] = labels.plain(answers, f"y_{part}")
    for name, texts in zip(NAMES, (class_names, feature_names), strict=True):
        if texts is not None and len(texts):
            found[name] = np.asarray([str(text) for text in texts])
    if layout is not None:
        found[LAYOUT] = np.asarray(layout)
    if isinstance(test, float | int):
        return set_aside(found, test)
    taken(found)
    _numbered(found)
    return found


def set_aside(arrays: Arrays, share: float) -> Arrays:
    """The same with a test part: a share of the training part, always the same samples.

    Raises:
        ValueError: When there is no such share, or the arrays cannot be used.
    """
    if not _records(arrays):  # which are counted once
        taken(arrays)
    numbers, _ = _numbered(arrays)
    if not 0 < share < 1:
        raise ValueError(f"test = {share}: give a share between 0 and 1, or the samples")
    kept, left = stratified_split(numbers["y_train"], share, np.random.default_rng(_TEST_SEED))
    found = dict(arrays)
    for part, rows in (("train", kept), ("test", left)):
        x, lengths = raw.chosen(arrays["x_train"], _lengths(arrays, "train"), rows)
        found |= {f"x_{part}": x, f"y_{part}": arrays["y_train"][rows]}
        found |= {} if lengths is None else {f"lengths_{part}": lengths}
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
    parts, axes, binning = taken(arrays)
    y, classes = _numbered(arrays)
    preparation = _fitted(arrays, parts, axes, classes, binning)
    x = {f"x_{part}": preparation.apply(given, f"x_{part}") for part, given in parts.items()}
    if "x_validation" not in x:
        rest, chosen = stratified_split(y["y_train"], validation_fraction, rng)
        x |= {"x_train": x["x_train"][rest], "x_validation": x["x_train"][chosen]}
        y |= {"y_train": y["y_train"][rest], "y_validation": y["y_train"][chosen]}
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


def _pair(pair: Any, part: str) -> tuple[Any, Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"{part} is no pair: give (x, y)")
    return pair[0], pair[1]


def _flat(x: Any, layout: str | None, part: str) -> Arrays:
    array, lengths = raw.flat(x, layout, f"x_{part}")
    found: Arrays = {f"x_{part}": array}
    return found if lengths is None else {**found, f"lengths_{part}": lengths}


def _parts(arrays: Arrays) -> list[str]:
    return [part for part in PARTS if f"x_{part}" in arrays]


def _lengths(arrays: Arrays, part: str) -> raw.Lengths | None:
    key, y = f"lengths_{part}", np.atleast_1d(arrays[f"y_{part}"])
    return raw.lengths_of(arrays[key], len(y), key) if key in arrays else None


def taken(arrays: Arrays) -> tuple[dict[str, raw.Raw], str, Binning | None]:
    """The samples of each part, their layout, and how events were counted.

    Raises:
        ValueError: When they are none, or those of one part unlike those of another.
    """
    asked = str(arrays[LAYOUT].ravel()[0]) if LAYOUT in arrays and arrays[LAYOUT].size else None
    binning, axes = _binning(arrays), ""
    found: dict[str, raw.Raw] = {}
    for part in _parts(arrays):
        key, train = f"x_{part}", arrays["x_train"]
        if (arrays[key].dtype == np.uint8) != (train.dtype == np.uint8):
            raise ValueError(
                f"{key} is {arrays[key].dtype} and x_train {train.dtype}: give uint8 in all parts "
                "or in none"
            )
        if "lengths_train" in arrays and f"lengths_{part}" not in arrays:
            raise ValueError(f"{key} has no lengths, which x_train has: give lengths_{part}, too")
        if arrays[key].ndim != train.ndim and f"lengths_{part}" not in arrays:
            raise ValueError(
                f"{key} has samples of shape {arrays[key].shape[1:]}, x_train of "
                f"{train.shape[1:]}: give the same"
            )
        x, axes = raw.taken(arrays[key], _lengths(arrays, part), asked, key, binning)
        asked = axes or asked
        if 0 in x.shape:
            raise ValueError(f"{key} is empty, its shape is {x.shape}: give some samples")
        each = x.shape[2:] if isinstance(x, Signals) else x.shape[1:]
        first = found.setdefault("train", x)
        if each != (first.shape[2:] if isinstance(first, Signals) else first.shape[1:]):
            raise ValueError(
                f"{key} has samples of shape {x.shape[1:]}, x_train of {first.shape[1:]}: give the "
                "same"
            )
        if not isinstance(x, Signals):
            check_numbers(x, key)
        elif not x.events:
            check_numbers(x.steps, key)
        found[part] = x
    return found, axes, binning


def _records(arrays: Arrays) -> dict[str, tuple[NDArray[Any], raw.Lengths]]:
    """The records of events of each part and their lengths; empty where there are none."""
    if not arrays["x_train"].dtype.names:
        return {}
    records = {}
    for part in _parts(arrays):
        lengths = _lengths(arrays, part)
        if lengths is None or arrays[f"x_{part}"].shape != (lengths.sum(),):
            raise ValueError(
                f"x_{part} holds {arrays[f'x_{part}'].size} events: say how many each record has, "
                f"by lengths_{part}, which sum to that"
            )
        records[f"x_{part}"] = arrays[f"x_{part}"], lengths
    return records


def _binning(arrays: Arrays) -> Binning | None:
    """How events are counted; None where there are none."""
    records = _records(arrays)
    if not records:
        return None
    bins = arrays.get(BINS, np.asarray(events.BINS))
    if bins.size != 1 or bins.dtype.kind not in "iu" or not 1 <= bins.ravel()[0] <= MOST_BINS:
        raise ValueError(f"{BINS} is {bins.ravel()[:1]}: give a whole number, 1 to {MOST_BINS}")
    return Binning.fitted(records, int(bins.ravel()[0]))


def _numbered(arrays: Arrays) -> tuple[Arrays, NDArray[Any]]:
    """The labels of each part by number, and the label of each class."""
    single = {}
    for part in _parts(arrays):
        several = arrays.get(f"lengths_{part}", arrays[f"x_{part}"])
        single[f"y_{part}"] = labels.single(arrays[f"y_{part}"], len(several), f"y_{part}")
    classes = labels.distinct(single["y_train"], arrays["y_train"])
    return {key: labels.numbered(y, classes, key) for key, y in single.items()}, classes


def _fitted(
    arrays: Arrays,
    parts: Mapping[str, raw.Raw],
    axes: str,
    classes: NDArray[Any],
    binning: Binning | None,
) -> Preparation:
    """The preparation that the training part asks for."""
    train = parts["train"]
    shape, in_events = train.shape[1:], isinstance(train, Signals) and train.events
    if isinstance(train, Signals):
        shape = layout.shape(max(part.shape[1] for part in parts.values()), shape[1], axes)
    features = layout.features(shape, axes)
    low, high = np.zeros(features), np.ones(features)
    if not in_events:
        rows = train.steps if isinstance(train, Signals) else layout.rows(train, axes)
        low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    if axes in layout.IMAGES:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    if train.dtype == np.uint8 and not in_events:
        low, high = np.zeros_like(low), np.full_like(low, 255)
    elif low.min() >= 0 and high.max() <= 1 and high.max() - low.min() >= FILLED:
        low, high = np.zeros_like(low), np.ones_like(low)
    high = np.where(high > low, high, low + 1)  # a constant says nothing
    names = {"class_names": classes.astype(str), "feature_names": np.empty(0, str)}
    for key, count in (("class_names", len(classes)), ("feature_names", features)):
        names[key] = arrays.get(key, names[key])
        if key in arrays and (names[key].shape != (count,) or names[key].dtype.kind != "U"):
            raise ValueError(f"{key} has shape {names[key].shape}: give {count} texts")
    return Preparation(
        low=low,
        high=high,
        labels=classes,
        shape=shape,
        layout=axes,
        events=in_events,
        binning=binning,
        **names,
    )
