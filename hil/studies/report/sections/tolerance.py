"""How much of something is tolerated: the severity at which a measure has lost so many points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from hil.statistics import FEWEST, mean, not_rejected
from hil.studies.report import naming, wording
from hil.studies.report.estimates import adjust, change, paired
from hil.studies.report.section import SectionContent, SectionKind, SectionSettings, Table
from hil.studies.report.wording import CONFIDENCE, SIGNIFICANCE, Claim
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    "The severity at which the mean over the repetitions has first lost so many points of what the "
    "reference reaches without any, on straight lines between the severities; 'none' where it has "
    f"not up to the largest. In brackets its {CONFIDENCE} interval: from the first to the last "
    "severity at which Student's interval of what is lost holds so many points. "
    "Coarser weights lie further on the axis, whatever their number says. The ranking is that of "
    "the means; p is of the paired t-test of each loss, adjusted by Holm for all rows."
)

MOST = 6  # lines that are answered for one by one


class Settings(SectionSettings):
    """What the severity is, what the lines are, and how many points are lost."""

    severity: str
    lines: tuple[str, ...]
    losses: tuple[float, ...] = (0.01, 0.02, 0.05)


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """A table of severities for each part, and a ranking by the loss at its middle severity."""
    table, ranking = [], list[Lost]()
    measure = settings.measure
    for group in grouped(rows, ["part"]).values():
        by_severity = grouped(group, [settings.severity])
        severities = list(by_severity)
        names = [naming.level(at, settings.severity) for at in by_severity.values()]
        what = naming.quantity(group, settings.severity)
        for trials in grouped(group, settings.lines).values():
            numbers, units = _curves(trials, settings, severities)
            if len(numbers) < 2 or not units:
                continue
            unit = trials[0].unit_of(settings.severity)
            cells = [_tolerated(units, numbers, loss, names, unit) for loss in settings.losses]
            name = naming.series(trials, settings.lines)
            table.append([what, name, *cells, str(len(units))])
            middle = len(numbers) // 2
            at = [row for row in trials if row.text(settings.severity) == severities[middle][0]]
            ranking.append(
                Lost(
                    what=what,
                    who=naming.subject(trials, settings.lines),
                    line=name,
                    severity=names[middle],
                    where=naming.place(study, at, [settings.severity]),
                    points=[values[0] - values[middle] for values in units],
                )
            )
    points = wording.points(measure)
    header = [f"{wording.value(loss, measure)} {points}" for loss in settings.losses]
    ranked = _ranked(ranking, measure)
    return SectionContent(
        settings.title or "Tolerated severities",
        settings.note or NOTE,
        claims=_claims(ranked, measure) if ranked else [],
        answer=_answer(ranked, measure),
        tables=[
            Table("Severity at which is lost", ("what", "trials", *header, "units"), table),
            _ranking(ranked, measure),
        ],
        data={
            "tolerated": table,
            "losses at the middle severity": [
                [lost.what, lost.line, lost.severity, fmean(lost.points)] for lost in ranked
            ],
        },
    )


@dataclass(frozen=True)
class Lost:
    """What is lost at the middle severity of one thing, on one line.

    Attributes:
        what: The thing.
        who: The trials, as the subject of a sentence.
        line: The same as an entry of a table.
        severity: The severity.
        where: The same in a sentence.
        points: What each repetition has lost.
        p: p of the paired t-test of that, adjusted for all that are ranked; None without spread.
    """

    what: str
    who: str
    line: str
    severity: str
    where: str
    points: list[float]
    p: float | None = None

    @property
    def told(self) -> bool:
        """Whether the loss, or the gain, can be told from none."""
        return len(self.points) >= FEWEST and self.p is not None and self.p < SIGNIFICANCE


def _ranked(ranking: list[Lost], measure: str) -> list[Lost]:
    """Least lost first, each with its adjusted p."""
    tests = [paired(lost.points, [0.0] * len(lost.points), measure) for lost in ranking]
    found = [replace(lost, p=p) for lost, p in zip(ranking, adjust(tests), strict=True)]
    return sorted(found, key=lambda lost: fmean(lost.points))


def _curves(
    trials: list[Row], settings: Settings, severities: list[tuple[str, ...]]
) -> tuple[list[float], list[list[float]]]:
    """Places of the severities, and for each complete unit the measure at each of them."""
    by_severity = grouped(trials, [settings.severity])
    known = [severity for severity in severities if severity in by_severity]
    values = [by_unit(by_severity[severity], settings.measure) for severity in known]
    units = set.intersection(*(set(by_number) for by_number in values)) if values else set()
    numbers = [by_severity[severity][0].number_of(settings.severity) for severity in known]
    ascending = [n for n in numbers if n is not None]
    if len(ascending) < len(numbers) or ascending != sorted(ascending):
        ascending = [float(place) for place in range(len(known))]
    return ascending, [[by_number[unit] for by_number in values] for unit in sorted(units)]


def _crossing(numbers: Sequence[float], units: Sequence[Sequence[float]], loss: float) -> float:
    """Where the mean curve has first lost so much; infinite where it never has."""
    means: list[float] = [sum(values) / len(values) for values in zip(*units, strict=True)]
    lost = [means[0] - value for value in means]
    for place in range(1, len(lost)):
        if lost[place] >= loss:
            before = lost[place - 1]
            share = (loss - before) / (lost[place] - before)
            return numbers[place - 1] + share * (numbers[place] - numbers[place - 1])
    return math.inf


def tolerated(
    numbers: Sequence[float], units: Sequence[Sequence[float]], loss: float
) -> tuple[float, float] | None:
    """Interval of the severity at which the mean has first lost so much.

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
        for share in not_rejected(start, end) or ():
            kept.append(numbers[place] + share * (numbers[place + 1] - numbers[place]))
    last = mean(over[-1])
    low, _ = last.interval or (last.value, last.value)
    if low <= 0:
        kept.append(math.inf)
    bounds = min(kept, default=math.inf), max(kept, default=math.inf)
    spread = bounds[1] - bounds[0] > 1e-9 * bounds[1] or math.isinf(bounds[0])
    return bounds if spread else None


