"""Curves and clouds: a measure over a factor, over the epochs, or over another measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import fmean

from hil.figures import plots
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Statement, words
from hil.sections.trials import (
    Row,
    Trials,
    average_by_unit,
    estimate,
    estimate_mean,
    group_by_level,
    group_rows,
    is_share,
)
from hil.sections.words import CONFIDENCE
from hil.statistics import FEWEST_PAIRS, Correlation, Mean, rank_correlation

Points = list[tuple[float, Mean]]


class EpochsSettings(SectionSettings):
    """Factors of the lines, and of the plots."""

    lines: tuple[str, ...]
    by: tuple[str, ...] = ()


class CurvesSettings(EpochsSettings):
    """Points of a curve, and the measures of each."""

    axis: str = "epoch"
    measure: str = "validation_accuracy"


class SeveritySettings(EpochsSettings):
    """Factors of the axis, of the lines, and of the plots."""

    x: str


def build_severity(settings: SeveritySettings, trials: Trials) -> PageSection:
    """Make one figure of a measure over a factor for each combination of the levels of `by`."""

    def draw_group(group: list[Row]) -> Plot | None:
        levels = {text: rows for text, rows in group_by_level(group, settings.x).items() if text}
        values = [rows[0].level(settings.x).value for rows in levels.values()]
        ticks = None
        if None in values:
            ticks = [words.name_level(rows, settings.x) for rows in levels.values()]
        places = [float(n) if ticks or v is None else v for n, v in enumerate(values)]

        def points_of(rows: list[Row]) -> Points:
            own = group_by_level(rows, settings.x)
            return [
                (place, result)
                for place, text in zip(places, levels, strict=True)
                if (result := estimate(own.get(text, []), settings.measure)) is not None
            ]

        rows = [row for row in group if row.text(settings.x)]
        unit = "" if ticks or not rows else rows[0].level(settings.x).unit
        x = ", ".join(filter(None, (words.name_quantity(rows, settings.x), unit)))
        return _plot(settings, trials, group, points_of, x, settings.measure, ticks)

    return PageSection(
        f"Over {words.name_quantity(trials.rows, settings.x)}",
        words.read_note("severity"),
        plots=list(filter(None, map(draw_group, trials.group(settings.by).values()))),
    )


def build_epochs(settings: CurvesSettings, trials: Trials) -> PageSection:
    """Make one figure of learning curves for each combination of the levels of `by`."""

    def points_of(rows: list[Row]) -> Points:
        curves = [row.outcome.get("curve", []) for row in rows]
        curves = [curve for curve in curves if curve and None not in curve]
        means = [estimate_mean(at, settings.measure) for at in zip(*curves, strict=False)]
        return list(enumerate(means, start=1))

    figures = [
        _plot(settings, trials, group, points_of, settings.axis, settings.measure)
        for group in trials.group(settings.by).values()
    ]
    title, note = "Learning", words.read_note("epochs")
    return PageSection(title, note, plots=list(filter(None, figures)))


def _plot(
    settings: EpochsSettings,
    trials: Trials,
    group: list[Row],
    points_of: Callable[[list[Row]], Points],
    x: str,
    measure: str,
    ticks: list[str] | None = None,
) -> Plot | None:
    """A figure with a line for each combination of the levels of `lines` that has any points."""
    order = list(trials.group(settings.lines))
    lines = [
        plots.Line(
            x=[place for place, _ in points],
            y=[mean.value for _, mean in points],
            label=words.name_series(rows, settings.lines),
            shade=order.index(key),
            intervals=[mean.interval for _, mean in points],
        )
        for key, rows in group_rows(group, settings.lines).items()
        if (points := points_of(rows))
    ]
    if not lines:
        return None
    heading, y = words.name_legend(trials.rows, settings.lines), words.name_measure(measure)
    draw = partial(plots.plot_lines, lines, x, y, is_share(measure), ticks, heading)
    return Plot(words.name_series(group, settings.by) or y.capitalize(), draw)


class CorrelationSettings(SectionSettings):
    """The other measure, factors that tell points apart, and the parts that are shown."""

    against: str
    by: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


def describe_order(one: str, other: str, correlation: Correlation) -> Statement:
    """Say how one measure is ordered by another; supported where that can be told from none."""
    rho, interval, pairs = correlation.rho, correlation.interval, correlation.pairs
    names = f"{one} and {other}"
    if rho is None:
        return Statement(f"{names}: one of them is the same everywhere, or there is one point")
    if interval is None:
        detail = f"{pairs} combinations, at least {FEWEST_PAIRS} are needed"
        return Statement(f"{names}: too few to say, rank correlation {rho:.2f} ({detail})")
    bounds = f"{CONFIDENCE}: {interval[0]:.2f} to {interval[1]:.2f}"
    detail = f"rank correlation {rho:.2f} ({bounds}, {pairs} combinations)"
    if interval[0] <= 0 <= interval[1]:
        return Statement(f"{names} do not show a common order: {detail}")
    return Statement(f"{other} {'rises' if rho > 0 else 'falls'} with {one}: {detail}", True)


def build_correlation(settings: CorrelationSettings, trials: Trials) -> PageSection:
    """Show all combinations, or those of some parts, coloured by the levels of `by`."""
    one, other = settings.against, settings.measure
    kinds: dict[str, list[tuple[float, float]]] = {}
    rows = [r for r in trials.rows if not settings.parts or r.cell.part in settings.parts]
    for group in group_rows(rows, ["part", *trials.names]).values():
        a, b = (list(average_by_unit(group, measure).values()) for measure in (one, other))
        if a and b:
            kind = words.name_series(group, settings.by)
            kinds.setdefault(kind, []).append((fmean(a), fmean(b)))
    points = sorted({point for own in kinds.values() for point in own})
    result = rank_correlation([a for a, _ in points], [b for _, b in points])
    claim = describe_order(words.name_measure(one), words.name_measure(other), result)
    clouds = [
        plots.Cloud([a for a, _ in own], [b for _, b in own], kind or "all", number)
        for number, (kind, own) in enumerate(kinds.items())
    ]
    x, y, heading = (
        words.name_axis(one),
        words.name_measure(other),
        words.name_legend(trials.rows, settings.by),
    )
    draw = partial(plots.plot_scatter, clouds, x, y, is_share(other), heading)
    names = f"{words.name_measure(one)} and {words.name_measure(other)}"
    return PageSection(
        names.capitalize(),
        words.read_note("correlation"),
        claims=[claim],
        answer=str(claim),
        plots=[Plot(names, draw)] if clouds else [],
        data={"rho": result.rho, "interval": result.interval, "pairs": result.pairs},
    )


SECTIONS = {
    "severity": SectionKind(build_severity, SeveritySettings),
    "epochs": SectionKind(build_epochs, CurvesSettings),
    "correlation": SectionKind(build_correlation, CorrelationSettings),
}
