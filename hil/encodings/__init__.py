"""The encodings by name: how features become a stimulus.

A module of this package is an encoding. It defines

- `Settings`, a frozen pydantic model of its settings, each with a default;
- `width(n_features, settings)`, the number of input channels it needs;
- `encode(x, steps, settings, rng)`, which makes the `drivers.Stimulus` of a batch.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from drivers import nearest

__all__ = ["module", "names"]


def names() -> list[str]:
    """Names of the encodings, sorted."""
    return sorted(found.name for found in iter_modules(__path__) if found.name != "contract")


def module(name: str) -> ModuleType:
    """Find an encoding.

    Args:
        name: One of `names()`.

    Returns:
        Its module.

    Raises:
        ValueError: When there is no encoding of that name.
    """
    if name not in names():
        raise ValueError(f"no encoding {name!r}: {nearest(name, names())}")
    return import_module(f"{__name__}.{name}")
