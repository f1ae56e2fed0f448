"""The gap between devices that a model is put on: how wide it is, and how many samples close it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hil.figures import plots
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Statement, Table, words
from hil.sections.trials import (
    Row,
    Trials,
    average_by_unit,
    estimate,
    estimate_mean,
    group_by_level,
    group_rows,
)
from hil.statistics import FEWEST, Mean


class GapSettings(SectionSettings):
    """The factor of devices and its level that stands for the source, and what was done to each."""

    factor: str = "device"
    reference: str
    by: tuple[str, ...]
    lines: tuple[str, ...]
    margin: float = 0.005


@dataclass(frozen=True)
class Spread:
    """Spread of devices about their mean.

    Attributes:
        rows: The trials.
        devices: Mean of each device by its level, the best first.
        width: From the worst to the best device, over the repetitions.
    """

    rows: list[Row]
    devices: Mapping[str, float]
    width: Mean


def measure_spread(rows: list[Row], settings: GapSettings) -> Spread | None:
    """Measure how far the devices of some trials lie apart, in repetitions that all of them have.

    Returns:
        The spread; None for less than two devices, or no such repetition.
    """
    own = {
        level: values
        for level, group in group_by_level(rows, settings.factor).items()
        if (values := average_by_unit(group, settings.measure))
    }
    units = set.intersection(*map(set, own.values())) if len(own) > 1 else set[int]()
    if not units:
        return None
    at = {unit: [values[unit] for values in own.values()] for unit in sorted(units)}
    width = estimate_mean([max(values) - min(values) for values in at.values()], settings.measure)
    means = {level: sum(values.values()) / len(values) for level, values in own.items()}
    return Spread(rows, dict(sorted(means.items(), key=lambda each: -each[1])), width)


def count_samples(rows: Sequence[Row], bound: float, measure: str) -> int | None:
    """Count the samples after which a device first reaches a bound in the mean; None for never."""
    shown: dict[int, list[Row]] = {}
    for row in rows:
        if "shown" in row.outcome:
            shown.setdefault(row.outcome["shown"], []).append(row)
    for samples, group in sorted(shown.items()):
        mean = estimate(group, measure)
        if mean is not None and mean.value >= bound:
            return samples
    return None


def build_gap(settings: GapSettings, trials: Trials) -> PageSection | None:
    """Make a row for each thing done, with its spread, and one for each device, with samples."""
    measure, factor = settings.measure, settings.factor
    groups = trials.group(settings.by)
    spreads = [s for rows in groups.values() if (s := measure_spread(rows, settings)) is not None]
    if not spreads:
        return None
    table, points = [], words.name_points(measure)
    names = [words.name_series(each.rows, settings.by) for each in spreads]
    for name, each in zip(names, spreads, strict=True):
        best, *_, worst = (
            f"{level} ({words.format_value(mean, measure)})" for level, mean in each.devices.items()
        )
        *cells, units = words.format_cells(each.width, measure)
        table.append([name, best, worst, *cells, str(len(each.devices)), units])
    first = spreads[0]
    source = first.devices.get(settings.reference)
    narrow = min(range(len(spreads)), key=lambda n: spreads[n].width.value)
    claims = [
        Statement(
            f"devices lie {words.format_amount(spreads[n].width.value, measure)} apart {names[n]}",
            spreads[n].width.units >= FEWEST,
        )
        for n in sorted({0, narrow})
    ]
    devices = list(group_by_level(trials.rows, factor))
    values = np.array([[each.devices.get(name, np.nan) for each in spreads] for name in devices])
    axes = words.name_legend(trials.rows, settings.by), words.name_quantity(trials.rows, factor)
    draw = partial(plots.plot_heat_map, values, names, devices, axes)
    header = ("what", f"best {factor}, %", f"worst {factor}, %", f"apart, {points}")
    return PageSection(
        "Worst to best device",
        words.read_note("gap", margin=words.format_amount(settings.margin, measure)),
        claims=claims,
        answer=words.make_text(claims),
        tables=[
            Table("", (*header, "interval", "devices", "units"), table),
            *_tabulate_samples(settings, trials, first, source),
        ],
        plots=[Plot(f"Mean {words.name_measure(measure)}", draw, wide=True)],
        data={
            "source": source,
            "spreads": [
                {"what": name, "devices": s.devices, "mean": s.width.value, "interval": bounds}
                for name, s in zip(names, spreads, strict=True)
                for bounds in [s.width.interval]
            ],
        },
    )


def _tabulate_samples(
    settings: GapSettings, trials: Trials, first: Spread, source: float | None
) -> list[Table]:
    """Tabulate the samples that each device needs to come as near to the source, line by line."""
    if source is None:
        return []
    trained = [row for row in trials.rows if row.outcome.get("shown")]
    lines = group_rows(trained, settings.lines)
    table = []
    for level in first.devices:
        cells = [words.format_value(first.devices[level], settings.measure)]
        before = [row for row in first.rows if row.text(settings.factor) == level]
        for rows in lines.values():
            own = [row for row in rows if row.text(settings.factor) == level]
            samples = count_samples([*before, *own], source - settings.margin, settings.measure)
            cells.append("none" if samples is None else str(samples))
        table.append([level, *cells])
    names = [words.name_series(rows, settings.lines) for rows in lines.values()]
    amount = words.format_amount(settings.margin, settings.measure)
    caption = f"Samples to be within {amount} of {settings.reference}"
    before_name = words.name_series(first.rows, settings.by)
    return [Table(caption, (settings.factor, f"{before_name}, %", *names), table)]


SECTION = SectionKind(build_gap, GapSettings)
