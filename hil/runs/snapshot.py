"""What a snapshot holds, array by array; one that holds something else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError

SHOWN = 64  # samples shown, and neurons of a layer, at most
LARGEST = 1e9  # of anything; of membranes and weights in nominal thresholds
HEADER = ("__kind__", "__version__")
# Axes of arrays by their first letter, and how long they are at most: samples shown, classes,
# neurons of a layer, cells of a projection. Axes of one name are equally long.
LONGEST = {"s": SHOWN, "c": 1024, "n": SHOWN, "w": 1_000_000}


def holds_numbers(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Tell if outputs stand for real numbers, and not for classes."""
    return arrays["test_labels"].ndim == 2


def confusion(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Test samples by class, as `count_answers` counts them.

    Args:
        arrays: Those of a snapshot.
    """
    labels, predicted = arrays["test_labels"], arrays["test_predictions"]
    classes = arrays["counts"].shape[1]
    return count_confusion(labels.astype(np.int64), predicted.astype(np.int64), classes)


def count_confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Samples by class `(C, C)`: a row is what they are, a column what was answered.

    Args:
        labels: Class of each sample, `(N,)`.
        predicted: What each was answered by, `(N,)`.
        classes: C.
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def check(arrays: Mapping[str, NDArray[Any]], depth: int, projections: int, name: str) -> None:
    """Refuse arrays that are no snapshot of a network of so many layers and projections.

    Args:
        arrays: The arrays by name.
        depth: Layers of neurons, the output included.
        projections: Projections.
        name: What a refusal calls the file.

    Raises:
        FileFormatError: One line that names the file and the first array that is wrong.
    """
    left = {key: array for key, array in arrays.items() if key not in HEADER}
    sizes: dict[str, int] = {}

    def refuse(key: str, why: str) -> NoReturn:
        raise FileFormatError(f"{name}: {key}: {why}")

    def take(key: str, kinds: str, axes: str, least: float = 0, most: float = LARGEST) -> None:
        """Take out an array of such kinds of numbers, along such axes, all of it within limits."""
        if key not in left:
            refuse(key, "is missing")
        array = left.pop(key)
        names = axes.split()
        if array.dtype.kind not in kinds or array.ndim != len(names):
            refuse(key, f"is {array.dtype} of shape {array.shape}, which it never is")
        for axis, size in zip(names, array.shape, strict=True):
            if size != sizes.setdefault(axis, size) or not 1 <= size <= LONGEST.get(axis[0], size):
                refuse(key, f"has shape {array.shape}, which does not go with the others")
        if array.size and not least <= float(array.min()) <= float(array.max()) <= most:
            refuse(key, f"is not within {least:g} and {most:g}")

    take("counts", "iu", "s c")
    real = left.get("test_labels", np.empty(0)).ndim == 2
    for key, axis in (("test", "test"), ("sample", "s")):
        for what in ("labels", "predictions"):
            if real:
                take(f"{key}_{what}", "f", f"{axis} c", -LARGEST)
            else:
                take(f"{key}_{what}", "iu", axis, most=sizes["c"] - 1)
    if "sample_lengths" in left:
        take("samples", "f", "s time features")
        take("sample_lengths", "iu", "s", 1, sizes["time"])
    else:
        take("samples", "f", "s features", most=1)
    sides = left.get("image_shape")
    if sides is not None and sides.shape == (0,):
        del left["image_shape"]
    else:
        take("image_shape", "iuf", "image", 1)
        if sides is None or sides.size > 3 or np.prod(sides.astype(float)) != sizes["features"]:
            refuse("image_shape", f"does not hold {sizes['features']} features")
    if "output_raster" in left:
        take("output_raster", "bu", "raster s c")
    take("membrane_every", "iu", "", 1)
    for layer in range(1, depth + 1):
        if f"membrane_{layer}" in left:
            take(f"membrane_{layer}", "f", f"t{layer} s n{layer}", -LARGEST)
    for projection in range(projections):
        for key in ("asked", "stored"):
            take(f"{key}_{projection}", "f", f"w{projection}", -LARGEST)
    for key in left:
        refuse(key[:60], "is no array of a snapshot")
