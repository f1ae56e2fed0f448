"""Values by name, where the first part of a name says whose they are: `rule/0`, `device/time`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value")
Kind = TypeVar("Kind", bound=np.generic)
WIDEST = 1 << 24  # rows and columns of events


def select_prefix(values: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """The values whose names begin with a prefix, by the rest of their names.

    Args:
        values: Values by name, e.g. the arrays of a checkpoint.
        prefix: What the names begin with, its separator included.

    Returns:
        The values themselves, not copies.
    """
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


def read_only(array: NDArray[Kind]) -> NDArray[Kind]:
    """Give a view of an array that nobody can make writable; the array itself is, as before."""
    return np.asarray(array.data.toreadonly())


def first_mismatch(
    arrays: Mapping[str, NDArray[Any]], own: Mapping[str, NDArray[Any]]
) -> str | None:
    """Name what keeps arrays from taking the place of others.

    Args:
        arrays: Arrays by name, e.g. of a file.
        own: Those whose place they are to take.

    Returns:
        The first that is missing, not known, of another shape or kind, or not finite where the
        other one is; None where they fit.
    """
    for name in [*own, *(name for name in arrays if name not in own)]:
        if name not in arrays or name not in own:
            return f"{name[:60]} is {'missing' if name in own else 'not known here'}"
        one, other = arrays[name], own[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"{name} is {one.dtype} {one.shape}, {other.dtype} {other.shape} is meant"
        if one.dtype.kind == "f" and np.isfinite(other).all() and not np.isfinite(one).all():
            return f"{name} is not finite"
    return None


def is_csr(
    data: NDArray[Any], indices: NDArray[Any], ends: NDArray[Any], shape: tuple[int, ...]
) -> bool:
    """Tell whether these are a sparse matrix; scipy looks at less, and writes where it must not."""
    if {data.ndim, indices.ndim, ends.ndim} != {1} or len(shape) != 2 or max(shape) > WIDEST:
        return False
    if len(ends) != shape[0] + 1 or not len(data) == len(indices) == ends[-1] or ends[0]:
        return False
    rising = bool((ends[1:] >= ends[:-1]).all())
    return rising and not (indices.size and not 0 <= indices.min() <= indices.max() < shape[1])
