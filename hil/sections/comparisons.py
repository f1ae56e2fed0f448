"""Comparisons in pairs of equal seed and chip: what they conclude, and what does best where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hil.sections import Table, words
from hil.sections.trials import (
    Row,
    Rows,
    Trials,
    adjust_tests,
    compare_rows,
    estimate,
    group_by_level,
    group_rows,
)
from hil.statistics import FEWEST, Mean, PairedDifference

ALIKE = 2  # levels that are named as no worse; of more, their number
PLACES = 4  # places that are answered for one by one


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
        levels: The levels that are compared and those that they share, as cells of a table.
    """

    first: str
    second: str
    difference: PairedDifference
    measure: str
    p: float | None = None
    family: int = 1
    where: str = ""
    levels: Sequence[str] = ()

    @property
    def is_supported(self) -> bool:
        """True where the difference can be told from none."""
        enough = self.difference.mean.units >= FEWEST
        return enough and self.p is not None and self.p < words.SIGNIFICANCE

    def as_data(self) -> dict[str, Any]:
        """The numbers."""
        change = self.difference.mean
        numbers = {"difference": change.value, "interval": change.interval, "p": self.p}
        return {"levels": list(self.levels), **numbers}

    def __str__(self) -> str:
        """The sentence."""
        change, units = self.difference.mean, self.difference.mean.units
        signed = words.format_amount(change.value, self.measure, change.interval)
        where = f" {self.where}" if self.where else ""
        against = f"{self.first} less {self.second}{where}: {signed}"
        if units < FEWEST:
            return (
                f"{against} in {units} repetition{'s' if units != 1 else ''}, too few for a claim "
                f"(at least {FEWEST})"
            )
        if self.p is None:
            return f"{against} in each of {units} pairs: no spread, so no interval"
        detail = f"{units} pairs, p = {self.p:.2g}{words.describe_tests(self.family)}"
        if self.is_supported:
            below = change.value < 0
            bounds = words.mirror(change.interval) if below else change.interval
            amount = words.format_amount(abs(change.value), self.measure, change.interval)
            return (
                f"{self.first} is {amount} "
                f"{'below' if below else 'above'} {self.second}{where} "
                f"({words.CONFIDENCE}: {words.format_interval(bounds, self.measure)}; {detail})"
            )
        low, high = change.interval or (0.0, 0.0)
        limits = "" if low <= 0 <= high else f" among {self.family} tests"
        return (
            f"{self.first} and {self.second}{where} cannot be told apart{limits} ({signed}, "
            f"{words.CONFIDENCE}: {words.format_interval(change.interval, self.measure)}; {detail})"
        )


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Adjust the tests of some comparisons for their number."""
    tests = adjust_tests([each.difference for each in comparisons])
    return [
        replace(each, p=p, family=len(tests)) for each, p in zip(comparisons, tests, strict=True)
    ]


def tabulate(
    caption: str, names: Sequence[str], measure: str, comparisons: Sequence[Comparison]
) -> Table:
    """Tabulate comparisons: their levels, the difference, and both tests.

    Args:
        caption: What the table shows.
        names: What their levels are levels of.
        measure: What was measured.
        comparisons: One for each row.
    """
    points, interval = f"difference, {words.name_points(measure)}", f"{words.CONFIDENCE} interval"
    names, levels = words.close_gaps(names, [each.levels for each in comparisons])
    rows = [
        [
            *own,
            *words.format_cells(each.difference.mean, measure),
            words.format_probability(each.p),
            words.format_probability(each.difference.wilcoxon),
        ]
        for own, each in zip(levels, comparisons, strict=True)
    ]
    header = (*names, points, interval, "pairs", "p, t-test", "p, Wilcoxon")
    return Table(caption, header, rows)


@dataclass(frozen=True)
class BestLevel:
    """The level of a factor with the highest mean at one place, and its distance to the others.

    Attributes:
        where: The place in the study; empty for all of it.
        text: The level as it stands in the table of trials.
        level: The level as pages show it.
        name: The level, as the subject of a sentence.
        mean: Its mean.
        measure: What was measured.
        rivals: p of the difference to each other level, adjusted, by the name of the level; None
            without spread.
    """

    where: str
    text: str
    level: str
    name: str
    mean: Mean
    measure: str
    rivals: dict[str, float | None]

    def __str__(self) -> str:
        """The sentence, without a capital at its beginning."""
        reached = f"{words.name_measure(self.measure)} {self.where}".rstrip()
        best = f"the highest {reached} is that of {self.name}"
        best = f"{best}: {words.format_mean(self.mean, self.measure)}"
        if self.mean.units < FEWEST:
            return f"{best}: {self.mean.units} repetitions are too few to compare it with others"
        alike = self.name_alike()
        if not alike:
            others = "the other" if len(self.rivals) == 1 else "all others"
            return f"{best}, beyond chance above {others}"
        return f"{best}, without a clear difference to {alike}"

    def name_alike(self) -> str:
        """Name the levels that it cannot be told from, or their number where they are many."""
        alike = [key for key, p in self.rivals.items() if p is None or p >= words.SIGNIFICANCE]
        if len(alike) <= ALIKE:
            return words.join_names(alike) if alike else ""
        rest = len(self.rivals) > len(alike)
        return f"{len(alike)} of the {len(self.rivals)} others" if rest else "any other"


def find_best_levels(
    trials: Trials, factor: str, by: Sequence[str], measure: str
) -> Sequence[BestLevel]:
    """Find the level that does best at each combination of some levels, or over all of them.

    Args:
        trials: The trials.
        factor: Whose levels are compared.
        by: Factors whose combinations are kept apart where they are few.
        measure: What is compared.
    """
    groups = [g for g in trials.group(by).values() if len(measure_levels(g, factor, measure)) > 1]
    if len(groups) <= PLACES:
        each = [
            find_best_level(g, factor, measure, words.phrase_place(trials, g, by)) for g in groups
        ]
        return [best for best in each if best is not None]
    together = [row for group in groups for row in group]
    where = f"on average over {len(groups)} combinations"
    best = find_best_level(together, factor, measure, where)
    return [] if best is None else [best]


def measure_levels(rows: Rows, factor: str, measure: str) -> dict[str, tuple[list[Row], Mean]]:
    """Find the trials of each level that has any that worked, with their mean."""
    return {
        text: (group, result)
        for text, group in group_by_level(rows, factor).items()
        if text and (result := estimate(group, measure)) is not None
    }


def find_best_level(rows: Rows, factor: str, measure: str, where: str) -> BestLevel | None:
    """Find the level with the highest mean among some trials; None where none has any."""
    groups = measure_levels(rows, factor, measure)
    if not groups:
        return None
    first = max(groups, key=lambda text: groups[text][1].value)
    best, reached = groups.pop(first)
    compared = {
        words.name_level(group, factor): change
        for group, _ in groups.values()
        if (change := compare_rows(best, group, measure)) is not None
    }
    adjusted = adjust_tests(list(compared.values()))
    rivals = dict(zip(compared, adjusted, strict=True))
    name, level = words.name_subject(best, [factor]), words.name_level(best, factor)
    return BestLevel(where, first, level, name, reached, measure, rivals)


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
        (result, words.phrase_place(trials, group, by))
        for group in group_rows(trials.rows if rows is None else rows, by).values()
        if (result := estimate(group, measure)) is not None
    ]
    if len(means) < 2:
        return ""
    low, high = (f((m for m, _ in means), key=lambda m: m.value) for f in (min, max))
    if low.value == high.value:
        return f"{words.name_measure(measure)}: {words.format_mean(high, measure)} everywhere"
    ends = []
    for word, end in (("highest", high), ("lowest", low)):
        places = [place for mean, place in means if mean.value == end.value]
        where = (
            words.join_names(places) if len(places) <= PLACES else f"at {len(places)} combinations"
        )
        ends.append(f"{word} {where}, {words.format_mean(end, measure)}")
    return f"{words.name_measure(measure)}: {', and '.join(ends)}"
