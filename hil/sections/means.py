"""Means of measures over repetitions: as a table, as a map of two factors, and those of costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from hil.figures import plots
from hil.figures.svg import WIDTH
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Table, words
from hil.sections.comparisons import find_extremes
from hil.sections.trials import (
    TIMES,
    Trials,
    average_by_unit,
    estimate,
    group_by_level,
    group_rows,
    is_share,
)
from hil.sections.words import CONFIDENCE

FEW = 4  # groups whose costs stand in columns
LARGEST, MOST = 12, 40  # rows of one figure; of more, one for each level, up to so many
COSTS = (
    *TIMES,
    "chip_seconds",
    "device_runs",
    "samples",
    "transfer_bytes",
    "spikes",
    "synaptic_events",
    "read_bits",
    "energy",
    "cell_writes_mean",
    "cell_writes_max",
)


class MeansSettings(SectionSettings):
    """Factors whose combinations have a row each."""

    by: tuple[str, ...]


def build_means(settings: MeansSettings, trials: Trials) -> PageSection:
    """Make one row for each combination of the levels of `by`."""
    measure, by, table, means = settings.measure, settings.by, [], []
    groups = {levels: group for levels, group in trials.group(by).items() if any(levels)}
    intervals = {level: list[plots.ShareInterval]() for level, *_ in groups}
    # Many rows are drawn apart, by the first factor.
    shared = 1 if len(by) > 1 and len(groups) > LARGEST else 0
    for levels, group in groups.items():
        result = estimate(group, measure)
        failed = sum("error" in row.outcome for row in group)
        table.append([*words.format_cells(result, measure), str(failed)])
        if result is None:
            continue
        means.append({"levels": levels, "mean": result.value, "interval": result.interval})
        ends = result.interval or (result.value, result.value)
        points = list(average_by_unit(group, measure).values())
        label, shade = words.name_series(group, by[shared:]), list(intervals).index(levels[0])
        row = plots.ShareInterval(label, result.value, ends, shade, summary=True, points=points)
        intervals[levels[0]].append(row)
    figures = _plot_means(settings, trials, intervals, bool(shared)) if is_share(measure) else []
    names, cells = words.close_gaps(
        words.name_quantities(trials.rows, by),
        [words.name_levels(group, by) for group in groups.values()],
    )
    header = (*names, f"mean, {words.name_unit(measure)}", f"{CONFIDENCE} interval", "units")
    if any(row[-1] != "0" for row in table):
        header = (*header, "failed")
    rows = [[*a, *b][: len(header)] for a, b in zip(cells, table, strict=True)]
    return PageSection(
        words.name_measure(measure).capitalize(),
        words.read_note("means"),
        answer=find_extremes(trials, by, measure),
        tables=[Table("", header, rows)],
        plots=figures,
        data={"measure": measure, "means": means},
    )


def _plot_means(
    settings: MeansSettings,
    trials: Trials,
    intervals: Mapping[str, Sequence[plots.ShareInterval]],
    is_apart: bool,
) -> list[Plot]:
    """Plot means in one figure, or in one for each level of the first factor, on one axis."""
    by, quantity = settings.by, words.name_measure(settings.measure)
    every = [row for rows in intervals.values() for row in rows]
    if is_apart:
        named = group_by_level(trials.rows, by[0])
        return [
            Plot(
                words.name_level(named[level], by[0]),
                partial(plots.plot_intervals, rows, quantity, WIDTH, every),
            )
            for level, rows in intervals.items()
            if 0 < len(rows) <= MOST
        ]
    title = f"Mean {quantity} by {words.name_legend(trials.rows, by)}"
    draw = partial(plots.plot_intervals, every, quantity)
    return [Plot(title, draw, wide=True)] if every else []


class MapSettings(SectionSettings):
    """Factors of the axes, and of the maps."""

    x: str
    y: str
    by: tuple[str, ...] = ()


def build_map(settings: MapSettings, trials: Trials) -> PageSection:
    """Make one map for each combination of the levels of `by` that has both factors."""
    figures, measure = [], settings.measure
    rows = [row for row in trials.rows if row.text(settings.x) and row.text(settings.y)]
    for group in group_rows(rows, settings.by).values():
        columns, lines = group_by_level(group, settings.x), group_by_level(group, settings.y)
        x, y = list(columns), list(lines)
        values, widths = np.full((len(y), len(x)), np.nan), []
        for (line, column), field in group_rows(group, [settings.y, settings.x]).items():
            if (result := estimate(field, measure)) is not None:
                values[y.index(line), x.index(column)] = result.value
                if result.interval is not None:
                    widths.append(result.interval[1] - result.interval[0])
        title = words.name_series(group, settings.by) or words.name_measure(measure).capitalize()
        axes = words.name_quantity(group, settings.x), words.name_quantity(group, settings.y)
        ticks = [words.name_level(each, settings.x) for each in columns.values()]
        labels = [words.name_level(each, settings.y) for each in lines.values()]
        draw = partial(plots.plot_heat_map, values, ticks, labels, axes)
        widest = words.format_amount(max(widths), measure) if widths else "none: one repetition"
        figures.append(Plot(title, draw, caption=f"Widest interval: {widest}."))
    names = words.name_quantity(rows, settings.x), words.name_quantity(rows, settings.y)
    by = [*settings.by, settings.x, settings.y]
    return PageSection(
        f"{names[1]} by {names[0]}",
        words.read_note("map"),
        answer=find_extremes(trials, by, measure, rows),
        plots=figures,
    )


def build_costs(settings: MeansSettings, trials: Trials) -> PageSection:
    """Make one row of times, runs, samples, bytes, spikes, events and writes for each group."""
    groups = list(trials.group(settings.by).values())
    names, cells = words.close_gaps(
        words.name_quantities(trials.rows, settings.by),
        [words.name_levels(group, settings.by) for group in groups],
    )
    paid = {cost: [estimate(group, cost) for group in groups] for cost in COSTS}
    paid = {cost: means for cost, means in paid.items() if any(m and m.value for m in means)}
    table = [
        [*own, *(words.format_brief_mean(means[row], cost) for cost, means in paid.items())]
        for row, own in enumerate(cells)
    ]
    header = [*names, *map(words.name_column, paid)]
    if len(names) == 1 and len(table) <= FEW:
        header, *table = [list(column) for column in zip(header, *table, strict=True)]
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
