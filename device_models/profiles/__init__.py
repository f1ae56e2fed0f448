"""Named chips: one file each, found by name."""

from __future__ import annotations

from device_models.naming import catalogue, find
from device_models.profile import Cited, Profile

__all__ = ["Cited", "Profile", "get", "names"]


def names() -> tuple[str, ...]:
    """Every profile of this package, e.g. `ideal`, `mixed-signal`."""
    return catalogue(__name__)


def get(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    profile: Profile = find(__name__, "chip", name, "PROFILE")
    return profile
