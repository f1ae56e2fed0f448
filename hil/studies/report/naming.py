"""What factors and levels are called in sentences, tables, axes and legends."""

from __future__ import annotations

from collections.abc import Sequence

from hil.studies.schema import Study
from hil.studies.table import Row


def level(rows: Sequence[Row], factor: str) -> str:
    """The level of a factor that trials share, with its unit; bare where their units differ."""
    shown = {row.shown(factor) for row in rows}
    return shown.pop() if len(shown) == 1 else rows[0].text(factor)


def levels(rows: Sequence[Row], factors: Sequence[str]) -> list[str]:
    """The levels of several factors that trials share."""
    return [level(rows, factor) for factor in factors]


def series(rows: Sequence[Row], factors: Sequence[str]) -> str:
    """The same as one entry of a legend."""
    return " · ".join(filter(None, levels(rows, factors)))


def quantity(rows: Sequence[Row], factor: str) -> str:
    """What a factor is; its name where it is another thing in each part."""
    about = {row.about(factor) for row in rows if row.text(factor)} or {factor}
    return about.pop() if len(about) == 1 else factor.replace("_", " ")


def quantities(rows: Sequence[Row], factors: Sequence[str]) -> list[str]:
    """What several factors are."""
    return [quantity(rows, factor) for factor in factors]


def legend(rows: Sequence[Row], factors: Sequence[str]) -> str:
    """The heading of a legend whose entries are `series`."""
    return " · ".join(quantities(rows, factors))


def subject(rows: Sequence[Row], factors: Sequence[str]) -> str:
    """Trials as the subject of a sentence, e.g. `rule adfa`."""
    named = [f"{quantity(rows, f)} {level(rows, f)}" for f in factors if level(rows, f)]
    return ", ".join(named) or "all trials"


def place(study: Study, rows: Sequence[Row], factors: Sequence[str]) -> str:
    """Where in the study trials are, e.g. `on emulator:ideal at 30 % of dead neurons`."""
    phrases = []
    for factor in factors:
        text = rows[0].text(factor)
        if not text:
            continue
        if factor != "part":
            phrases.append(rows[0].phrase(factor))
        elif not any(own in factors for own in study.parts[text].factors):
            phrases.append(f"in {study.parts[text].about or text}")
    return " ".join(dict.fromkeys(phrases))
