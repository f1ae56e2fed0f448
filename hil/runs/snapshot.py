"""What a snapshot holds, array by array; one that holds something else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import FileFormatError

SHOWN = 64  # samples shown, and neurons of a layer, at most
CLASSES = 1024
CELLS = 1_000_000
LARGEST = 1e9  # of membranes and weights, in nominal thresholds
HEADER = ("__kind__", "__version__")


class _Arrays:
    """The arrays of a snapshot, each of which is asked for once."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
        self._left = {key: a for key, a in arrays.items() if key not in HEADER}
        self._name = name

    def refuse(self, key: str, why: str) -> FileFormatError:
        return FileFormatError(f"{self._name}: {key}: {why}")

    def has(self, key: str) -> bool:
        return key in self._left

    def take(
        self,
        key: str,
        kinds: str,
        shape: tuple[int | None, ...],
        least: float = -LARGEST,
        most: float = LARGEST,
    ) -> NDArray[Any]:
        """An array of such kinds and such a shape (None: any), all of it within limits."""
        if key not in self._left:
            raise self.refuse(key, "is missing")
        found = self._left.pop(key)
        fits = found.ndim == len(shape) and all(
            size is None or n == size for n, size in zip(found.shape, shape, strict=True)
        )
        if found.dtype.kind not in kinds or not fits:
            told = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.refuse(key, f"is {found.dtype} of shape {found.shape}, ({told}) is meant")
        if found.size and not (found.min() >= least and found.max() <= most):
            raise self.refuse(key, f"is not within {least:g} and {most:g}")
        return found

    def end(self) -> None:
        for key in self._left:
            raise self.refuse(key[:60], "is no array of a snapshot")


def confusion(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Test samples by class, as `confused` counts them.

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


def _samples(held: _Arrays, shown: int) -> NDArray[Any]:
    """Features `(S, n)`, or signals `(S, T, n)` with their lengths."""
    if not held.has("sample_lengths"):
        return held.take("samples", "f", (shown, None), 0, 1)
    found = held.take("samples", "f", (shown, None, None), 0)
    if 0 in found.shape:
        raise held.refuse("samples", f"has shape {found.shape}")
    held.take("sample_lengths", "iu", (shown,), 1, found.shape[1])
    return found


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
    held = _Arrays(arrays, name)
    counts = held.take("counts", "iu", (None, None), 0)
    shown, classes = counts.shape
    if not 1 <= shown <= SHOWN or not 1 <= classes <= CLASSES:
        raise held.refuse("counts", f"has shape {counts.shape}: up to {(SHOWN, CLASSES)} is meant")
    labels = held.take("test_labels", "iu", (None,), 0, classes - 1)
    if not labels.size:
        raise held.refuse("test_labels", "is empty")
    held.take("test_predictions", "iu", (len(labels),), 0, classes - 1)
    samples = _samples(held, shown)
    held.take("sample_labels", "iu", (shown,), 0, classes - 1)
    image = held.take("image_shape", "iuf", (None,), 1)
    if image.size and (
        image.size not in (2, 3) or np.prod(image.astype(float)) != samples.shape[1]
    ):
        raise held.refuse("image_shape", f"does not hold {samples.shape[1]} features")
    if held.has("output_raster"):
        held.take("output_raster", "bu", (None, shown, classes))
    held.take("membrane_every", "iu", (), 1)
    for layer in range(1, depth + 1):
        key = f"membrane_{layer}"
        if held.has(key):
            traces = held.take(key, "f", (None, shown, None))
            if not 1 <= traces.shape[2] <= SHOWN or not len(traces):
                raise held.refuse(key, f"has shape {traces.shape}")
    for projection in range(projections):
        asked = held.take(f"asked_{projection}", "f", (None,))
        held.take(f"stored_{projection}", "f", asked.shape)
        if not 1 <= asked.size <= CELLS:
            raise held.refuse(f"asked_{projection}", f"has {asked.size} cells")
    held.end()
