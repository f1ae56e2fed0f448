"""A population of chips: quantiles and yield over a severity, and the spread within a chip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from hil.figures import plots
from hil.figures.svg import Figure
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Table, words
from hil.sections.trials import Row, Rows, Trials, group_by_level, is_share
from hil.statistics import proportion, variance_components

Bounds = tuple[float, float]
ENDS = (0.05, 0.5, 0.95)


class PopulationSettings(SectionSettings):
    """The factor of severities, that of the lines, and when a chip is good."""

    x: str
    factor: str
    least: float = 0.9


@dataclass(frozen=True)
class Population:
    """Results of the chips of one severity; a chip counts by the mean of its repetitions.

    Attributes:
        rows: The trials.
        quantiles: 5 %, median and 95 % of the chips.
        good: How many of them are good.
        chips: How many there are.
        spread: Standard deviation between chips, and of one chip from repetition to repetition.
    """

    rows: list[Row]
    quantiles: tuple[float, float, float]
    good: int
    chips: int
    spread: tuple[float | None, float | None]

    @property
    def interval(self) -> Bounds:
        """Exact 95 % interval of the share of good chips."""
        return proportion(self.good, self.chips)


def measure_population(rows: list[Row], measure: str, least: float) -> Population | None:
    """Sum up what chips reach; None where none has the measure."""
    chips: dict[object, list[float]] = {}
    for row in rows:
        if (value := row.measure(measure)) is not None:
            chips.setdefault(row.unit.chip if row.device == "" else row.device, []).append(value)
    if not chips:
        return None
    means = [float(np.mean(own)) for own in chips.values()]
    low, middle, high = np.quantile(means, ENDS).tolist()
    good, spread = sum(mean >= least for mean in means), variance_components([*chips.values()])
    return Population(rows, (low, middle, high), good, len(means), spread)


def build_population(settings: PopulationSettings, trials: Trials) -> PageSection | None:
    """Make a row and a point of two figures for each severity and level."""
    measure, groups = settings.measure, dict[str, list[Population]]()
    for level, rows in group_by_level(trials.rows, settings.factor).items():
        own = (
            measure_population(each, measure, settings.least)
            for each in group_by_level(rows, settings.x).values()
        )
        if populations := [each for each in own if each is not None]:
            groups[level] = populations
    if not groups:
        return None
    least = words.format_least(settings.least, measure)
    names = [words.name_quantity(trials.rows, of) for of in (settings.x, settings.factor)]
    unit = words.name_points(measure)
    header = (
        f"median (5 to 95 % of chips), {words.name_unit(measure)}",
        f"yield at {least} (95 % interval), %",
        f"between chips, {unit}",
        f"within a chip, {unit}",
        "chips",
    )
    every = [each for own in groups.values() for each in own]
    return PageSection(
        "A population of chips",
        words.read_note("population", least=least),
        answer=_answer(settings, groups, least),
        tables=[Table("", (*names, *header), [_cells(settings, each) for each in every])],
        plots=[
            Plot(
                title,
                partial(_plot, settings, trials.rows, groups, quantity),
                description=title,
            )
            for title, quantity in (
                ("Median chip, 5 to 95 %", words.name_measure(measure)),
                (f"Yield at {least}", "yield"),
            )
        ],
        data={
            "least": settings.least,
            "populations": [
                {
                    "severity": each.rows[0].text(settings.x),
                    "level": each.rows[0].text(settings.factor),
                    "quantiles": each.quantiles,
                    "yield": [each.good / each.chips, each.interval],
                    "between": each.spread[0],
                    "within": each.spread[1],
                    "chips": each.chips,
                }
                for each in every
            ],
        },
    )


def _cells(settings: PopulationSettings, each: Population) -> list[str]:
    low, high = each.interval
    ends, middle = (each.quantiles[0], each.quantiles[2]), each.quantiles[1]
    return [
        words.name_level(each.rows, settings.x),
        words.name_level(each.rows, settings.factor),
        f"{words.format_value(middle, settings.measure)} "
        f"({words.format_interval(ends, settings.measure)})",
        f"{100 * each.good / each.chips:.1f} ({100 * low:.1f} to {100 * high:.1f})",
        *(words.format_value(value, settings.measure) for value in each.spread),
        str(each.chips),
    ]


def _plot(
    settings: PopulationSettings,
    rows: Rows,
    groups: dict[str, list[Population]],
    quantity: str,
) -> Figure:
    lines = []
    for shade, own in enumerate(groups.values()):
        values = [each.quantiles[1] for each in own]
        bounds: list[Bounds | None] = [(each.quantiles[0], each.quantiles[2]) for each in own]
        if quantity == "yield":
            values = [each.good / each.chips for each in own]
            bounds = [each.interval for each in own]
        places = [each.rows[0].level(settings.x).value or 0.0 for each in own]
        name = words.name_level(own[0].rows, settings.factor)
        lines.append(plots.Line(places, values, name, shade, bounds))
    x, heading = (words.name_quantity(rows, of) for of in (settings.x, settings.factor))
    percent = quantity == "yield" or is_share(settings.measure)
    return plots.plot_lines(lines, x, quantity, percent, heading=heading)


def _answer(settings: PopulationSettings, groups: dict[str, list[Population]], least: str) -> str:
    """Say the yield and the spread of each level at the middle severity."""
    sentences, measure = [], settings.measure
    for each in (own[len(own) // 2] for own in groups.values()):
        level, place = (
            words.phrase_level(each.rows[0], of) for of in (settings.factor, settings.x)
        )
        low, high = (100 * bound for bound in each.interval)
        between, within = (words.format_amount(s, measure) if s else "" for s in each.spread)
        spread = f"; the standard deviation between chips is {between}" if between else ""
        sentences.append(
            f"{place} {100 * each.good / each.chips:.0f} % of {each.chips} chips reach {least} "
            f"{level} (95 %: {low:.0f} to {high:.0f}), and the median chip "
            f"{words.format_value(each.quantiles[1], measure)} {words.name_unit(measure)}{spread}"
            f"{f', within a chip {within}' if within else ''}"
        )
    return words.make_text(sentences)


SECTION = SectionKind(build_population, PopulationSettings)
