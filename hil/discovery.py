"""Modules found by name: a file in the right folder is all that a rule or a task needs.

A folder of such modules holds one file for each of them, and what marks a file as one is a name
that it defines. The name of the file is the name that a user gives, with `-` for `_` or without.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from drivers.contract.naming import nearest

__all__ = ["Catalogue", "nearest"]

LONG = 60  # characters of a name that a refusal repeats


@dataclass(frozen=True)
class Catalogue:
    """The modules of one package that are something by name.

    Attributes:
        kind: What each of them is, for a refusal, e.g. `rule`.
        package: Dotted name of the package.
        attribute: What a module has to define to be one.
        others: What else a user may give, for a refusal, e.g. `npz:FILE`.
    """

    kind: str
    package: str
    attribute: str
    others: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Names of all of them, sorted."""
        return sorted(self._modules())

    def module(self, name: str) -> ModuleType:
        """The module of that name.

        Raises:
            ValueError: When there is none; the nearest name is given.
        """
        found = self._modules()
        if name not in found:
            told = name if len(name) <= LONG else f"{name[:LONG]}..."
            raise ValueError(f"no {self.kind} {told!r}: {nearest(name, [*found, *self.others])}")
        return found[name]

    def _modules(self) -> dict[str, ModuleType]:
        places = import_module(self.package).__path__
        modules = [import_module(f"{self.package}.{m.name}") for m in iter_modules(places)]
        return {
            module.__name__.rpartition(".")[2]: module
            for module in modules
            if hasattr(module, self.attribute)
        }
