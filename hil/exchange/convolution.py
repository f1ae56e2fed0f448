"""Convolutions and pooling as synapses: each output hears of its own part of the input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hil.exchange.nir_file import NirRefusal

Array = NDArray[Any]
MOST = 1 << 27  # synapses of one node


@dataclass(frozen=True)
class Windows:
    """Windows that slide over an image, or over a signal, which is an image of one row.

    Attributes:
        size: Of a window, rows and columns.
        stride: From each to the next.
        padding: Before the first row and column, after the last ones.
        dilation: Between two cells of a window.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]

    @classmethod
    def read(cls, name: str, size: Sequence[int], fields: dict[str, Array]) -> Windows:
        """Read the windows of a node, whose `size` has one or two dimensions.

        Raises:
            NirRefusal: Naming the field that is none of such windows.
        """

        def pair(key: str, least: int) -> tuple[int, int]:
            value = fields.get(key, np.array(least)).reshape(-1)
            whole = value.dtype.kind in "iuf" and value.size in (1, len(size))
            if not (whole and (value == value.astype(int)).all() and value.min() >= least):
                raise NirRefusal(
                    f"{name}.{key}: give {len(size)} whole numbers of at least {least}"
                )
            numbers = np.broadcast_to(value.astype(int), len(size)).tolist()
            return tuple([1 if key != "padding" else 0] * (2 - len(size)) + numbers)

        whole = (1,) * (2 - len(size)) + tuple(size)
        stride, dilation = pair("stride", 1), pair("dilation", 1)
        said = fields.get("padding", np.array(0))
        if said.dtype.kind in "OSU":
            reach = [
                d * (n - 1) if said == "same" else 0 for d, n in zip(dilation, whole, strict=True)
            ]
            if str(said) not in ("same", "valid"):
                raise NirRefusal(f"{name}.padding: give numbers, same or valid")
            padding = [(n // 2, n - n // 2) for n in reach]
        else:
            padding = [(n, n) for n in pair("padding", 0)]
        return cls((whole[0], whole[1]), stride, (padding[0], padding[1]), dilation)

    def count(self, image: Sequence[int]) -> tuple[int, int]:
        """Count the windows in an image, rows and columns."""
        counts = [
            (n + sum(around) - d * (k - 1) - 1) // s + 1
            for n, around, d, k, s in zip(
                image, self.padding, self.dilation, self.size, self.stride, strict=True
            )
        ]
        return counts[0], counts[1]


def unroll(
    name: str, windows: Windows, shape: tuple[int, int, int], kernel: Array, groups: int
) -> tuple[csr_array, csr_array, tuple[int, int, int]]:
    """Lay a kernel out as synapses.

    Args:
        name: Of the node.
        windows: Where it is applied.
        shape: Of what it is applied to: channels, rows, columns.
        kernel: `(n_out, n_in / groups, rows, columns)`.
        groups: How many parts of the channels are apart from each other.

    Returns:
        Weights `(n_pre, n_post)`; of each synapse the number of its cell of the kernel, from 1; and
        the shape of the output.

    Raises:
        NirRefusal: Where the kernel does not fit the image, or there would be too many synapses.
    """
    channels, *image = shape
    n_out, n_in = kernel.shape[:2]
    rows, columns = windows.count(image)
    if groups < 1 or channels != n_in * groups or n_out % groups or min(rows, columns) < 1:
        raise NirRefusal(
            f"{name}: a kernel of shape {kernel.shape} in {groups} groups does not fit {shape}"
        )
    if kernel.size * rows * columns > MOST:
        raise NirRefusal(
            f"{name}: {kernel.size * rows * columns} synapses: at most {MOST} are read"
        )
    sizes = n_out, n_in, *windows.size, rows, columns
    o, i, y, x, row, column = np.ix_(*(np.arange(n, dtype=np.int32) for n in sizes))
    at_y, at_x = (
        out * stride - around[0] + cell * apart
        for out, stride, around, cell, apart in zip(
            (row, column),
            windows.stride,
            windows.padding,
            (y, x),
            windows.dilation,
            strict=True,
        )
    )
    pre = ((o // (n_out // groups) * n_in + i) * image[0] + at_y) * image[1] + at_x
    post = (o * rows + row) * columns + column
    cells = np.arange(1, kernel.size + 1, dtype=np.int32).reshape(kernel.shape)[..., None, None]
    full = np.broadcast_shapes(pre.shape, post.shape, cells.shape)
    inside = np.broadcast_to(
        (at_y >= 0) & (at_y < image[0]) & (at_x >= 0) & (at_x < image[1]), full
    )
    places = tuple(np.broadcast_to(part, full)[inside] for part in (pre, post))
    numbers = np.broadcast_to(cells, full)[inside]
    size = math.prod(shape), n_out * rows * columns
    number_of = csr_array((numbers, places), shape=size)
    weights = number_of.copy()
    weights.data = kernel.reshape(-1)[number_of.data - 1].astype(np.float64)
    return weights, number_of, (n_out, rows, columns)


def pool(
    name: str, windows: Windows, shape: tuple[int, int, int], *, average: bool
) -> tuple[csr_array, tuple[int, int, int]]:
    """Lay the sums or means of windows out as weights, of each channel apart."""
    channels = shape[0]
    kernel = np.ones((channels, 1, *windows.size)) / (math.prod(windows.size) if average else 1)
    weights, _, out = unroll(name, windows, shape, kernel, channels)
    return weights, out
