"""Names of code: those that stand in texts, and those that objects are given."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# Objects that no name finds are called as Python calls their functions: `module:f.<locals>.g`.
_CODE = re.compile(r"(.+):([A-Za-z_<][\w.<>#]*)")


def is_code(name: str) -> bool:
    """Whether a name is that of something in a file or a module."""
    return _CODE.fullmatch(name) is not None


def placed(name: str) -> str:
    """The name that means the same wherever it is used: that of a file is absolute."""
    place, _, attribute = name.rpartition(":")
    return f"{Path(place).absolute()}:{attribute}" if place.endswith(".py") else name


def shown(name: str) -> str:
    """A name without the folders of its file."""
    place, _, attribute = name.rpartition(":")
    return f"{Path(place).name}:{attribute}" if place.endswith(".py") else name


def named(value: Any, objects: dict[str, object]) -> Any:
    """Sections with names in place of objects.

    Args:
        value: Sections, lists and texts of a program, with rules, gates and others in them.
        objects: Takes these by the names that they are given.
    """
    if isinstance(value, Mapping):
        return {key: named(item, objects) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [named(item, objects) for item in value]
    if isinstance(value, type) or not (callable(value) or is_dataclass(value)):
        return value
    name = first = _name(value)
    number = 1
    while objects.setdefault(name, value) is not value:  # two of one line
        number += 1
        name = f"{first}#{number}"
    return name


def _name(value: Any) -> str:
    """The name by which other processes find an object, or what Python calls a function of it."""
    inside = [value, *(getattr(value, f.name) for f in fields(value))] if _made(value) else [value]
    function = next((one for one in inside if hasattr(one, "__qualname__")), type(value))
    home = sys.modules.get(str(function.__module__))
    # An object is made in one module, which is loaded last, and may be imported into others.
    others = [module for module in reversed(list(sys.modules.values())) if module is not home]
    for module in [home, *others]:
        for name, other in list(getattr(module, "__dict__", {}).items()):
            if type(other) is type(value) and (other is value or (_made(value) and other == value)):
                return f"{_place(module)}:{name}"
    return f"{_place(home)}:{function.__qualname__}"


def _made(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _place(module: ModuleType | None) -> str:
    """Where a module is found from other processes: a script by its file."""
    if module is None:
        return "program"
    if module.__name__ == "__main__":
        spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None) or ""
        if spec is not None:
            return str(spec.name)
        return str(Path(file).absolute()) if file.endswith(".py") else "__main__"
    return module.__name__


def named_by(given: Any) -> frozenset[str]:
    """The files of code that are named, wherever that stands in sections and lists."""
    import drivers

    found: set[str] = set()
    for text in texts(given):
        if text.rpartition(":")[0].endswith(".py"):
            found.add(placed(text))
        with suppress(drivers.DeviceError):
            found.update(drivers.code_of(text))
    return frozenset(found)


def texts(value: Any) -> Iterator[str]:
    """Every text in sections and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
