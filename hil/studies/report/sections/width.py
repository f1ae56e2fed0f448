"""How many levels of a setting a rule works with: those near the best that it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from hil.statistics import FEWEST, bootstrap
from hil.studies.report import naming, wording
from hil.studies.report.section import SectionContent, SectionSettings, Table
from hil.studies.report.wording import Claim
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
            bounds = bootstrap(units, lambda sample: float(len(_near(sample, settings.margin))))
            about = naming.quantity(trials, settings.x)
            name = naming.subject(trials, settings.lines)
            shown = [naming.level(by_level[level,], settings.x) for level in known]
            levels = ", ".join(shown[place] for place in near) or "none"
            span = "none: too few" if bounds is None else f"{bounds[0]:.0f} to {bounds[1]:.0f}"
            table.append([about, name, f"{len(near)} of {len(known)}", span, levels])
            text = (
                f"{name} gets along with {len(near)} of {len(known)} levels of {about} "
                f"(95 %: {span}; {len(units)} units)"
            )
            claims.append(Claim(text, bounds is not None and len(units) >= FEWEST))
            told.setdefault(about, []).append(f"{len(near)} of {len(known)} for {name}")
    margin = wording.value(settings.margin, settings.measure)
    return SectionContent(
        settings.title or "Width of the range",
        settings.note
        or f"Levels at which the mean is within {margin} {wording.points(settings.measure)} of the "
        "best that the same trials reach at any of them. In the interval repetitions are drawn "
        "again (bootstrap).",
        claims=claims,
        answer="; ".join(
            f"of the levels of {about}, within {margin} {wording.points(settings.measure)} of the "
            f"best are {', '.join(names)}"
            for about, names in told.items()
        ),
        tables=[Table("", ("what", "trials", "levels", "95 %", "which"), table)],
        data={"widths": table},
    )


def _near(units: Sequence[Sequence[float]], margin: float) -> list[int]:
    """Places of the levels whose mean is near the best one."""
    if not units:
        return []
    means = [fmean(values) for values in zip(*units, strict=True)]
    return [place for place, value in enumerate(means) if value >= max(means) - margin]
