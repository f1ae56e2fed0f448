"""Means of a measure over repetitions, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hil.reports import plots
from hil.studies.report import naming, wording
from hil.studies.report.estimates import mean
from hil.studies.report.section import Picture, SectionContent, SectionKind, SectionSettings, Table
from hil.studies.schema import Study
from hil.studies.table import Rows, by_unit, grouped

NOTE = (
    f"Mean over the repetitions with Student's {wording.CONFIDENCE} interval: where the mean of "
    f"many more repetitions may lie. {wording.COVERS} Trials that did not work are counted and "
    "left out."
)
LARGEST = 40  # rows that a figure has room for


class Settings(SectionSettings):
    """Which means."""

    by: tuple[str, ...]


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each combination of the levels of `by`."""
    measure, table, estimates, means = settings.measure, [], [], []
    groups = grouped(rows, settings.by)
    shades = list(dict.fromkeys(levels[0] for levels in groups))
    for levels, group in groups.items():
        values, failed = by_unit(group, measure), sum("error" in row.outcome for row in group)
        shown = naming.levels(group, settings.by)
        if not values:
            table.append([*shown, "", "none", "0", str(failed)])
            continue
        result = mean(list(values.values()), measure)
        table.append(
            [
                *shown,
                wording.value(result.value, measure),
                wording.interval(result.interval, measure),
                str(result.units),
                str(failed),
            ]
        )
        means.append({"levels": levels, "mean": result.value, "interval": result.interval})
        label = naming.series(group, settings.by)
        bounds = result.interval or (result.value, result.value)
        estimates.append(
            plots.ShareInterval(label, result.value, bounds, shades.index(levels[0]), summary=True)
        )
    pictures = []
    if wording.is_share(measure) and 0 < len(estimates) <= LARGEST:
        title = f"Mean {wording.name(measure)} by {naming.legend(rows, settings.by)}"
        draw = partial(plots.share_intervals, estimates, wording.name(measure))
        pictures.append(Picture(title, draw, wide=True))
    last = len(settings.by)
    names = naming.quantities(rows, settings.by)
    header = (
        *names,
        f"mean, {wording.unit(measure)}",
        f"{wording.CONFIDENCE} interval",
        "units",
        "failed",
    )
    return SectionContent(
        settings.title or wording.name(measure).capitalize(),
        settings.note or NOTE,
        answer=extremes(study, rows, settings.by, measure),
        tables=[Table("", header, table, frozenset({last, last + 2, last + 3}))],
        pictures=pictures,
        data={"measure": measure, "means": means},
    )


def extremes(study: Study, rows: Rows, by: Sequence[str], measure: str) -> str:
    """Where a measure is highest and where it is lowest, of the combinations of some levels."""
    known = [
        (mean(values, measure), naming.place(study, group, by))
        for group in grouped(rows, by).values()
        if (values := list(by_unit(group, measure).values()))
    ]
    if len(known) < 2:
        return ""
    low, high = (f((m for m, _ in known), key=lambda m: m.value) for f in (min, max))
    there, here = (" and ".join(p for m, p in known if m.value == e.value) for e in (low, high))
    name = wording.name(measure)
    if low.value == high.value:
        return f"{name}: {wording.mean(high, measure)} everywhere"
    return (
        f"{name}: highest {here}, {wording.mean(high, measure)}, and lowest {there}, "
        f"{wording.mean(low, measure)}"
    )


SECTION = SectionKind(build, Settings)
