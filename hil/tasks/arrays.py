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

from hil.tasks import labels
from hil.tasks import samples as axes
from hil.tasks.events import DEFAULT_BINS, Binning, is_event_layout, name_columns
from hil.tasks.preparation import (
    Preparation,
    Raw,
    check_lengths,
    check_numbers,
    interpret_axes,
    select_samples,
    stack_samples,
)
from hil.tasks.samples import Kind, Lengths, Signals
from hil.tasks.task import Arrays, Data, Size, Task, stratified_split

NAME = "arrays"
PARTS = ("train", "test", "validation")
NAMES = ("class_names", "feature_names")
LAYOUT, BINS, EVENT_COLUMNS = "layout", "bins", "event_columns"
FILLED = 0.5  # of [0, 1]: numbers that take up less of it are in some small unit
TEST_SHARE = 0.2  # of the samples, where no test part is given
MOST_BINS = 100_000
_TEST_SEED = 1797  # fixed, so that figures of runs with other seeds are about the same samples

Part = tuple[ArrayLike, ArrayLike]


def _refuse_to_load(_: Generator, __: float) -> Data:
    raise ValueError(
        "task arrays: its samples lie in the folder of its run: start from that run "
        "(hil train --from RUN) or name them (hil train npz:RUN/arrays.npz)"
    )


TASK_OF_ARRAYS = Task(NAME, "samples that a program gave", _refuse_to_load)


