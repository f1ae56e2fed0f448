"""Values by name, where the first part of a name says whose they are: `rule/0`, `device/time`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

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
