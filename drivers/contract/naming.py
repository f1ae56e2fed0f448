"""Refusing a name that is not known: the one that was probably meant, and all that are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from drivers.contract.refusal import shortened

LISTED = 800  # characters of all names


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name.

    Args:
        name: What was given.
        known: The names that are allowed.

    Returns:
        `did you mean 'seed'? known: baud, seed`, without the question where none is similar.
    """
    names = sorted(map(shortened, known))
    close = difflib.get_close_matches(shortened(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(names) or "none"
    return f"{hint}known: {listed if len(listed) <= LISTED else f'{listed[: LISTED - 3]}...'}"
