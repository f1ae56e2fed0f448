"""With which settings the trials were made: as they were run, not as the study begins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hil.studies.plan import configuration_lines, nested
from hil.studies.schema import Study
from hil.studies.table import Row, Rows

MOST = 8  # values of a setting that are named
Line = tuple[str, str]


@dataclass(frozen=True)
class SettingsUsed:
    """Settings of all trials, as text by their dotted keys.

    Attributes:
        given: Those that the study names and that are the same in every trial.
        varied: Those that are not the same in every trial, with their values.
        others: All others, the same in every trial.
    """

    given: list[Line]
    varied: list[Line]
    others: list[Line]


def settings_used(study: Study, rows: Rows) -> SettingsUsed:
    """What the complete configurations of the trials have in common, and what not."""
    configurations = [dict(_lines(row)) for row in rows]
    values: dict[str, list[str]] = {}
    for configuration in configurations:
        for key, text in configuration.items():
            seen = values.setdefault(key, [])
            if text not in seen:
                seen.append(text)
    partial = {key for key in values if any(key not in own for own in configurations)}
    named = _named(study)
    used = SettingsUsed([], [], [])
    for key, texts in values.items():
        if len(texts) > 1 or key in partial:
            shown = "; ".join(texts[:MOST])
            more = f"; … ({len(texts)} in all)" if len(texts) > MOST else ""
            rest = " (of trials that have it)" if key in partial else ""
            used.varied.append((key, f"{shown}{more}{rest}"))
        else:
            (used.given if key in named else used.others).append((key, texts[0]))
    return used


def _lines(row: Row) -> list[Line]:
    """The complete configuration of a trial, with what the device chose of it."""
    sections: dict[str, Any] = json.loads(row.config or "{}")
    chosen: Mapping[str, Any] = row.outcome.get("chosen", {})
    lines = {key: _text(value) for key, value in configuration_lines(sections)}
    return list((lines | {key: _text(value) for key, value in chosen.items()}).items())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _named(study: Study) -> set[str]:
    """Keys of the settings that the study names."""
    layers: list[Mapping[str, Any]] = [study.base, *(part.set for part in study.parts.values())]
    for _, factors in study.families():
        for factor in factors.values():
            layers += [
                level.get("set", {})
                if isinstance(level, Mapping) and "label" in level
                else nested(factor.key, level)
                for level in factor.levels
            ]
    return {key for layer in layers for key, _ in configuration_lines(layer)}
