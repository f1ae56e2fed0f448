"""Values by name, where the first part of a name says whose they are: `rule/0`, `device/time`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value")


def below(values: Mapping[str, Value], prefix: str) -> dict[str, Value]:
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


def unlike(found: Mapping[str, NDArray[Any]], own: Mapping[str, NDArray[Any]]) -> str | None:
    """What keeps arrays from taking the place of others.

    Args:
        found: Arrays by name, e.g. of a file.
        own: Those whose place they are to take.

    Returns:
        The first that is missing, not known, of another shape or kind, or not finite where the
        other one is; None where they fit.
    """
    for name in [*own, *(name for name in found if name not in own)]:
        if name not in found or name not in own:
            return f"{name[:60]} is {'missing' if name in own else 'not known here'}"
        one, other = found[name], own[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"{name} is {one.dtype} {one.shape}, {other.dtype} {other.shape} is meant"
        if one.dtype.kind == "f" and np.isfinite(other).all() and not np.isfinite(one).all():
            return f"{name} is not finite"
    return None
