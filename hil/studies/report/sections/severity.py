"""A measure over the levels of a factor, one figure for each part or level of `by`."""

from __future__ import annotations

from functools import partial

from hil.statistics import mean
from hil.studies.report import wording
from hil.studies.report.plots import CurveWithInterval, line_plot
from hil.studies.report.section import Picture, SectionContent, SectionSettings
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = "Mean over the repetitions, with Student's 95 % band. Axes do not start at 0."


class Settings(SectionSettings):
    """What lies on the axis, and what the lines are."""

    x: str
    lines: tuple[str, ...]
    by: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One figure for each combination of the levels of `by`."""
    names = list(grouped(rows, settings.lines))
    pictures = []
    for levels, group in grouped(rows, settings.by).items():
        places = [place for place in grouped(group, [settings.x]) if place != ("",)]
        numbers = [trials[0].number_of(settings.x) for trials in _at(group, settings.x, places)]
        named = None if None not in numbers else [place[0] for place in places]
        lines = []
        for key, trials in grouped(group, settings.lines).items():
            x, y, intervals = [], [], []
            for number, at in enumerate(_at(trials, settings.x, places)):
                values = list(by_unit(at, settings.measure).values())
                if values:
                    result = mean(values)
                    own = numbers[number]
                    x.append(float(number) if named is not None or own is None else own)
                    y.append(result.value)
                    intervals.append(result.interval)
            if x:
                lines.append(
                    CurveWithInterval(
                        x=x, y=y, intervals=intervals, label=" · ".join(key), shade=names.index(key)
                    )
                )
        if lines:
            title = " · ".join(filter(None, levels)) or "All trials"
            about = study.parts[title].about if title in study.parts else ""
            y_name = wording.name(settings.measure)
            percent = wording.is_share(settings.measure)
            draw = partial(line_plot, lines, about or settings.x, y_name, percent, named)
            pictures.append(Picture(title, draw))
    return SectionContent(
        settings.title or f"Over {settings.x}", settings.note or NOTE, pictures=pictures
    )


def _at(rows: list[Row], factor: str, places: list[tuple[str, ...]]) -> list[list[Row]]:
    by_place = grouped(rows, [factor])
    return [by_place.get(place, []) for place in places]
