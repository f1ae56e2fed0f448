"""Maps: mean accuracy for each pair of levels of two factors."""

from __future__ import annotations

from functools import partial

import numpy as np

from hil.statistics import mean
from hil.studies.report import wording
from hil.studies.report.plots import heat
from hil.studies.report.section import Picture, SectionContent, SectionSettings, Table
from hil.studies.schema import Study
from hil.studies.table import Rows, by_unit, grouped

NOTE = (
    "Mean accuracy in percent. Each field is the mean of a few repetitions; the table gives the "
    "widest 95 % interval of each map, so that smaller differences are not read into it."
)


class Settings(SectionSettings):
    """Which factors lie on the axes."""

    x: str
    y: str
    by: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One map for each combination of the levels of `by` that has both factors."""
    pictures, table = [], []
    for levels, group in grouped(rows, settings.by).items():
        fields = {key: t for key, t in grouped(group, [settings.y, settings.x]).items() if all(key)}
        y, x = (list(dict.fromkeys(key[place] for key in fields)) for place in (0, 1))
        if not x or not y:
            continue
        values, widths = np.full((len(y), len(x)), np.nan), []
        for (row, column), trials in fields.items():
            measured = list(by_unit(trials, settings.measure).values())
            if measured:
                result = mean(measured)
                values[y.index(row), x.index(column)] = result.value
                if result.interval is not None:
                    widths.append(result.interval[1] - result.interval[0])
        title = " · ".join(filter(None, levels)) or "All trials"
        draw = partial(heat, values, x, y, (settings.x, settings.y))
        pictures.append(Picture(title, draw))
        widest = wording.value(max(widths), settings.measure) if widths else "none: one repetition"
        table.append([title, widest])
    unit = "points" if wording.is_share(settings.measure) else wording.unit(settings.measure)
    return SectionContent(
        settings.title or f"{settings.y} by {settings.x}",
        settings.note or NOTE,
        tables=[Table("", ("map", f"widest interval, {unit}"), table, frozenset({1}))],
        pictures=pictures,
    )
