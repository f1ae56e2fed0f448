"""The learning rules by name. A module of this package with `Settings` and `build` is a rule."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from drivers import nearest

__all__ = ["module", "names"]


def names() -> list[str]:
    """Names of the rules, sorted."""
    return sorted(found.name for found in iter_modules(__path__) if found.name != "contract")


def module(name: str) -> ModuleType:
    """The module of a rule.

    Raises:
        ValueError: When there is no rule of that name.
    """
    if name not in names():
        raise ValueError(f"no rule {name!r}: {nearest(name, names())}")
    return import_module(f"{__name__}.{name}")
