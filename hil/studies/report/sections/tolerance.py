"""How much of something is tolerated: the severity at which a measure has lost so many points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hil.statistics import FEWEST, bootstrap, mean
from hil.studies.report import wording
from hil.studies.report.section import SectionContent, SectionSettings, Table
from hil.studies.report.wording import Claim
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    "The severity at which the mean over the repetitions has lost so many points of what the "
    "reference reaches without any, on straight lines between the severities; 'none' where it has "
    "not up to the largest. In brackets a 95 % interval: repetitions drawn again (bootstrap, "
    "1000 draws). "
    "Coarser weights lie further on the axis, whatever their number says."
)


class Settings(SectionSettings):
    """What the severity is, what the lines are, and how many points are lost."""

    severity: str
    lines: tuple[str, ...]
    losses: tuple[float, ...] = (0.01, 0.02, 0.05)


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """A table of severities for each part, and a ranking by the loss at its middle severity."""
    table, ranking = [], []
    for (part,), group in grouped(rows, ["part"]).items():
        severities = list(grouped(group, [settings.severity]))
        about = study.parts[part].about if part in study.parts else part
        for line, trials in grouped(group, settings.lines).items():
            numbers, units = _curves(trials, settings, severities)
            if len(numbers) < 2 or not units:
                continue
            name = " · ".join(line)
            cells = [
                _tolerated(units, numbers, loss, [d[0] for d in severities])
                for loss in settings.losses
            ]
            table.append([about or part, name, *cells, str(len(units))])
            middle = len(numbers) // 2
            lost = [unit[0] - unit[middle] for unit in units]
            ranking.append((about or part, name, severities[middle][0], lost))
    header = [f"{wording.value(loss, settings.measure)} points" for loss in settings.losses]
    ranked = sorted(ranking, key=lambda item: sum(item[3]) / len(item[3]))
    return SectionContent(
        settings.title or "Tolerated severities",
        settings.note or NOTE,
        claims=_claims(ranked, settings.measure) if ranked else [],
        tables=[
            Table("Severity at which is lost", ("what", "trials", *header, "units"), table),
            _ranking(ranked, settings.measure),
        ],
        data={
            "tolerated": table,
            "losses at the middle severity": [[w, n, d, sum(x) / len(x)] for w, n, d, x in ranked],
        },
    )


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


def _tolerated(
    units: list[list[float]], numbers: list[float], loss: float, names: list[str]
) -> str:
    crossing = _crossing(numbers, units, loss)
    bounds = bootstrap(units, lambda sample: _crossing(numbers, sample, loss))
    if bounds is None:
        return f"{_severity_text(crossing, numbers, names)} (too few units for an interval)"
    low, high = (_severity_text(bound, numbers, names) for bound in bounds)
    return f"{_severity_text(crossing, numbers, names)} ({low} to {high})"


def _severity_text(place: float, numbers: list[float], names: list[str]) -> str:
    """A place on the axis of severities as text; between two named ones both are given."""
    if math.isinf(place):
        return "none"
    if [f"{n:g}" for n in numbers] == names:
        return f"{place:.3g}"
    low = min(int(place), len(names) - 1)
    return names[low] if place == low else f"{names[low]}…{names[low + 1]}"


def _claims(ranked: list[tuple[str, str, str, list[float]]], measure: str) -> list[Claim]:
    """The least and the most that is lost at a middle severity."""
    claims = []
    for word, (what, name, severity, lost) in (("least", ranked[0]), ("most", ranked[-1])):
        result = mean(lost)
        text = (
            f"{word} is lost by {name} with {what} at its middle severity {severity}: "
            f"{wording.value(result.value, measure)} points"
        )
        if result.interval is None or len(lost) < FEWEST:
            claims.append(Claim(f"{text} ({len(lost)} units, too few for a claim)", False))
            continue
        text += f" (95 %: {wording.interval(result.interval, measure)}, {len(lost)} units)"
        claims.append(Claim(text, result.interval[0] > 0))
    return claims


def _ranking(ranked: list[tuple[str, str, str, list[float]]], measure: str) -> Table:
    rows = []
    for what, name, severity, lost in ranked:
        result = mean(lost)
        rows.append(
            [
                what,
                name,
                severity,
                wording.value(result.value, measure),
                wording.interval(result.interval, measure),
            ]
        )
    header = ("what", "trials", "middle severity", "points lost", "95 % interval")
    return Table("Points lost at the middle severity, least first", header, rows, frozenset({3}))
