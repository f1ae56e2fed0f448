"""Labels as people have them, made into classes 0 to C - 1.

Whole numbers, texts, truth values, floats that are whole numbers, and rows of a one-hot matrix are
labels. What is none of these may be numbers to be learned as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import nearest, shorten
from hil.tasks.samples import AmbiguousSamples

Labels = NDArray[np.int64]
"""`(N,)`, the class of each sample, in 0 ... classes - 1."""
Targets = NDArray[np.float32]
"""`(N, K)`, real numbers that the K outputs are to give for each sample."""

SHOWN = 5  # labels that a refusal repeats
CLASSIFICATION, REGRESSION = PROBLEMS = ("classification", "regression")
MANY, EACH = 20, 5  # so many different numbers, and fewer samples of each, are hardly classes


def read_labels(y: Any, name: str) -> NDArray[Any]:
    """Read what was given as an array of numbers, truth values or texts.

    Args:
        y: An array, or what numpy makes one of: a list, a column of a table.
        name: What a refusal calls it.

    Raises:
        ValueError: When it is none.
    """
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise ValueError(f"{name} is no array ({error}): give one label for each sample") from None
    if array.dtype.kind == "O":
        kinds = {type(item) for item in array.ravel()}
        if all(issubclass(kind, str) for kind in kinds):
            return array.astype(str)
        numbers = (bool, int, float, np.bool_, np.integer, np.floating)
        if not kinds or not all(issubclass(kind, numbers) for kind in kinds):
            types = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
            raise ValueError(f"{name} mixes labels of {types}: give texts alone or whole numbers")
        array = array.astype(np.float64)
    if array.dtype.kind not in "biufU":
        raise ValueError(f"{name} is {array.dtype}: give whole numbers or texts")
    return array


def is_regression(y: NDArray[Any], problem: str | None) -> bool:
    """Tell whether numbers are to be learned, and not classes.

    Args:
        y: Of the training part, as `read_labels` gives it.
        problem: One of `PROBLEMS`; None goes by the numbers: those that are not whole are learned.

    Raises:
        AmbiguousSamples: When numbers are whole and most are different.
        ValueError: When there is no such problem.
    """
    if problem is not None and problem not in PROBLEMS:
        raise ValueError(f"problem={shorten(problem)}: {nearest(problem, PROBLEMS)}")
    if problem is not None or y.dtype.kind not in "iuf":
        return problem == REGRESSION
    if (np.isfinite(y) & (y != np.rint(y))).any():
        return True
    if y.size == len(y) and (count := len(np.unique(y))) > max(MANY, len(y) / EACH):
        raise AmbiguousSamples(
            f"y_train holds {count} different numbers in {len(y)} samples: numbers to learn, or "
            "classes? say which",
            problem=REGRESSION,
        )
    return False


def check_targets(y: NDArray[Any], samples: int, name: str) -> NDArray[np.float64]:
    """Refuse what are no real numbers for so many samples.

    Args:
        y: `(N,)` or `(N, K)`.
        samples: N.
        name: What a refusal calls it.

    Returns:
        `(N, K)`.

    Raises:
        ValueError: When it is none of these.
    """
    y = read_labels(y, name)
    if y.dtype.kind == "U":
        raise ValueError(f"{name} holds texts: give numbers, or problem={CLASSIFICATION}")
    if y.shape[:1] != (samples,) or y.ndim not in (1, 2) or not y.size:
        raise ValueError(f"{name} has shape {y.shape} for {samples} samples: give ({samples},)")
    targets = y.reshape(samples, -1).astype(np.float64)
    if not np.isfinite(targets).all():
        raise ValueError(f"{name} holds NaN or infinity: give a number for each sample")
    return targets


def check_single(y: NDArray[Any], samples: int, name: str) -> NDArray[Any]:
    """Reduce labels to one for each sample: `(N,)` whole numbers, truth values or texts.

    Args:
        y: `(N,)`, `(N, 1)`, or one-hot `(N, C)`, as `read_labels` gives it.
        samples: N.
        name: What a refusal calls it.

    Raises:
        ValueError: When it is none of these, or says something else than classes.
    """
    y = read_labels(y, name)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape[:1] != (samples,) or y.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {y.shape} for {samples} samples: give ({samples},)")
    if y.dtype.kind == "f":
        with np.errstate(over="ignore"):  # of floats of any size
            y = y.astype(np.float64)
        if not np.isfinite(y).all():
            raise ValueError(f"{name} holds NaN or infinity: give a label for each sample")
        if (y != np.rint(y)).any():
            broken = float(y[y != np.rint(y)].ravel()[0])
            raise ValueError(
                f"{name} holds {broken:g}, which is a measurement: give classes, as whole numbers "
                f"or texts, or problem={REGRESSION}"
            )
        if np.abs(y).max(initial=0) >= 2**53:
            raise ValueError(f"{name} holds floats of 2^53 and more: give integers or texts")
        y = y.astype(np.int64)
    if y.ndim == 1:
        return y
    if y.dtype.kind == "U" or not (((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()):
        raise ValueError(
            f"{name} has shape {y.shape} and is not one-hot (a single 1 in each row): "
            f"give ({samples},) labels"
        )
    columns: NDArray[Any] = y.argmax(axis=1)
    return columns


def find_classes(y: NDArray[Any], given: NDArray[Any]) -> NDArray[Any]:
    """Find the classes of the training part, in ascending order.

    Args:
        y: Its labels, as `check_single` gives them.
        given: As they were given: a one-hot matrix has a class for each column.

    Raises:
        ValueError: When there are fewer than two.
    """
    one_hot = given.ndim == 2 and given.shape[1] > 1
    classes: NDArray[Any] = np.arange(given.shape[1]) if one_hot else np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y_train holds {_list_some(classes)} alone: a task needs at least 2 classes"
        )
    return classes


def number_labels(y: NDArray[Any], classes: NDArray[Any], name: str) -> Labels:
    """Find the class of each sample by its number.

    Args:
        y: `(N,)` labels.
        classes: `(C,)` the label of each class, ascending.
        name: What a refusal calls y.

    Returns:
        `(N,)` int64 in 0 to C - 1.

    Raises:
        ValueError: When a label is none of the classes.
    """
    if (y.dtype.kind == "U") != (classes.dtype.kind == "U"):
        raise ValueError(
            f"{name} is {y.dtype} and y_train {classes.dtype}: give labels of one kind"
        )
    numbers = np.minimum(np.searchsorted(classes, y), len(classes) - 1).astype(np.int64)
    unknown = np.unique(y[classes[numbers] != y])
    if len(unknown):
        raise ValueError(
            f"{name} has labels {_list_some(unknown)} that y_train has not: give "
            f"{_list_some(classes)}"
        )
    return numbers


def class_weights(
    asked: str | Mapping[str, float], classes: NDArray[Any], y: Labels | Targets
) -> NDArray[np.float32] | None:
    """Give the factor of the loss of each class, as scikit-learn's `class_weight` has it.

    Args:
        asked: `none`; `balanced`, N / (C n) for a class of n of the N training samples; or the
            factors of some classes by their labels, those of others being 1.
        classes: `(C,)` the label of each class.
        y: `(N,)` class of each training sample.

    Returns:
        `(C,)`, or None where there are none.

    Raises:
        ValueError: When a factor is given to what is no class.
    """
    if asked == "none":
        return None
    if y.ndim == 2:
        raise ValueError("training.class_weight: targets are real numbers: leave it out")
    if not isinstance(asked, Mapping):
        counts = np.bincount(y, minlength=len(classes))
        return (len(y) / (len(classes) * np.maximum(counts, 1))).astype(np.float32)
    names = [str(label) for label in classes.tolist()]
    for name in asked:
        if name not in names:
            raise ValueError(
                f"training.class_weight: no class {shorten(repr(name))}: {nearest(name, names)}"
            )
    return np.asarray([asked.get(name, 1.0) for name in names], np.float32)


def sample_weights(
    asked: str | Mapping[str, float],
    classes: NDArray[Any],
    y: Labels | Targets,
    own: NDArray[np.float32] | None,
) -> NDArray[np.float32] | None:
    """Give the factor of the loss of each training sample: that of its class times its own.

    Args:
        asked: As for `class_weights`.
        classes: `(C,)` the label of each class.
        y: `(N,)` class of each training sample.
        own: `(N,)` factor of each sample; None is 1.

    Returns:
        `(N,)`, or None where all are 1.

    Raises:
        ValueError: As `class_weights`.
    """
    by_class = class_weights(asked, classes, y)
    if by_class is None:
        return own
    return by_class[y] if own is None else by_class[y] * own


def _list_some(labels: NDArray[Any]) -> str:
    shown = ", ".join(
        repr(str(item)[:30]) if labels.dtype.kind == "U" else str(item) for item in labels[:SHOWN]
    )
    return shown + (f", ... ({len(labels)} in all)" if len(labels) > SHOWN else "")
