"""Which level of a factor does best, in a sentence for each place, and what it is told from."""

from __future__ import annotations

from collections.abc import Sequence

from hil.statistics import FEWEST
from hil.studies.report import naming, wording
from hil.studies.report.estimates import adjust, difference, mean
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

MOST = 4  # places that are answered one by one


def answer(factor: str, by: Sequence[str], measure: str, study: Study, rows: Rows) -> str:
    """Which level does best at each combination of some levels, or over all of them.

    Args:
        factor: Whose levels are compared.
        by: Factors whose combinations are told apart where they are few.
        measure: What is compared.
        study: The study.
        rows: Its table.
    """
    places = list(grouped(rows, by).values())
    there = [group for group in places if len(_means(group, factor, measure)) > 1]
    if not there:
        return ""
    if len(there) <= MOST:
        told = [_told(group, factor, measure, naming.place(study, group, by)) for group in there]
    else:
        together = [row for group in there for row in group]
        told = [_told(together, factor, measure, f"on average over {len(there)} combinations")]
    return "; ".join(told)


def _means(rows: Sequence[Row], factor: str, measure: str) -> dict[str, list[Row]]:
    """The trials of each level that has any that worked."""
    by_level = grouped(rows, [factor])
    return {
        level: trials for (level,), trials in by_level.items() if level and by_unit(trials, measure)
    }


def _told(rows: Sequence[Row], factor: str, measure: str, where: str) -> str:
    """One place: the level with the highest mean, and which others cannot be told from it."""
    groups = _means(rows, factor, measure)
    means = {
        level: mean(list(by_unit(trials, measure).values()), measure)
        for level, trials in groups.items()
    }
    first = max(means, key=lambda level: means[level].value)
    place = f"{where} " if where else ""
    name = naming.subject(groups[first], [factor])
    reached = wording.mean(means[first], measure)
    best = f"{place}{name} has the highest {wording.name(measure)}, {reached}"
    if means[first].units < FEWEST:
        return f"{best}: {means[first].units} repetitions are too few to tell it from others"
    others = {
        level: change
        for level, trials in groups.items()
        if level != first and (change := difference(groups[first], trials, measure)) is not None
    }
    adjusted = adjust(list(others.values()))
    alike = [
        naming.level(groups[level], factor)
        for level, p in zip(others, adjusted, strict=True)
        if p is None or p >= wording.SIGNIFICANCE
    ]
    if not alike:
        return (
            f"{best}, told from {'the other' if len(others) == 1 else 'all others'} beyond chance"
        )
    rest = len(others) - len(alike)
    more = f", told from the other{'s' if rest > 1 else ''} beyond chance" if rest else ""
    return f"{best}, not to be told from {_listed(alike)}{more}"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
