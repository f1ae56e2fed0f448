"""Named chips: every `Profile` that a module of this package defines."""

from __future__ import annotations

from device_models.naming import collect_members, quote, suggest
from device_models.profile import Cited, Profile

__all__ = ["Cited", "Profile", "get", "names"]


def names() -> tuple[str, ...]:
    """Name every profile of this package, e.g. `ideal`, `mixed-signal`."""
    return tuple(collect_members(__name__, Profile))


def get(name: str) -> Profile:
    """Find the profile of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    profiles = collect_members(__name__, Profile)
    if name not in profiles:
        raise ValueError(f"chip {quote(name)} is unknown: {suggest(name, profiles)}")
    return profiles[name]
