"""From a name to what it stands for: a file that is run, or a module that is imported."""

from __future__ import annotations

import sys
from contextlib import suppress
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from types import ModuleType

from hil.extensions.failing import said
from hil.extensions.trust import in_force

MOST = 64 * 2**20  # bytes of a file of code


def load(name: str) -> object:
    """What a name `FILE.py:NAME` or `module:NAME` stands for, once it may run.

    Raises:
        UntrustedCode: When nobody named it who may; nothing has run then.
        ValueError: When it cannot be found, or fails.
    """
    trust = in_force()
    if name in trust.given:
        return trust.given[name]
    trust.check([name])
    return imported(name)


def imported(name: str) -> object:
    """What `FILE.py:NAME` or `module:NAME` stands for.

    Raises:
        ValueError: When it cannot be found, or fails.
    """
    from drivers.errors import FileFormatError

    place, _, attribute = name.rpartition(":")
    try:
        module = _run(Path(place)) if place.endswith(".py") else import_module(place)
    except FileFormatError:
        raise
    except (Exception, SystemExit) as error:  # code of others: it may fail in any way
        raise ValueError(f"{said(error, place)}") from error
    try:
        found: object = attrgetter(attribute)(module)
    except AttributeError:
        if "<" in attribute or place in ("__main__", "program"):
            raise ValueError(
                f"a program made it: give it again, extensions={{{name!r}: ...}} in Python"
            ) from None
        raise ValueError(f"{place} has no {attribute}") from None
    return found


def _run(path: Path) -> ModuleType:
    """The module that a file makes; as long as the file stays the same it is run once."""
    from drivers.files.bounded import read_bytes

    code = read_bytes(path, MOST)
    digest, name = sha256(code).hexdigest(), str(path.absolute())
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__dict__["__sha256__"] == digest:
        return loaded
    spec = spec_from_file_location(name, path)
    assert spec is not None
    module = module_from_spec(spec)
    module.__dict__["__sha256__"] = digest
    sys.modules[name] = module  # where dataclasses and pydantic look for what annotations name
    try:
        exec(compile(code, name, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def file_of(name: str) -> Path | None:
    """The file in which something of a name lies, if there is one.

    To find that of a module, Python runs the packages that it lies in.
    """
    place = name.rpartition(":")[0]
    if place.endswith(".py"):
        return Path(place)
    module = sys.modules.get(place)
    origin = getattr(module, "__file__", None)
    if module is None:
        with suppress(ImportError, ValueError):
            origin = getattr(find_spec(place), "origin", None)
    return Path(origin) if origin else None
