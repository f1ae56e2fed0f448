"""Levels of a factor compared in pairs: the same seed and chip, all other levels the same."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Pair:
    """A level compared with the reference.

    Attributes:
        place: The levels of `by` at which they are compared.
        level: The level.
        difference: Level less reference, over the units that have both.
    """

    place: tuple[str, ...]
    level: str
    difference: Difference


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each other level and combination of the levels of `by`."""
    pairs = _pairs(settings, rows)
    adjusted = adjust([pair.difference for pair in pairs])
    claims, results = [], []
    for pair, p in zip(pairs, adjusted, strict=True):
        place = " · ".join(filter(None, pair.place))
        claims.append(
            wording.comparison(
                f"{pair.level} on {place}" if place else pair.level,
                settings.reference,
                pair.difference,
                settings.measure,
                p=p,
                family=len(pairs),
            )
        )
        results.append(
            {
                "levels": pair.place,
                "level": pair.level,
                "difference": pair.difference.mean.value,
                "interval": pair.difference.mean.interval,
                "p": p,
            }
        )
    return SectionContent(
        settings.title or f"Against {settings.reference}",
        settings.note or NOTE,
        claims=claims,
        tables=[_table(settings, pairs, adjusted)],
        data={"reference": settings.reference, "differences": results},
    )


def _pairs(settings: Settings, rows: Rows) -> list[Pair]:
    """Every level but the reference, wherever both share units."""
    pairs = []
    for place, group in grouped(rows, settings.by).items():
        by_level = grouped(group, [settings.factor])
        reference = by_level.pop((settings.reference,), None)
        if reference is None:
            continue
        for (level,), trials in by_level.items():
            change = difference(trials, reference, settings.measure)
            if change is not None:
                pairs.append(Pair(place, level, change))
    return pairs


def _table(settings: Settings, pairs: list[Pair], adjusted: list[float | None]) -> Table:
    measure, last = settings.measure, len(settings.by) + 1
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
    lines = [
        [
            *pair.place,
            pair.level,
            wording.value(pair.difference.mean.value, measure),
            wording.interval(pair.difference.mean.interval, measure),
            str(pair.difference.mean.units),
            "" if p is None else f"{p:.2g}",
            "" if pair.difference.wilcoxon is None else f"{pair.difference.wilcoxon:.2g}",
        ]
        for pair, p in zip(pairs, adjusted, strict=True)
    ]
    return Table("", header, lines, frozenset({last, *range(last + 2, last + 5)}))


def difference(first: list[Row], second: list[Row], measure: str) -> Difference | None:
    """Difference of two groups of trials over the units that both have; None for no unit."""
    a, b = by_unit(first, measure), by_unit(second, measure)
    both = sorted(a.keys() & b.keys())
    return paired([a[u] for u in both], [b[u] for u in both]) if both else None


def adjust(differences: list[Difference]) -> list[float | None]:
    """p-values of the paired t-tests, adjusted for their number."""
    known = [d.t_test for d in differences if d.t_test is not None]
    adjusted = iter(holm(known))
    return [None if d.t_test is None else next(adjusted) for d in differences]
