"""Means of measures over repetitions: as a table, as a map of two factors, and those of costs."""

from __future__ import annotations

from functools import partial

import numpy as np

from hil.figures import plots
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Table, words
from hil.sections.comparisons import find_extremes
from hil.sections.trials import TIMES, Trials, by_level, estimate, group_rows, is_share
from hil.sections.words import CONFIDENCE

LARGEST = 40  # rows that a figure has room for
COSTS = (
    *TIMES,
    "device_runs",
    "samples",
    "transfer_bytes",
    "spikes",
    "synaptic_events",
    "cell_writes_mean",
    "cell_writes_max",
)


class MeansSettings(SectionSettings):
    """Factors whose combinations have a row each."""

    by: tuple[str, ...]


def build_means(settings: MeansSettings, trials: Trials) -> PageSection:
    """Make one row for each combination of the levels of `by`."""
    measure, by, table = settings.measure, settings.by, []
    intervals, means = [], []
    groups = trials.group(by)
    shades = list(dict.fromkeys(levels[0] for levels in groups))
    for levels, group in groups.items():
        failed, result = sum("error" in row.outcome for row in group), estimate(group, measure)
        cells = words.format_cells(result, measure)
        table.append([*words.name_levels(group, by), *cells, str(failed)])
        if result is None:
            continue
        means.append({"levels": levels, "mean": result.value, "interval": result.interval})
        ends = result.interval or (result.value, result.value)
        label, shade = words.name_series(group, by), shades.index(levels[0])
        intervals.append(plots.ShareInterval(label, result.value, ends, shade, summary=True))
    figures = []
    if is_share(measure) and 0 < len(intervals) <= LARGEST:
        title = f"Mean {words.name_measure(measure)} by {words.name_legend(trials.rows, by)}"
        draw = partial(plots.plot_intervals, intervals, words.name_measure(measure))
        figures.append(Plot(title, draw, wide=True))
    names = words.name_quantities(trials.rows, by)
    header = (
        *names,
        f"mean, {words.name_unit(measure)}",
        f"{CONFIDENCE} interval",
        "units",
        "failed",
    )
    return PageSection(
        words.name_measure(measure).capitalize(),
        words.read_note("means"),
        answer=find_extremes(trials, by, measure),
        tables=[Table("", header, table)],
        plots=figures,
        data={"measure": measure, "means": means},
    )


class MapSettings(SectionSettings):
    """Factors of the axes, and of the maps."""

    x: str
    y: str
    by: tuple[str, ...] = ()


def build_map(settings: MapSettings, trials: Trials) -> PageSection:
    """Make one map for each combination of the levels of `by` that has both factors."""
    figures, table, measure = [], [], settings.measure
    rows = [row for row in trials.rows if row.text(settings.x) and row.text(settings.y)]
    for group in group_rows(rows, settings.by).values():
        columns, lines = by_level(group, settings.x), by_level(group, settings.y)
        x, y = list(columns), list(lines)
        values, widths = np.full((len(y), len(x)), np.nan), []
        for (line, column), field in group_rows(group, [settings.y, settings.x]).items():
            if (result := estimate(field, measure)) is not None:
                values[y.index(line), x.index(column)] = result.value
                if result.interval is not None:
                    widths.append(result.interval[1] - result.interval[0])
        title = words.name_series(group, settings.by) or "All trials"
        axes = words.name_quantity(group, settings.x), words.name_quantity(group, settings.y)
        ticks = [words.name_level(each, settings.x) for each in columns.values()]
        labels = [words.name_level(each, settings.y) for each in lines.values()]
        figures.append(Plot(title, partial(plots.plot_heat_map, values, ticks, labels, axes)))
        widest = words.format_value(max(widths), measure) if widths else "none: one repetition"
        table.append([title, widest])
    header = ("map", f"widest interval, {words.name_points(measure)}")
    names = words.name_quantity(rows, settings.x), words.name_quantity(rows, settings.y)
    by = [*settings.by, settings.x, settings.y]
    return PageSection(
        f"{names[1]} by {names[0]}",
        words.read_note("map"),
        answer=find_extremes(trials, by, measure, rows),
        tables=[Table("", header, table)],
        plots=figures,
    )


def build_costs(settings: MeansSettings, trials: Trials) -> PageSection:
    """Make one row of times, runs, samples, bytes, spikes, events and writes for each group."""
    table = [
        [
            *words.name_levels(group, settings.by),
            *(words.format_brief_mean(estimate(group, measure), measure) for measure in COSTS),
        ]
        for group in trials.group(settings.by).values()
    ]
    header = (
        *words.name_quantities(trials.rows, settings.by),
        *map(words.name_column, COSTS),
    )
    return PageSection(
        "Costs",
        words.read_note("costs"),
        tables=[Table("", header, table)],
    )


SECTIONS = {
    "means": SectionKind(build_means, MeansSettings),
    "map": SectionKind(build_map, MapSettings),
    "costs": SectionKind(build_costs, MeansSettings),
}