def _tolerated(
    units: list[list[float]], numbers: list[float], loss: float, names: list[str], unit: str
) -> str:
    text = _severity_text(_crossing(numbers, units, loss), numbers, names, unit)
    bounds = tolerated(numbers, units, loss)
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


def _claims(ranked: list[Lost], measure: str) -> list[Claim]:
    """The least and the most that is lost at a middle severity, in the mean."""
    claims = []
    for word, lost in (("least", ranked[0]), ("most", ranked[-1])):
        text = _words(word, lost, measure, bounds=lost.told)
        if len(lost.points) < FEWEST:
            text += f" ({len(lost.points)} units, too few for a claim)"
        elif not lost.told:
            text += ", which chance may explain"
        claims.append(Claim(text, lost.told))
    return claims


def _words(word: str, lost: Lost, measure: str, bounds: bool = False) -> str:
    """How much is lost; what is gained is said to be gained."""
    amount, gained = _amount(lost, measure, bounds)
    if gained:
        return f"in the mean nothing is lost by {lost.who} {lost.where}: it gains {amount}"
    return f"in the mean {word} is lost by {lost.who} {lost.where}: {amount}"


def _amount(lost: Lost, measure: str, bounds: bool) -> tuple[str, bool]:
    """How much is lost or gained, with the interval of that, and whether it is gained."""
    result = change(lost.points, measure)
    gained = result.value < 0
    amount = f"{wording.value(abs(result.value), measure)} {wording.points(measure)}"
    if bounds:
        interval = wording.mirrored(result.interval) if gained else result.interval
        amount += f" ({CONFIDENCE}: {wording.interval(interval, measure)}, {result.units} units)"
    return amount, gained


def _answer(ranked: list[Lost], measure: str) -> str:
    """For each line, where it loses most at a middle severity."""
    worst = {lost.who: lost for lost in ranked}
    told = []
    for lost in list(worst.values())[:MOST]:
        amount, gained = _amount(lost, measure, bounds=len(lost.points) >= FEWEST)
        loses = "loses nothing at any middle severity and gains least" if gained else "loses most"
        chance = "" if lost.told else ", which chance may explain"
        told.append(f"{lost.who} {loses} {lost.where}: {amount}{chance}")
    return "; ".join(told)


def _ranking(ranked: list[Lost], measure: str) -> Table:
    rows = []
    for lost in ranked:
        result = change(lost.points, measure)
        rows.append(
            [
                lost.what,
                lost.line,
                lost.severity,
                wording.value(result.value, measure),
                wording.interval(result.interval, measure),
                "" if lost.p is None else f"{lost.p:.2g}",
            ]
        )
    points = wording.points(measure)
    header = ("what", "trials", "middle severity", f"{points} lost", f"{CONFIDENCE} interval", "p")
    title = f"{points.capitalize()} lost at the middle severity, least first"
    return Table(title, header, rows, frozenset({3, 5}))


SECTION = SectionKind(build, Settings)
