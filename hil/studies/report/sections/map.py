"""Maps: mean accuracy for each pair of levels of two factors."""

from __future__ import annotations

from functools import partial

import numpy as np

from hil.studies.report import naming, wording
from hil.studies.report.estimates import mean
from hil.studies.report.plots import heat
from hil.studies.report.section import Picture, SectionContent, SectionKind, SectionSettings, Table
from hil.studies.report.sections.means import extremes
from hil.studies.schema import Study
from hil.studies.table import Rows, by_unit, grouped

NOTE = (
    "Mean accuracy in percent. Each field is the mean of a few repetitions; the table gives the "
    f"widest {wording.CONFIDENCE} interval of each map, so that smaller differences are not read "
    "into it."
)


class Settings(SectionSettings):
    """Which factors lie on the axes."""

    x: str
    y: str
    by: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One map for each combination of the levels of `by` that has both factors."""
    pictures, table = [], []
    measure = settings.measure
    shown = [row for row in rows if row.text(settings.x) and row.text(settings.y)]
    for group in grouped(shown, settings.by).values():
        columns, lines = (grouped(group, [factor]) for factor in (settings.x, settings.y))
        x, y = list(columns), list(lines)
        values, widths = np.full((len(y), len(x)), np.nan), []
        for (row, column), trials in grouped(group, [settings.y, settings.x]).items():
            measured = list(by_unit(trials, measure).values())
            if measured:
                result = mean(measured, measure)
                values[y.index((row,)), x.index((column,))] = result.value
                if result.interval is not None:
                    widths.append(result.interval[1] - result.interval[0])
        title = naming.series(group, settings.by) or "All trials"
        names = naming.quantity(group, settings.x), naming.quantity(group, settings.y)
        ticks = [naming.level(trials, settings.x) for trials in columns.values()]
        labels = [naming.level(trials, settings.y) for trials in lines.values()]
        pictures.append(Picture(title, partial(heat, values, ticks, labels, names)))
        widest = wording.value(max(widths), measure) if widths else "none: one repetition"
        table.append([title, widest])
    names = naming.quantity(shown, settings.x), naming.quantity(shown, settings.y)
    header = ("map", f"widest interval, {wording.points(measure)}")
    return SectionContent(
        settings.title or f"{names[1]} by {names[0]}",
        settings.note or NOTE,
        answer=extremes(study, shown, [*settings.by, settings.x, settings.y], measure),
        tables=[Table("", header, table, frozenset({1}))],
        pictures=pictures,
    )


SECTION = SectionKind(build, Settings)
