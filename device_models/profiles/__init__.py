"""Named chips: one file each, found by name."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from device_models.naming import nearest
from device_models.profiles.contract import Cited, Profile

__all__ = ["Cited", "Profile", "get", "names"]


def names() -> tuple[str, ...]:
    """Every profile of this package, e.g. `ideal`, `mixed-signal`."""
    found = (module.name for module in pkgutil.iter_modules(__path__) if module.name != "contract")
    return tuple(sorted(name.replace("_", "-") for name in found))


def get(name: str) -> Profile:
    """The profile of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    if name not in names():
        raise ValueError(f"chip {name!r} is unknown: {nearest(name, names())}")
    profile: Profile = import_module(f"{__name__}.{name.replace('-', '_')}").PROFILE
    return profile
