"""A measure over the levels of a factor, one figure for each part or level of `by`."""

from __future__ import annotations

from functools import partial

from hil.studies.report import naming, wording
from hil.studies.report.estimates import mean
from hil.studies.report.plots import CurveWithInterval, line_plot
from hil.studies.report.section import Picture, SectionContent, SectionKind, SectionSettings
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    f"Mean over the repetitions, with Student's {wording.CONFIDENCE} band. Axes do not start at 0."
)


class Settings(SectionSettings):
    """What lies on the axis, and what the lines are."""

    x: str
    lines: tuple[str, ...]
    by: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One figure for each combination of the levels of `by`."""
    names = list(grouped(rows, settings.lines))
    pictures = []
    for group in grouped(rows, settings.by).values():
        places = [place for place in grouped(group, [settings.x]) if place != ("",)]
        numbers = [trials[0].number_of(settings.x) for trials in _at(group, settings.x, places)]
        named = None
        if None in numbers:
            at_places = _at(group, settings.x, places)
            named = [naming.level(trials, settings.x) for trials in at_places]
        lines = []
        for key, trials in grouped(group, settings.lines).items():
            x, y, intervals = [], [], []
            for number, at in enumerate(_at(trials, settings.x, places)):
                values = list(by_unit(at, settings.measure).values())
                if values:
                    result = mean(values, settings.measure)
                    own = numbers[number]
                    x.append(float(number) if named is not None or own is None else own)
                    y.append(result.value)
                    intervals.append(result.interval)
            if x:
                label = naming.series(trials, settings.lines)
                lines.append(CurveWithInterval(x, y, intervals, label, names.index(key)))
        if lines:
            title = naming.series(group, settings.by) or "All trials"
            there = [row for row in group if row.text(settings.x)]
            unit = "" if named else there[0].unit_of(settings.x)
            x_name = ", ".join(filter(None, (naming.quantity(there, settings.x), unit)))
            y_name = wording.name(settings.measure)
            percent = wording.is_share(settings.measure)
            heading = naming.legend(rows, settings.lines)
            draw = partial(line_plot, lines, x_name, y_name, percent, named, heading)
            pictures.append(Picture(title, draw))
    return SectionContent(
        settings.title or f"Over {naming.quantity(rows, settings.x)}",
        settings.note or NOTE,
        pictures=pictures,
    )


def _at(rows: list[Row], factor: str, places: list[tuple[str, ...]]) -> list[list[Row]]:
    by_place = grouped(rows, [factor])
    return [by_place.get(place, []) for place in places]


SECTION = SectionKind(build, Settings)
