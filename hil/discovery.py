"""Things found by name: a module in the right folder, an entry point, or a file of a user's own.

A folder of built-in ones holds a module for each of them, which defines it under a name in
capitals, e.g. `GATE`, and is called as a user calls it; or for several, by name in `GATES`. Others
are named by an entry point of an installed package, or as `FILE.py:NAME` or `module:NAME`; they are
objects of the same type, and whoever asks for one cannot tell which they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from drivers.errors import nearest
from hil import extensions
from hil.extensions import make_name_absolute

__all__ = ["Catalogue", "NoSettings", "check_settings", "nearest", "make_name_absolute"]

LONG = 60  # characters of a name that a refusal repeats
T = TypeVar("T")


class NoSettings(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check_settings(model: object) -> None:
    """Refuse what is no model of settings.

    Raises:
        ValueError: Saying what is.
    """
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ValueError(f"settings is {model!r}: give a class of pydantic.BaseModel")


@dataclass(frozen=True)
class Catalogue(Generic[T]):
    """Things of one kind, by name.

    Attributes:
        kind: What each of them is, for a refusal, e.g. `rule`.
        of: Of which type each of them is.
        group: Entry points by which installed packages bring some.
        package: Dotted name of the package of the built-in ones; empty where there are none.
        attribute: What a module of that package defines to be one; with an `S` at its end, several
            by name.
        others: Gives what else a user may name, for a refusal, e.g. `npz:FILE`.
        with_checks: Wraps one of a user's own, given which it is, so that it is checked.
    """

    kind: str
    of: type[T]
    group: str
    package: str = ""
    attribute: str = ""
    others: Callable[[], Iterable[str]] = tuple
    with_checks: Callable[[T, str], T] | None = None

    def names(self) -> list[str]:
        """Names of the built-in ones, sorted."""
        return sorted(self._builtin())

    def list_installed(self) -> dict[str, str]:
        """Give those that installed packages bring: `module:NAME` by name."""
        from drivers.registry import find_entry_points

        return find_entry_points(self.group)

    def get(self, name: str) -> T:
        """The one of that name.

        Raises:
            UntrustedCode: When a file names it, and nobody who runs it.
            ValueError: When there is none, or it is something else.
        """
        builtin = self._builtin()
        if name in builtin:
            return builtin[name]
        installed, what = self.list_installed(), f"{self.kind} {self._quote(name)}"
        if not extensions.is_code(name) and name not in installed:
            names = [*builtin, *installed, *self.others(), "FILE.py:NAME", "module:NAME"]
            raise ValueError(f"no {what}: {nearest(name, names)}")
        try:
            place = installed.get(name)
            thing = extensions.import_object(place) if place else extensions.load_object(name)
        except extensions.UntrustedCode:
            raise
        except ValueError as error:
            raise ValueError(f"{what} cannot be loaded: {error}") from error
        if not isinstance(thing, self.of):
            kind = type(thing).__name__
            raise ValueError(f"{what} is no {self.of.__name__} but of type {kind}")
        thing = extensions.blame_errors(thing, what)
        return thing if self.with_checks is None else self.with_checks(thing, what)

    def name_of(self, value: T) -> str | None:
        """The name of one of the built-in ones; None for any other."""
        return next((name for name, thing in self._builtin().items() if thing == value), None)

    @staticmethod
    def _quote(name: str) -> str:
        return repr(name if len(name) <= LONG or ":" in name else f"{name[:LONG]}...")

    def _builtin(self) -> dict[str, T]:
        """Give those of the package by name."""
        return _find_defined(self.package, self.attribute) if self.package else {}


@cache
def _find_defined(package: str, attribute: str) -> dict[str, Any]:
    """Find what the modules of a package define: `NAME` one each, or `NAMES` several by name."""
    defined: dict[str, Any] = {}
    for place in iter_modules(import_module(package).__path__):
        module = import_module(f"{package}.{place.name}")
        defined |= getattr(module, f"{attribute}S", {})
        if hasattr(module, attribute):
            defined[place.name] = getattr(module, attribute)
    return defined
