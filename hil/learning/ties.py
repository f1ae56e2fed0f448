"""Synapses that hold the same cell of a kernel: they begin alike, and stay alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Cells = Mapping[int, NDArray[np.int32]]


def average_alike(gradients: list[Matrix | None], cells: Cells) -> None:
    """Give every synapse of a cell their mean gradient, in place.

    Args:
        gradients: Of each projection, `(n_pre, n_post)`; None for a frozen one.
        cells: By projection, the number of the cell that each synapse holds; -1 where there is no
            synapse, or one that does not learn, whose gradient becomes 0.
    """
    for projection, numbers in cells.items():
        gradient = gradients[projection]
        if gradient is not None:
            held = numbers.reshape(-1) + 1
            sums = np.bincount(held, gradient.reshape(-1))
            means = sums / np.maximum(np.bincount(held), 1)
            means[0] = 0
            gradients[projection] = means.astype(np.float32)[held].reshape(gradient.shape)


def take_fixed(weights: Sequence[Matrix], cells: Cells) -> dict[int, Matrix]:
    """Take the weights that do not learn, by projection."""
    return {p: weights[p][numbers < 0] for p, numbers in cells.items()}


def put_fixed(weights: Sequence[Matrix], fixed: Mapping[int, Matrix], cells: Cells) -> None:
    """Put weights that do not learn back, in place, after an update."""
    for projection, values in fixed.items():
        weights[projection][cells[projection] < 0] = values


def read_cells(
    arrays: Mapping[str, NDArray[np.generic]], weights: Sequence[Matrix]
) -> dict[int, NDArray[np.int32]]:
    """Read the cells of each projection that has any, by its number.

    Raises:
        ValueError: When they are of another network.
    """
    cells = {}
    for name, array in arrays.items():
        number = int(name) if name.isdecimal() else len(weights)
        if (
            number >= len(weights)
            or array.shape != weights[number].shape
            or array.dtype != np.int32
        ):
            raise ValueError(f"cells/{name}: of another network")
        if array.min() < -1 or array.max() >= array.size:
            raise ValueError(f"cells/{name}: numbers beyond the {array.size} synapses")
        cells[number] = array.astype(np.int32)
    return cells
