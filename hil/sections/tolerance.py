"""Tolerance: severities at which points are lost, and levels near the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from hil.sections import PageSection, SectionKind, SectionSettings, Statement, Table, words
from hil.sections.comparisons import Comparison, adjust, tabulate
from hil.sections.trials import (
    Row,
    Trials,
    average_by_unit,
    compare_pairs,
    group_by_level,
    group_rows,
)
from hil.sections.words import CONFIDENCE
from hil.statistics import FEWEST, count_near_best, find_zeros, mean

LINES = 6  # lines that are answered for one by one


class ToleranceSettings(SectionSettings):
    """The factor of severities, those of the lines, and how many points are lost."""

    severity: str
    lines: tuple[str, ...]
    losses: tuple[float, ...] = (0.01, 0.02, 0.05)


def describe_loss(word: str, loss: Comparison) -> Statement:
    """Say what is lost least or most at a middle severity, in the mean; or gained."""
    mean, amount = loss.difference.mean, _format_amount(loss, with_interval=loss.is_supported)
    text = f"{loss.first} loses {word} {loss.where}: {amount} in the mean"
    if mean.value < 0:
        text = f"{loss.first} loses nothing {loss.where}, it gains {amount} in the mean"
    if mean.units < FEWEST:
        return Statement(f"{text} ({mean.units} units, too few for a claim)")
    chance = "" if loss.is_supported else ", which chance may explain"
    return Statement(f"{text}{chance}", loss.is_supported)


def _format_amount(loss: Comparison, with_interval: bool) -> str:
    """Write how much is lost or gained, with the interval of that."""
    change = loss.difference.mean
    text = words.format_amount(abs(change.value), loss.measure, change.interval)
    if not with_interval:
        return text
    bounds = words.mirror(change.interval) if change.value < 0 else change.interval
    interval = words.format_interval(bounds, loss.measure)
    return f"{text} ({CONFIDENCE}: {interval}, {change.units} units)"


def build_tolerance(settings: ToleranceSettings, trials: Trials) -> PageSection:
    """Make a table of severities for each part, and a ranking by the loss at its middle one."""
    table, losses, measure = [], list[Comparison](), settings.measure
    for group in trials.group(["part"]).values():
        severities = group_by_level(group, settings.severity)
        names = [words.name_level(at, settings.severity) for at in severities.values()]
        quantity = words.name_quantity(group, settings.severity)
        for rows in group_rows(group, settings.lines).values():
            numbers, units = _read_curves(rows, settings, list(severities))
            if len(numbers) < 2 or not units:
                continue
            unit = rows[0].level(settings.severity).unit
            cells = [_tolerance_cell(units, numbers, loss, names, unit) for loss in settings.losses]
            line, middle = words.name_series(rows, settings.lines), len(numbers) // 2
            table.append([quantity, line, *cells, str(len(units))])
            at = [r for r in rows if r.text(settings.severity) == list(severities)[middle]]
            lost = [values[0] - values[middle] for values in units]
            losses.append(
                Comparison(
                    words.name_subject(rows, settings.lines),
                    "none",
                    compare_pairs(lost, [0.0] * len(lost), measure),
                    measure,
                    where=words.phrase_place(trials, at, [settings.severity]),
                    levels=(quantity, line, names[middle]),
                )
            )
    points = words.name_points(measure)
    header = [f"{words.format_value(loss, measure)} {points}" for loss in settings.losses]
    ranked = sorted(adjust(losses), key=lambda loss: loss.difference.mean.value)
    ends = (("least", ranked[0]), ("most", ranked[-1])) if ranked else ()
    return PageSection(
        "Tolerated severities",
        words.read_note("tolerance"),
        claims=[describe_loss(word, loss) for word, loss in ends],
        answer=_tolerance_answer(ranked),
        tables=[
            Table("Severity at which is lost", ("what", "trials", *header, "units"), table),
            tabulate(
                f"{points.capitalize()} lost at the middle severity, least first",
                ("what", "trials", "middle severity"),
                measure,
                ranked,
            ),
        ],
        data={
            "tolerated": table,
            "losses at the middle severity": [loss.as_data() for loss in ranked],
        },
    )


def _read_curves(
    rows: list[Row], settings: ToleranceSettings, severities: list[str]
) -> tuple[list[float], list[list[float]]]:
    """Places of the severities, and for each complete unit the measure at each of them."""
    at = group_by_level(rows, settings.severity)
    present = [severity for severity in severities if severity in at]
    values = [average_by_unit(at[severity], settings.measure) for severity in present]
    units = set.intersection(*map(set, values)) if values else set()
    numbers = [at[severity][0].level(settings.severity).value for severity in present]
    ascending = [n for n in numbers if n is not None]
    if len(ascending) < len(numbers) or ascending != sorted(ascending):
        ascending = [float(place) for place in range(len(present))]
    return ascending, [[by_number[unit] for by_number in values] for unit in sorted(units)]


def _find_crossing(
    numbers: Sequence[float], units: Sequence[Sequence[float]], loss: float
) -> float:
    """Find where the mean curve has first lost so much; infinite where it never has."""
    means: list[float] = [sum(values) / len(values) for values in zip(*units, strict=True)]
    lost = [means[0] - value for value in means]
    for place in range(1, len(lost)):
        if lost[place] >= loss:
            before = lost[place - 1]
            share = (loss - before) / (lost[place] - before)
            return numbers[place - 1] + share * (numbers[place] - numbers[place - 1])
    return math.inf


def tolerance_interval(
    numbers: Sequence[float], units: Sequence[Sequence[float]], loss: float
) -> tuple[float, float] | None:
    """Find the interval of the severity at which the mean has first lost so much.

    The severities are kept at which the mean loss is not told from this one, as Fieller's interval
    keeps ratios: the true one is among them as often as Student's interval covers.

    Args:
        numbers: The severities, ascending.
        units: For each unit the measure at each of them.
        loss: How much is lost.

    Returns:
        Lower and upper bound, infinite where it may be beyond the largest; None for too few units,
        or losses without any spread.
    """
    if len(units) < FEWEST:
        return None
    losses = [[values[0] - value for value in values] for values in units]
    over = [[value - loss for value in at] for at in zip(*losses, strict=True)]
    kept: list[float] = []
    for place, (start, end) in enumerate(pairwise(over)):
        for share in find_zeros(start, end) or ():
            kept.append(numbers[place] + share * (numbers[place + 1] - numbers[place]))
    last = mean(over[-1])
    low, _ = last.interval or (last.value, last.value)
    if low <= 0:
        kept.append(math.inf)
    bounds = min(kept, default=math.inf), max(kept, default=math.inf)
    spread = bounds[1] - bounds[0] > 1e-9 * bounds[1] or math.isinf(bounds[0])
    return bounds if spread else None


def _tolerance_cell(
    units: list[list[float]], numbers: list[float], loss: float, names: list[str], unit: str
) -> str:
    text = _severity_text(_find_crossing(numbers, units, loss), numbers, names, unit)
    bounds = tolerance_interval(numbers, units, loss)
    if bounds is None:
        return f"{text} (too few to say)"
    low, high = (_severity_text(bound, numbers, names, unit) for bound in bounds)
    return text if text == low == high else f"{text} ({low} to {high})"


def _severity_text(place: float, numbers: list[float], names: list[str], unit: str) -> str:
    """A place on the axis of severities as text; between two named ones both are given."""
    if math.isinf(place):
        return "none"
    if [f"{n:g} {unit}".rstrip() for n in numbers] == names:
        return f"{place:.3g} {unit}".rstrip()
    low = min(int(place), len(names) - 1)
    return names[low] if place == low else f"{names[low]}…{names[low + 1]}"


def _tolerance_answer(ranked: list[Comparison]) -> str:
    """For each line, where it loses most at a middle severity."""
    sentences = []
    for loss in list({loss.first: loss for loss in ranked}.values())[:LINES]:
        change = loss.difference.mean
        amount = _format_amount(loss, with_interval=change.units >= FEWEST)
        loses = "loses most"
        if change.value < 0:
            loses = "loses nothing at any middle severity and gains least"
        chance = "" if loss.is_supported else ", which chance may explain"
        sentences.append(f"{loss.first} {loses} {loss.where}: {amount}{chance}")
    return words.make_text(sentences)


# -- levels near the best ------------------------------------------------------------------------


class WidthSettings(SectionSettings):
    """The factor that is ranged over, those of the lines, and how near is near."""

    x: str
    lines: tuple[str, ...]
    margin: float = 0.05


@dataclass(frozen=True)
class Width:
    """Number of levels of a setting that some trials work with.

    Attributes:
        quantity: The setting.
        trials: The trials, as the subject of a sentence.
        near: Levels whose mean is near the best.
        levels: Number of all levels.
        bounds: Interval of the number of those that are near; None where too few units say.
        units: Number of units.
    """

    quantity: str
    trials: str
    near: list[str]
    levels: int
    bounds: tuple[int, int] | None
    units: int

    @property
    def is_supported(self) -> bool:
        """True where the interval is narrower than 1 to all levels."""
        return self.bounds is not None and self.bounds != (1, self.levels)

    @property
    def count(self) -> str:
        """The number of near levels."""
        return f"{len(self.near)} of {self.levels}"

    @property
    def interval_text(self) -> str:
        """Interval of the number of near levels as text, or that there are too few units."""
        if self.bounds is None or not self.is_supported:
            return "too few to say"
        return f"{self.bounds[0]} to {self.bounds[1]}"

    def __str__(self) -> str:
        """The sentence."""
        if self.is_supported:
            detail = f"{CONFIDENCE}: {self.interval_text}; {self.units} units"
            return (
                f"{self.trials} gets along with {self.count} levels of {self.quantity} ({detail})"
            )
        return (
            f"too few to say how many levels of {self.quantity} {self.trials} gets along with, "
            f"in the mean {self.count} ({self.units} units)"
        )


def build_width(settings: WidthSettings, trials: Trials) -> PageSection:
    """Make one row for each part that has the factor, and each line."""
    widths = []
    for group in trials.group(["part"]).values():
        own = [row for row in group if row.text(settings.x)]
        for rows in group_rows(own, settings.lines).values():
            levels = group_by_level(rows, settings.x)
            values = {text: average_by_unit(at, settings.measure) for text, at in levels.items()}
            values = {text: by_number for text, by_number in values.items() if by_number}
            if len(values) < 2:
                continue
            common = sorted(set.intersection(*map(set, values.values())))
            units = [[by_number[unit] for by_number in values.values()] for unit in common]
            means = [fmean(at) for at in zip(*units, strict=True)]
            near = [
                words.name_level(levels[text], settings.x)
                for text, value in zip(values, means, strict=False)
                if value >= max(means) - settings.margin
            ]
            widths.append(
                Width(
                    words.name_quantity(rows, settings.x),
                    words.name_subject(rows, settings.lines),
                    near,
                    len(values),
                    count_near_best(units, settings.margin),
                    len(units),
                )
            )
    by_quantity: dict[str, list[str]] = {}
    for width in widths:
        count = f"{width.count} for {width.trials} ({CONFIDENCE}: {width.interval_text})"
        by_quantity.setdefault(width.quantity, []).append(count)
    margin = words.format_amount(settings.margin, settings.measure)
    table = [
        [w.quantity, w.trials, w.count, w.interval_text, ", ".join(w.near) or "none"]
        for w in widths
    ]
    return PageSection(
        "Width of the range",
        words.read_note("width", margin=margin),
        claims=widths,
        answer=words.make_text(
            f"of the levels of {quantity}, within {margin} of the best are {', '.join(counts)}"
            for quantity, counts in by_quantity.items()
        ),
        tables=[Table("", ("what", "trials", "levels", CONFIDENCE, "which"), table)],
        data={"widths": table},
    )


SECTIONS = {
    "tolerance": SectionKind(build_tolerance, ToleranceSettings),
    "width": SectionKind(build_width, WidthSettings),
}
