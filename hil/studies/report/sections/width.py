"""How many levels of a setting a rule works with: those near the best that it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from hil.statistics import near_best
from hil.studies.report import naming, wording
from hil.studies.report.section import SectionContent, SectionKind, SectionSettings, Table
from hil.studies.report.wording import CONFIDENCE, Claim
from hil.studies.schema import Study
from hil.studies.table import Rows, by_unit, grouped


class Settings(SectionSettings):
    """Which factor is ranged over, for which lines, and how near is near."""

    x: str
    lines: tuple[str, ...]
    margin: float = 0.05


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each part that has the factor, and each line."""
    table, claims, told = [], [], dict[str, list[str]]()
    for group in grouped(rows, ["part"]).values():
        there = [row for row in group if row.text(settings.x)]
        for trials in grouped(there, settings.lines).values():
            by_level = grouped(trials, [settings.x])
            values = {level: by_unit(at, settings.measure) for (level,), at in by_level.items()}
            known = {level: by_number for level, by_number in values.items() if by_number}
            if len(known) < 2:
                continue
            common = sorted(set.intersection(*(set(by_number) for by_number in known.values())))
            units = [[by_number[unit] for by_number in known.values()] for unit in common]
            near = _near(units, settings.margin)
            bounds = near_best(units, settings.margin)
            about = naming.quantity(trials, settings.x)
            name = naming.subject(trials, settings.lines)
            shown = [naming.level(by_level[level,], settings.x) for level in known]
            levels = ", ".join(shown[place] for place in near) or "none"
            count, span = f"{len(near)} of {len(known)}", "too few to say"
            if bounds is not None and bounds != (1, len(known)):
                span = f"{bounds[0]} to {bounds[1]}"
            table.append([about, name, count, span, levels])
            if span == "too few to say":
                text = (
                    f"{span} how many levels of {about} {name} gets along with, in the mean {count}"
                )
                claims.append(Claim(f"{text} ({len(units)} units)", False))
            else:
                detail = f"{CONFIDENCE}: {span}; {len(units)} units"
                claims.append(
                    Claim(f"{name} gets along with {count} levels of {about} ({detail})", True)
                )
            told.setdefault(about, []).append(f"{count} for {name} ({CONFIDENCE}: {span})")
    margin = wording.value(settings.margin, settings.measure)
    return SectionContent(
        settings.title or "Width of the range",
        settings.note
        or f"Levels at which the mean is within {margin} {wording.points(settings.measure)} of the "
        "best that the same trials reach at any of them. In the interval are, at least, those that "
        "paired tests tell to be as near, and at most those that they do not tell to be further.",
        claims=claims,
        answer="; ".join(
            f"of the levels of {about}, within {margin} {wording.points(settings.measure)} of the "
            f"best are {', '.join(names)}"
            for about, names in told.items()
        ),
        tables=[Table("", ("what", "trials", "levels", CONFIDENCE, "which"), table)],
        data={"widths": table},
    )


def _near(units: Sequence[Sequence[float]], margin: float) -> list[int]:
    """Places of the levels whose mean is near the best one."""
    if not units:
        return []
    means = [fmean(values) for values in zip(*units, strict=True)]
    return [place for place, value in enumerate(means) if value >= max(means) - margin]


SECTION = SectionKind(build, Settings)
