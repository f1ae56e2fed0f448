"""Means of a measure over repetitions, with their intervals."""

from __future__ import annotations

from functools import partial

from hil.reports import plots
from hil.statistics import mean
from hil.studies.report import wording
from hil.studies.report.section import Picture, SectionContent, SectionSettings, Table
from hil.studies.schema import Study
from hil.studies.table import Rows, by_unit, grouped

NOTE = (
    "Mean over the repetitions with Student's 95 % interval: where the mean of many more "
    "repetitions may lie. Trials that did not work are counted and left out."
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
        if not values:
            table.append([*levels, "", "none", "0", str(failed)])
            continue
        result = mean(list(values.values()))
        table.append(
            [
                *levels,
                wording.value(result.value, measure),
                wording.interval(result.interval, measure),
                str(result.units),
                str(failed),
            ]
        )
        means.append({"levels": levels, "mean": result.value, "interval": result.interval})
        label = " · ".join(filter(None, levels))
        bounds = result.interval or (result.value, result.value)
        estimates.append(
            plots.ShareInterval(label, result.value, bounds, shades.index(levels[0]), summary=True)
        )
    pictures = []
    if wording.is_share(measure) and 0 < len(estimates) <= LARGEST:
        pictures.append(
            Picture(
                f"Mean {wording.name(measure)}",
                partial(plots.share_intervals, estimates, wording.name(measure)),
                wide=True,
            )
        )
    last = len(settings.by)
    header = (*settings.by, f"mean, {wording.unit(measure)}", "95 % interval", "units", "failed")
    return SectionContent(
        settings.title or wording.name(measure).capitalize(),
        settings.note or NOTE,
        tables=[Table("", header, table, frozenset({last, last + 2, last + 3}))],
        pictures=pictures,
        data={"measure": measure, "means": means},
    )
