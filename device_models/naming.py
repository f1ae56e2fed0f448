"""Modules by name, what a refusal shows of a name that is unknown, and entries below a prefix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

Value = TypeVar("Value")
SHOWN = 60  # characters of what was given


def shown(text: object) -> str:
    """What was given, for a refusal: short, and without characters that act on a terminal."""
    whole = repr(text)
    return whole if len(whole) <= SHOWN else f"{whole[:SHOWN]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a refusal: the nearest valid name, then all of them."""
    names = sorted(known)
    # Comparing takes the square of the length, and no name is as long as that.
    close = difflib.get_close_matches(name[:100], names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"


def below(prefix: str, entries: Mapping[str, Value]) -> dict[str, Value]:
    """The entries whose names start with a prefix, by the rest of their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in entries.items()
        if name.startswith(prefix)
    }


def catalogue(package: str) -> tuple[str, ...]:
    """Names of the modules of a package, sorted, with `-` for `_`."""
    modules = iter_modules(import_module(package).__path__)
    return tuple(sorted(module.name.replace("_", "-") for module in modules))


def find(package: str, kind: str, name: str, attribute: str) -> Any:
    """What the module of that name defines.

    Args:
        package: Dotted name of the package of such modules.
        kind: What each of them is, for a refusal.
        name: One of `catalogue(package)`.
        attribute: What of the module is asked for.

    Raises:
        ValueError: For an unknown name; the nearest valid one is given.
    """
    known = catalogue(package)
    if name not in known:
        raise ValueError(f"{kind} {shown(name)} is unknown: {nearest(name, known)}")
    return getattr(import_module(f"{package}.{name.replace('-', '_')}"), attribute)
