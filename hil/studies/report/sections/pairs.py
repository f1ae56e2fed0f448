"""Levels of a factor compared in pairs: the same seed and chip, all other levels the same."""

from __future__ import annotations

from dataclasses import dataclass

from hil.statistics import Difference
from hil.studies.report import best, naming, wording
from hil.studies.report.estimates import adjust, difference
from hil.studies.report.section import SectionContent, SectionKind, SectionSettings, Table
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, grouped

NOTE = (
    "Each level against the reference, repetition by repetition: the same seed, chip and all "
    f"other levels. The interval is Student's, of {wording.CONFIDENCE}, for the mean difference; p "
    "is of the paired t-test, adjusted by Holm for all rows, and a difference is told where it is "
    f"below {wording.SIGNIFICANCE:g}. Beside it that of Wilcoxon's signed-rank test, which with "
    "seven pairs or fewer cannot fall so low."
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
        trials: Those of the level, at some levels of `by`.
        reference: Those of the reference there.
        difference: Level less reference, over the units that have both.
    """

    trials: list[Row]
    reference: list[Row]
    difference: Difference


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each other level and combination of the levels of `by`."""
    pairs = _pairs(settings, rows)
    adjusted = adjust([pair.difference for pair in pairs])
    claims, results = [], []
    for pair, p in zip(pairs, adjusted, strict=True):
        claims.append(
            wording.comparison(
                naming.subject(pair.trials, [settings.factor]),
                naming.subject(pair.reference, [settings.factor]),
                pair.difference,
                settings.measure,
                p=p,
                family=len(pairs),
                where=naming.place(study, pair.trials, settings.by),
            )
        )
        results.append(
            {
                "levels": [pair.trials[0].text(factor) for factor in settings.by],
                "level": pair.trials[0].text(settings.factor),
                "difference": pair.difference.mean.value,
                "interval": pair.difference.mean.interval,
                "p": p,
            }
        )
    return SectionContent(
        settings.title or f"Against {settings.reference}",
        settings.note or NOTE,
        claims=claims,
        answer=best.answer(settings.factor, settings.by, settings.measure, study, rows),
        tables=[_table(settings, rows, pairs, adjusted)],
        data={"reference": settings.reference, "differences": results},
    )


def _pairs(settings: Settings, rows: Rows) -> list[Pair]:
    """Every level but the reference, wherever both share units."""
    pairs = []
    for group in grouped(rows, settings.by).values():
        by_level = grouped(group, [settings.factor])
        reference = by_level.pop((settings.reference,), None)
        if reference is None:
            continue
        for trials in by_level.values():
            change = difference(trials, reference, settings.measure)
            if change is not None:
                pairs.append(Pair(trials, reference, change))
    return pairs


def _table(
    settings: Settings, rows: Rows, pairs: list[Pair], adjusted: list[float | None]
) -> Table:
    measure, last = settings.measure, len(settings.by) + 1
    factors = [*settings.by, settings.factor]
    header = (
        *naming.quantities(rows, factors),
        f"difference, {wording.points(measure)}",
        f"{wording.CONFIDENCE} interval",
        "pairs",
        "p, t-test",
        "p, Wilcoxon",
    )
    lines = [
        [
            *naming.levels(pair.trials, factors),
            wording.value(pair.difference.mean.value, measure),
            wording.interval(pair.difference.mean.interval, measure),
            str(pair.difference.mean.units),
            "" if p is None else f"{p:.2g}",
            "" if pair.difference.wilcoxon is None else f"{pair.difference.wilcoxon:.2g}",
        ]
        for pair, p in zip(pairs, adjusted, strict=True)
    ]
    return Table("", header, lines, frozenset({last, *range(last + 2, last + 5)}))


SECTION = SectionKind(build, Settings)
