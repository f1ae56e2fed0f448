"""Levels of a factor compared in pairs: the same seed and chip, all other levels the same."""

from __future__ import annotations

from hil.statistics import Difference, holm, paired
from hil.studies.report import wording
from hil.studies.report.section import SectionContent, SectionSettings, Table
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    "Each level against the reference, repetition by repetition: the same seed, chip and all "
    "other levels. The interval is Student's for the mean difference; p is of the paired t-test, "
    "adjusted by Holm for all rows, beside that of Wilcoxon's signed-rank test, which with five "
    "pairs or fewer cannot fall below 0.05."
)


class Settings(SectionSettings):
    """Which levels are compared, and with what."""

    factor: str
    reference: str
    by: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each other level and combination of the levels of `by`."""
    measure = settings.measure
    compared: list[tuple[tuple[str, ...], str, Difference]] = []
    for levels, group in grouped(rows, settings.by).items():
        by_level = grouped(group, [settings.factor])
        if (settings.reference,) not in by_level:
            continue
        for (level,), other in by_level.items():
            if level != settings.reference:
                found = difference(other, by_level[(settings.reference,)], measure)
                if found is not None:
                    compared.append((levels, level, found))
    adjusted = adjust([found for _, _, found in compared])
    claims, table, results = [], [], []
    for (levels, level, found), p in zip(compared, adjusted, strict=True):
        place = " · ".join(filter(None, levels))
        first = f"{level} on {place}" if place else level
        claims.append(
            wording.comparison(first, settings.reference, found, measure, p, len(compared))
        )
        table.append(
            [
                *levels,
                level,
                wording.value(found.mean.value, measure),
                wording.interval(found.mean.interval, measure),
                str(found.mean.units),
                "" if p is None else f"{p:.2g}",
                "" if found.wilcoxon is None else f"{found.wilcoxon:.2g}",
            ]
        )
        results.append(
            {
                "levels": levels,
                "level": level,
                "difference": found.mean.value,
                "interval": found.mean.interval,
                "p": p,
            }
        )
    last = len(settings.by) + 1
    unit = "points" if wording.is_share(measure) else wording.unit(measure)
    header = (
        *settings.by,
        settings.factor,
        f"difference, {unit}",
        "95 % interval",
        "pairs",
        "p, t-test",
        "p, Wilcoxon",
    )
    return SectionContent(
        settings.title or f"Against {settings.reference}",
        settings.note or NOTE,
        claims=claims,
        tables=[Table("", header, table, frozenset({last, *range(last + 2, last + 5)}))],
        data={"reference": settings.reference, "differences": results},
    )


def difference(first: list[Row], second: list[Row], measure: str) -> Difference | None:
    """Difference of two groups of trials over the units that both have; None for no unit."""
    a, b = by_unit(first, measure), by_unit(second, measure)
    both = sorted(a.keys() & b.keys())
    return paired([a[u] for u in both], [b[u] for u in both]) if both else None


def adjust(found: list[Difference]) -> list[float | None]:
    """p-values of the paired t-tests, adjusted for their number."""
    known = [d.t_test for d in found if d.t_test is not None]
    adjusted = iter(holm(known))
    return [None if d.t_test is None else next(adjusted) for d in found]
