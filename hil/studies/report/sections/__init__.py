"""What a study's page can show: one module for each kind, which defines
`SECTION`, a `SectionKind`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from drivers import nearest
from hil.discovery import Catalogue
from hil.studies.report.section import SectionContent, SectionKind, SectionSettings
from hil.studies.schema import MEASURES, Study, known
from hil.studies.table import Rows, grouped
from hil.validation import validated

__all__ = ["CATALOGUE", "check", "get", "makers", "names"]


CATALOGUE: Catalogue[SectionKind] = Catalogue(
    "kind of section",
    SectionKind,
    "hil.study_sections",
    __name__,
    "SECTION",
)
names, get = CATALOGUE.names, CATALOGUE.get


def wanted(study: Study) -> list[Mapping[str, Any]]:
    """The sections of a study; a table of means where it names none."""
    by = [*(["part"] if study.parts else []), *study.names()]
    return list(study.sections) or [{"kind": "means", "by": by}]


def check(study: Study) -> None:
    """Refuse sections that do not exist, or are about factors that do not.

    Raises:
        ValueError: Naming the nearest.
    """
    for section in wanted(study):
        _settings(section, study)


def makers(study: Study, rows: Rows) -> list[tuple[str, Callable[[], SectionContent]]]:
    """What makes each section of a study, with the name of the section.

    Args:
        study: The study.
        rows: Its table.
    """
    return [
        (str(section.get("title") or section["kind"]), partial(_built, section, study, rows))
        for section in wanted(study)
    ]


def _built(section: Mapping[str, Any], study: Study, rows: Rows) -> SectionContent:
    kind, settings = _settings(section, study)
    content = kind.build(_without_constant_factors(settings, rows), study, rows)
    asked = any(other.get("answer") for other in wanted(study))
    return replace(content, answer="") if asked and not settings.answer else content


def _without_constant_factors(settings: SectionSettings, rows: Rows) -> SectionSettings:
    """The settings without factors of a single level, which group nothing; one is always left."""
    changed = {}
    for key in ("by", "lines"):
        names = getattr(settings, key, ())
        kept = tuple(name for name in names if len(grouped(rows, [name])) > 1)
        changed[key] = kept or names[:1]
    return settings.model_copy(update={k: v for k, v in changed.items() if hasattr(settings, k)})


def _settings(section: Mapping[str, Any], study: Study) -> tuple[SectionKind, Any]:
    given = dict(section)
    name = given.pop("kind", None)
    if not isinstance(name, str):
        raise ValueError(f"sections: kind = {name!r}: give one of {', '.join(names())}")
    kind = get(name)
    settings = validated(
        kind.settings, given, what="study", where=f"sections ({name})", others=("kind",)
    )
    factors = ["part", *study.names()]
    for key in ("by", "lines"):
        for factor in getattr(settings, key, ()):
            known(factor, factors, f"sections ({name}).{key}")
    for part in getattr(settings, "parts", ()):
        if part not in study.parts:
            raise ValueError(
                f"sections ({name}).parts: no part {part!r}: {nearest(part, study.parts)}"
            )
    for key in ("factor", "severity", "x", "y"):
        if hasattr(settings, key):
            known(getattr(settings, key), factors, f"sections ({name}).{key}")
    for key in ("measure", "against"):
        measure = getattr(settings, key, None)
        if measure is not None and measure not in MEASURES:
            raise ValueError(
                f"sections ({name}).{key}: no measure {measure!r}: {nearest(measure, MEASURES)}"
            )
    return kind, settings
