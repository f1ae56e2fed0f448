"""Names in files and refusals: the nearest valid one, and what was given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Value = TypeVar("Value")
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
