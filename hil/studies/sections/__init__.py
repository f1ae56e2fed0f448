"""What a study's page can show: one module for each kind, with `Settings` and `build`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from drivers import nearest
from hil.studies.definition import Study, known, validated
from hil.studies.sections.contract import Shown
from hil.studies.table import MEASURES, Rows

__all__ = ["build", "check", "module", "names"]


def names() -> list[str]:
    """Kinds of sections, sorted."""
    return sorted(found.name for found in iter_modules(__path__) if found.name != "contract")


def module(kind: str) -> ModuleType:
    """The module of a kind.

    Raises:
        ValueError: When there is none.
    """
    if kind not in names():
        raise ValueError(f"sections: no kind {kind!r}: {nearest(kind, names())}")
    return import_module(f"{__name__}.{kind}")


def wanted(study: Study) -> list[Mapping[str, Any]]:
    """The sections of a study; a table of means where it names none."""
    usual = [{"kind": "means", "by": [*(["part"] if study.parts else []), *study.names()]}]
    return list(study.sections) or usual


def check(study: Study) -> None:
    """Refuse sections that do not exist, or are about factors that do not.

    Raises:
        ValueError: Naming the nearest.
    """
    for section in wanted(study):
        _settings(section, study)


def build(study: Study, rows: Rows) -> list[Shown]:
    """The sections of a study.

    Args:
        study: The study.
        rows: Its table.
    """
    found = []
    for section in wanted(study):
        kind, settings = _settings(section, study)
        shown: Shown = kind.build(settings, study, rows)
        found.append(shown)
    return found


def _settings(section: Mapping[str, Any], study: Study) -> tuple[ModuleType, Any]:
    given = dict(section)
    name = given.pop("kind", None)
    if not isinstance(name, str):
        raise ValueError(f"sections: kind = {name!r}: give one of {', '.join(names())}")
    kind = module(name)
    settings = validated(kind.Settings, given, f"sections ({name})")
    factors = ["part", *study.names()]
    for key in ("by", "lines"):
        for factor in getattr(settings, key, ()):
            known(factor, factors, f"sections ({name}).{key}")
    for key in ("factor", "dose", "x", "y"):
        if hasattr(settings, key):
            known(getattr(settings, key), factors, f"sections ({name}).{key}")
    for key in ("measure", "against"):
        measure = getattr(settings, key, None)
        if measure is not None and measure not in MEASURES:
            raise ValueError(
                f"sections ({name}).{key}: no measure {measure!r}: {nearest(measure, MEASURES)}"
            )
    return kind, settings
