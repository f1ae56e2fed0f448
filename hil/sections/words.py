"""Results of studies in words: no claim without its interval, and none from too few repetitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from drivers.files.bounded import read_toml
from hil.sections.trials import (
    MEASURES,
    TIMES,
    Row,
    Rows,
    Trials,
    adjust_tests,
    by_level,
    compare_rows,
    estimate,
    group_rows,
    is_share,
)
from hil.statistics import FEWEST, LEVEL, Mean, PairedDifference

SIGNIFICANCE = round(1 - LEVEL, 6)  # of a test, after the adjustment for the number of tests
CONFIDENCE = f"{100 * LEVEL:g} %"
PLACES = 4  # places that are answered for one by one


@cache
def _notes() -> dict[str, Any]:
    return read_toml(Path(__file__).with_name("notes.toml"))


def read_note(name: str, **values: object) -> str:
    """Fill in the note on how to read a section, as `notes.toml` has it.

    Args:
        name: Of the note.
        values: What it names in braces, but for the confidence of intervals and tests.
    """
    covers = _notes()["covers"].format(confidence=CONFIDENCE)
    usual = {"confidence": CONFIDENCE, "covers": covers, "significance": f"{SIGNIFICANCE:g}"}
    return str(_notes()[name].format(**usual, **values))


# -- measures ------------------------------------------------------------------------------------


def format_value(number: float | None, measure: str) -> str:
    """Write a value: a share in percent, anything else with four digits."""
    if number is None:
        return ""
    if math.isinf(number):
        return "none" if number > 0 else "-none"
    text = f"{100 * number:.1f}" if is_share(measure) else f"{number:.4g}"
    return text.removeprefix("-") if float(text) == 0 else text


def name_unit(measure: str) -> str:
    """Name the unit of what `format_value` shows."""
    if is_share(measure):
        return "%"
    return "s" if measure in TIMES else MEASURES[measure]


def name_points(measure: str) -> str:
    """Name the unit of a difference of what `format_value` shows."""
    return "points" if is_share(measure) else name_unit(measure)


def format_amount(number: float, measure: str) -> str:
    """Write a difference with its unit."""
    return f"{format_value(number, measure)} {name_points(measure)}"


def name_measure(measure: str) -> str:
    """Name a measure in words."""
    return measure.replace("_", " ")


def name_axis(measure: str) -> str:
    """Name a measure with its unit, where it is no share: those are shown in percent."""
    return (
        name_measure(measure)
        if is_share(measure)
        else f"{name_measure(measure)}, {name_unit(measure)}"
    )


def format_interval(bounds: tuple[float, float] | None, measure: str) -> str:
    """Write an interval, or that there is none."""
    if bounds is None:
        return "none"
    return f"{format_value(bounds[0], measure)} to {format_value(bounds[1], measure)}"


def format_mean(result: Mean, measure: str) -> str:
    """Write a mean with its interval."""
    text = f"{format_value(result.value, measure)} {name_unit(measure)}"
    if result.deviation == 0:
        return f"{text} (the same in all {result.units} repetitions)"
    if result.interval is None:
        return f"{text} (no interval: one repetition)"
    return f"{text} ({CONFIDENCE}: {format_interval(result.interval, measure)})"


def format_brief_mean(result: Mean | None, measure: str) -> str:
    """Write a mean with its interval, as a cell of a table."""
    if result is None:
        return ""
    bounds = "" if result.interval is None else f" ({format_interval(result.interval, measure)})"
    return f"{format_value(result.value, measure)}{bounds}"


def format_cells(result: Mean | None, measure: str) -> list[str]:
    """Write a mean, its interval and the number of its units, as cells of a table."""
    if result is None:
        return ["", "none", "0"]
    bounds = format_interval(result.interval, measure)
    return [format_value(result.value, measure), bounds, str(result.units)]


def format_probability(p: float | None) -> str:
    """Write a p-value, as a cell of a table."""
    return "" if p is None else f"{p:.2g}"


def mirror(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    """Turn the interval of a difference the other way round."""
    return None if bounds is None else (-bounds[1], -bounds[0])


def make_sentence(text: str) -> str:
    """Make a sentence of a statement."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def join_names(names: Sequence[str]) -> str:
    """Join names as a list in a sentence."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


# -- factors and levels --------------------------------------------------------------------------


def name_level(rows: Rows, factor: str) -> str:
    """Name the level of a factor that trials share, with its unit, unless units differ."""
    names = {each.shown or each.text for each in (row.level(factor) for row in rows)}
    return names.pop() if len(names) == 1 else rows[0].text(factor)


def name_levels(rows: Rows, factors: Sequence[str]) -> list[str]:
    """Name the levels of several factors that trials share."""
    return [name_level(rows, factor) for factor in factors]


def name_series(rows: Rows, factors: Sequence[str]) -> str:
    """Name them as one entry of a legend."""
    return " · ".join(filter(None, name_levels(rows, factors)))


def name_quantity(rows: Rows, factor: str) -> str:
    """Name a factor in words; by its key where it is another thing in each part."""
    about = {row.level(factor).about or factor for row in rows if row.text(factor)} or {factor}
    return about.pop() if len(about) == 1 else factor.replace("_", " ")


def name_quantities(rows: Rows, factors: Sequence[str]) -> list[str]:
    """Name several factors in words."""
    return [name_quantity(rows, factor) for factor in factors]


def name_legend(rows: Rows, factors: Sequence[str]) -> str:
    """Name the heading of a legend whose entries are `name_series`."""
    return " · ".join(name_quantities(rows, factors))


def name_subject(rows: Rows, factors: Sequence[str]) -> str:
    """Name trials as the subject of a sentence, e.g. `rule adfa`."""
    parts = [
        f"{name_quantity(rows, f)} {name_level(rows, f)}" for f in factors if name_level(rows, f)
    ]
    return ", ".join(parts) or "all trials"


def phrase_level(row: Row, factor: str) -> str:
    """Phrase the level of a factor for a sentence, e.g. `at 30 % of dead neurons`."""
    if factor not in row.cell.levels:
        return ""
    return row.level(factor).phrase or f"with {factor} {row.text(factor)}"


def phrase_place(trials: Trials, rows: Rows, factors: Sequence[str]) -> str:
    """Phrase where in the study trials are, e.g. `on emulator:ideal at 30 % of dead neurons`."""
    phrases = []
    for factor in factors:
        text = rows[0].text(factor)
        if not text:
            continue
        if factor != "part":
            phrases.append(phrase_level(rows[0], factor))
        elif not any(own in factors for own in trials.parts[text].factors):
            phrases.append(f"in {trials.parts[text].about or text}")
    return " ".join(dict.fromkeys(phrases))


# -- conclusions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """A paired difference as a conclusion.

    Its sentence says of what is below that it is so much below: amount and interval are of the
    direction that it names.

    Attributes:
        first: What is compared.
        second: What it is compared with.
        difference: First less second.
        measure: What was measured.
        p: p of the paired t-test, adjusted for the family; None without spread.
        family: How many tests there are.
        where: Where in the study, e.g. `on emulator:ideal`.
    """

    first: str
    second: str
    difference: PairedDifference
    measure: str
    p: float | None
    family: int
    where: str = ""

    @property
    def is_supported(self) -> bool:
        """True where the difference can be told from none."""
        enough = self.difference.mean.units >= FEWEST
        return enough and self.p is not None and self.p < SIGNIFICANCE

    def __str__(self) -> str:
        """The sentence."""
        change, units = self.difference.mean, self.difference.mean.units
        signed, where = (
            format_amount(change.value, self.measure),
            f" {self.where}" if self.where else "",
        )
        against = f"{self.first} less {self.second}{where}: {signed}"
        if units < FEWEST:
            return (
                f"{against} in {units} repetition{'s' if units != 1 else ''}, too few for a claim "
                f"(at least {FEWEST})"
            )
        if self.p is None:
            return f"{against} in each of {units} pairs: no spread, so no interval"
        detail = f"{units} pairs, p = {self.p:.2g}{describe_tests(self.family)}"
        if self.is_supported:
            below = change.value < 0
            bounds = mirror(change.interval) if below else change.interval
            return (
                f"{self.first} is {format_amount(abs(change.value), self.measure)} "
                f"{'below' if below else 'above'} {self.second}{where} "
                f"({CONFIDENCE}: {format_interval(bounds, self.measure)}; {detail})"
            )
        low, high = change.interval or (0.0, 0.0)
        limits = "" if low <= 0 <= high else f" among {self.family} tests"
        return (
            f"{self.first} and {self.second}{where} cannot be told apart{limits} (the first less "
            f"the second: {signed}, {CONFIDENCE}: "
            f"{format_interval(change.interval, self.measure)}; {detail})"
        )


def describe_tests(family: int) -> str:
    """Say that a p-value is adjusted, where there are several tests."""
    return f" adjusted for {family} tests" if family > 1 else ""


@dataclass(frozen=True)
class BestLevel:
    """The level of a factor with the highest mean at one place, and its distance to the others.

    Attributes:
        where: The place in the study; empty for all of it.
        name: The level, as the subject of a sentence.
        mean: Its mean.
        measure: What was measured.
        rivals: p of the difference to each other level, adjusted, by the name of the level; None
            without spread.
    """

    where: str
    name: str
    mean: Mean
    measure: str
    rivals: dict[str, float | None]

    def __str__(self) -> str:
        """The sentence, without a capital at its beginning."""
        reached = f"{name_measure(self.measure)}, {format_mean(self.mean, self.measure)}"
        best = f"{self.where} {self.name} has the highest {reached}".strip()
        if self.mean.units < FEWEST:
            return f"{best}: {self.mean.units} repetitions are too few to tell it from others"
        alike = [key for key, p in self.rivals.items() if p is None or p >= SIGNIFICANCE]
        if not alike:
            others = "the other" if len(self.rivals) == 1 else "all others"
            return f"{best}, told from {others} beyond chance"
        rest = len(self.rivals) - len(alike)
        more = f", told from the other{'s' if rest > 1 else ''} beyond chance" if rest else ""
        return f"{best}, not to be told from {join_names(alike)}{more}"


def best_levels(
    trials: Trials, factor: str, by: Sequence[str], measure: str
) -> Sequence[BestLevel]:
    """Find the level that does best at each combination of some levels, or over all of them.

    Args:
        trials: The trials.
        factor: Whose levels are compared.
        by: Factors whose combinations are kept apart where they are few.
        measure: What is compared.
    """
    groups = [g for g in trials.group(by).values() if len(_levels_with(g, factor, measure)) > 1]
    if len(groups) <= PLACES:
        return [_best_level(g, factor, measure, phrase_place(trials, g, by)) for g in groups]
    together = [row for group in groups for row in group]
    where = f"on average over {len(groups)} combinations"
    return [_best_level(together, factor, measure, where)]


def _levels_with(rows: Rows, factor: str, measure: str) -> dict[str, tuple[list[Row], Mean]]:
    """The trials of each level that has any that worked, with their mean."""
    return {
        text: (group, result)
        for text, group in by_level(rows, factor).items()
        if text and (result := estimate(group, measure)) is not None
    }


def _best_level(rows: Rows, factor: str, measure: str, where: str) -> BestLevel:
    groups = _levels_with(rows, factor, measure)
    first = max(groups, key=lambda text: groups[text][1].value)
    best, reached = groups.pop(first)
    compared = {
        name_level(group, factor): change
        for group, _ in groups.values()
        if (change := compare_rows(best, group, measure)) is not None
    }
    adjusted = adjust_tests(list(compared.values()))
    rivals = dict(zip(compared, adjusted, strict=True))
    return BestLevel(where, name_subject(best, [factor]), reached, measure, rivals)


@dataclass(frozen=True)
class Extremes:
    """Places where a measure is highest and lowest.

    Attributes:
        measure: What was measured.
        high: The highest mean.
        low: The lowest one.
        here: Places of the highest.
        there: Places of the lowest.
    """

    measure: str
    high: Mean
    low: Mean
    here: Sequence[str]
    there: Sequence[str]

    def __str__(self) -> str:
        """The sentence."""
        high, low = (format_mean(each, self.measure) for each in (self.high, self.low))
        if self.low.value == self.high.value:
            return f"{name_measure(self.measure)}: {high} everywhere"
        return (
            f"{name_measure(self.measure)}: highest {' and '.join(self.here)}, {high}, and lowest "
            f"{' and '.join(self.there)}, {low}"
        )


def find_extremes(trials: Trials, by: Sequence[str], measure: str, rows: Rows | None = None) -> str:
    """Say where a measure is highest and lowest, of the combinations of some levels.

    Args:
        trials: The trials.
        by: Factors of the combinations.
        measure: What was measured.
        rows: Those of the trials to look at; all when None.

    Returns:
        The sentence; empty where there are no two combinations.
    """
    means = [
        (result, phrase_place(trials, group, by))
        for group in group_rows(trials.rows if rows is None else rows, by).values()
        if (result := estimate(group, measure)) is not None
    ]
    if len(means) < 2:
        return ""
    low, high = (f((m for m, _ in means), key=lambda m: m.value) for f in (min, max))
    there, here = ([p for m, p in means if m.value == end.value] for end in (low, high))
    return str(Extremes(measure, high, low, here, there))
