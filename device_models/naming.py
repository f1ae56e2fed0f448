"""Names in files and refusals: the nearest valid one, what was given, and members of a package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

Value = TypeVar("Value")
Member = TypeVar("Member")
LONGEST_QUOTE = 60  # characters of what was given


def quote(given: object) -> str:
    """Quote what was given, for a refusal: short, without characters that act on a terminal."""
    text = repr(given)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."


def suggest(name: str, known: Iterable[str]) -> str:
    """End a refusal with the nearest valid name, then all of them."""
    names = sorted(known)
    # Comparing takes the square of the length, and no name is as long as that.
    close = difflib.get_close_matches(name[:100], names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"


def select_prefixed(prefix: str, entries: Mapping[str, Value]) -> dict[str, Value]:
    """Select the entries whose names start with a prefix, by the rest of their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in entries.items()
        if name.startswith(prefix)
    }


def collect_members(package: str, kind: type[Member]) -> dict[str, Member]:
    """Collect all of a kind that the modules of a package define, by their `name`, sorted.

    Args:
        package: Dotted name of the package.
        kind: A class whose objects have a `name`.
    """
    modules = [
        import_module(f"{package}.{module.name}")
        for module in iter_modules(import_module(package).__path__)
    ]
    members = [v for module in modules for v in vars(module).values() if isinstance(v, kind)]
    return {member.name: member for member in sorted(members, key=lambda m: m.name)}  # type: ignore[attr-defined]


def find_member(package: str, kind: type[Member], name: str, what: str) -> Member:
    """Find a member of a package by its name.

    Args:
        package: As for `collect_members`.
        kind: As for `collect_members`.
        name: Its name.
        what: What it is, for a refusal.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    members = collect_members(package, kind)
    if name not in members:
        raise ValueError(f"{what} {quote(name)} is unknown: {suggest(name, members)}")
    return members[name]