def collect_arrays(
    x: ArrayLike,
    y: ArrayLike | None,
    *,
    test: Part | float = TEST_SHARE,
    validation: Part | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    layout: str | None = None,
) -> Arrays:
    """Bring samples that a program gave into the form that is kept with a run.

    Args:
        x: Features to learn from, `(N, n)`, or images or signals, as `hil.tasks.samples` tells
            them, or a sparse matrix; the columns of a table name the features.
        y: Their labels: `(N,)`, or one-hot `(N, C)`.
        test: Features and labels to test with, or the share of the samples set aside for it, in
            the same mix of classes and always the same samples.
        validation: Features and labels to validate with.
        class_names: What each class is called, in ascending order of the labels.
        feature_names: What each feature is called.
        layout: What the axes of a sample are: `HW`, `HWC` or `CHW` of an image, `TC`, `CT` or `T`
            of a signal; or the columns of events that are rows of plain numbers, such as `txyp`.

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
    arrays: Arrays = {}
    for part, pair in (("train", (x, y)), ("test", test), ("validation", validation)):
        if pair is None or isinstance(pair, float | int):
            continue
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"{part} is no pair: give (x, y)")
        arrays[f"x_{part}"], lengths = stack_samples(pair[0], layout, f"x_{part}")
        arrays[f"y_{part}"] = labels.read_labels(pair[1], f"y_{part}")
        if lengths is not None:
            arrays[f"lengths_{part}"] = lengths
    for name, texts in zip(NAMES, (class_names, feature_names), strict=True):
        if texts is not None and len(texts):
            arrays[name] = np.asarray([str(text) for text in texts])
    if layout is not None:
        arrays[LAYOUT] = np.asarray(layout)
    arrays = name_event_columns(arrays)
    if isinstance(test, float | int):
        return set_aside(arrays, test)
    read_parts(arrays)
    _number_labels(arrays)
    return arrays


def name_event_columns(arrays: Arrays) -> Arrays:
    """Make records of events of rows of plain numbers, where the layout names their columns.

    Raises:
        ValueError: When they are no such rows.
    """
    layout = _text(arrays, LAYOUT)
    if layout is None or not is_event_layout(layout):
        return arrays
    records = {key: name_columns(arrays[key], layout, key) for key in arrays if key[:2] == "x_"}
    others = {key: array for key, array in arrays.items() if key != LAYOUT}
    return {**others, **records, EVENT_COLUMNS: np.asarray(layout)}


def set_aside(arrays: Arrays, share: float) -> Arrays:
    """Split off a test part: a share of the training part, always the same samples.

    Raises:
        ValueError: When there is no such share, or the arrays cannot be used.
    """
    if not arrays["x_train"].dtype.names:  # events are counted once, later
        read_parts(arrays)
    numbers, _ = _number_labels(arrays)
    if not 0 < share < 1:
        raise ValueError(f"test = {share}: give a share between 0 and 1, or the samples")
    kept, left = stratified_split(numbers["y_train"], share, np.random.default_rng(_TEST_SEED))
    split = dict(arrays)
    for part, rows in (("train", kept), ("test", left)):
        x, lengths = select_samples(arrays["x_train"], _lengths(arrays, "train"), rows)
        split |= {f"x_{part}": x, f"y_{part}": arrays["y_train"][rows]}
        split |= {} if lengths is None else {f"lengths_{part}": lengths}
    return split


def build_data(arrays: Arrays, rng: Generator, validation_fraction: float) -> Data:
    """Make the data of a run.

    Args:
        arrays: As `collect_arrays` gives them; `x_test` may be missing where nothing is to be
            tested.
        rng: Draws the validation part where the arrays bring none.
        validation_fraction: Share of the training samples set aside for validation then.

    Raises:
        ValueError: When the arrays cannot be used.
    """
    parts, layout, binning = read_parts(arrays)
    y, classes = _number_labels(arrays)
    preparation = _fit(arrays, parts, layout, classes, binning)
    x = {f"x_{part}": preparation.apply(raw, f"x_{part}") for part, raw in parts.items()}
    if "x_validation" not in x:
        rest, chosen = stratified_split(y["y_train"], validation_fraction, rng)
        x |= {"x_train": x["x_train"][rest], "x_validation": x["x_train"][chosen]}
        y |= {"y_train": y["y_train"][rest], "y_validation": y["y_train"][chosen]}
    return Data(
        x_train=x["x_train"],
        y_train=y["y_train"],
        x_validation=x["x_validation"],
        y_validation=y["y_validation"],
        x_test=x.get("x_test", x["x_train"][:0]),
        y_test=y.get("y_test", y["y_train"][:0]),
        classes=len(classes),
        image_shape=preparation.image_shape,
        fitted=preparation,
    )


def measure_arrays(arrays: Arrays) -> Size:
    """Find number, size and kind of samples by shapes and types alone.

    Args:
        arrays: As `collect_arrays` gives them, or a file.

    Raises:
        ValueError: When these do not tell.
    """
    x, asked = arrays["x_train"], _text(arrays, LAYOUT)
    count, lengths = len(np.atleast_1d(arrays["y_train"])), arrays.get("lengths_train")
    if not x.ndim:
        raise ValueError("x_train holds no samples")
    if x.dtype.names:
        return Size(count, 0, "events")
    kind: Kind = "events" if x.dtype.kind == "b" else "signals"
    if lengths is not None and x.ndim < 3:
        channels = x.shape[1] if x.ndim == 2 else 1
        return Size(count, channels, kind, len(x) // max(count, 1))
    layout = axes.infer_layout(x, asked or (axes.STEPS if lengths is not None else None), "x_train")
    features, steps = (
        axes.count_features(x.shape[1:], layout),
        axes.count_steps(x.shape[1:], layout),
    )
    return Size(count, features) if steps is None else Size(count, features, kind, steps)


def read_parts(arrays: Arrays) -> tuple[dict[str, Raw], str, Binning | None]:
    """Read the samples of each part, their layout, and how events are counted.

    Raises:
        ValueError: When they are none, or those of one part unlike those of another.
    """
    asked, layout, binning = _text(arrays, LAYOUT), "", _fit_binning(arrays)
    parts: dict[str, Raw] = {}
    train = arrays["x_train"]
    for part in _list_parts(arrays):
        key, x, lengths = f"x_{part}", arrays[f"x_{part}"], _lengths(arrays, part)
        if (x.dtype == np.uint8) != (train.dtype == np.uint8):
            raise ValueError(
                f"{key} is {x.dtype} and x_train {train.dtype}: give uint8 in all parts or in none"
            )
        if "lengths_train" in arrays and lengths is None:
            raise ValueError(f"{key} has no lengths, which x_train has: give lengths_{part}, too")
        if x.ndim != train.ndim and lengths is None:
            raise _refuse_shape(key, x, train)
        raw, layout = interpret_axes(x, lengths, asked, key, binning)
        asked = layout or asked
        if 0 in raw.shape:
            raise ValueError(f"{key} is empty, its shape is {raw.shape}: give some samples")
        first = parts.setdefault("train", raw)
        begin = 2 if isinstance(raw, Signals) else 1
        if raw.shape[begin:] != first.shape[begin:]:
            raise _refuse_shape(key, raw, first)
        if not isinstance(raw, Signals):
            check_numbers(raw, key)
        elif not raw.events:
            check_numbers(raw.steps, key)
        parts[part] = raw
    return parts, layout, binning


def _refuse_shape(key: str, x: Raw, train: Raw) -> ValueError:
    return ValueError(
        f"{key} has samples of shape {x.shape[1:]}, x_train of {train.shape[1:]}: give the same"
    )


def _text(arrays: Arrays, key: str) -> str | None:
    return str(arrays[key].ravel()[0]) if key in arrays and arrays[key].size else None


def _list_parts(arrays: Arrays) -> list[str]:
    return [part for part in PARTS if f"x_{part}" in arrays]


def _lengths(arrays: Arrays, part: str) -> Lengths | None:
    key, y = f"lengths_{part}", np.atleast_1d(arrays[f"y_{part}"])
    return check_lengths(arrays[key], len(y), key) if key in arrays else None


def _fit_binning(arrays: Arrays) -> Binning | None:
    """Decide how events are counted; None where there are none."""
    if not arrays["x_train"].dtype.names:
        return None
    records = {}
    for part in _list_parts(arrays):
        events, lengths = arrays[f"x_{part}"], _lengths(arrays, part)
        if lengths is None or events.shape != (lengths.sum(),):
            raise ValueError(
                f"x_{part} holds {events.size} events: say how many each record has, by "
                f"lengths_{part}, which sum to that"
            )
        records[f"x_{part}"] = events, lengths
    bins = arrays.get(BINS, np.asarray(DEFAULT_BINS))
    if bins.size != 1 or bins.dtype.kind not in "iu" or not 1 <= bins.ravel()[0] <= MOST_BINS:
        raise ValueError(f"{BINS} is {bins.ravel()[:1]}: give a whole number, 1 to {MOST_BINS}")
    return Binning.fit(records, int(bins.ravel()[0]))


def _number_labels(arrays: Arrays) -> tuple[Arrays, NDArray[Any]]:
    """Number the labels of each part, and list the label of each class."""
    single = {}
    for part in _list_parts(arrays):
        count = len(arrays.get(f"lengths_{part}", arrays[f"x_{part}"]))
        single[f"y_{part}"] = labels.check_single(arrays[f"y_{part}"], count, f"y_{part}")
    classes = labels.find_classes(single["y_train"], arrays["y_train"])
    return {key: labels.number_labels(y, classes, key) for key, y in single.items()}, classes


def _fit(
    arrays: Arrays,
    parts: Mapping[str, Raw],
    layout: str,
    classes: NDArray[Any],
    binning: Binning | None,
) -> Preparation:
    """Fit the preparation that the training part asks for."""
    train = parts["train"]
    shape, events = train.shape[1:], isinstance(train, Signals) and train.events
    if isinstance(train, Signals):  # as long as the longest of any part
        sides = {"T": max(part.shape[1] for part in parts.values()), "C": shape[1]}
        shape = tuple(sides[axis] for axis in layout)
    features = axes.count_features(shape, layout)
    low, high = np.zeros(features), np.ones(features)
    if not events:
        rows = train.steps if isinstance(train, Signals) else axes.to_rows(train, layout)
        low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    if layout in axes.IMAGES:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    if train.dtype == np.uint8 and not events:
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
        layout=layout,
        events=events,
        binning=binning,
        event_columns=_text(arrays, EVENT_COLUMNS) or "",
        **names,
    )
