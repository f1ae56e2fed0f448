"""What weights reach on chips that they never saw: the middle, the bad end and the yield."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median

import numpy as np

from hil.reports import plots
from hil.statistics import Difference, Mean
from hil.studies.report import naming, wording
from hil.studies.report.estimates import adjust, difference, mean
from hil.studies.report.section import (
    Picture,
    SectionContent,
    SectionKind,
    SectionSettings,
    Table,
)
from hil.studies.report.wording import CONFIDENCE, Claim
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, Statistic, by_unit, grouped

LOW = 0.05  # share of chips that are worse than the bad end


class Settings(SectionSettings):
    """Which factor says what the weights were trained on, and when a chip is good."""

    factor: str
    reference: str
    least: float = 0.9


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each level: statistics over chips, and how they differ between repetitions."""

    def good(values: Sequence[float]) -> float:
        return float(np.mean([value >= settings.least for value in values]))

    statistics: dict[str, Statistic] = {"median": median, "5th percentile": _low, "yield": good}
    levels = {level: trials for (level,), trials in grouped(rows, [settings.factor]).items()}
    known = {level: trials for level, trials in levels.items() if by_unit(trials, settings.measure)}
    table, data, values, drawn = [], {}, dict[str, list[float]](), []
    for level, trials in known.items():
        found = {
            name: mean(list(by_unit(trials, settings.measure, of).values()), settings.measure)
            for name, of in statistics.items()
        }
        chips = max(sum(row.unit.number == n for row in trials) for n in _units(trials))
        cells = [_cell(each, settings.measure) for each in found.values()]
        table.append(
            [
                *naming.levels(trials, [settings.factor]),
                *cells,
                str(chips),
                str(len(_units(trials))),
            ]
        )
        data[level] = {name: [each.value, each.interval] for name, each in found.items()}
        values[level] = [each.value for each in found.values()]
        middle = found["median"]
        bounds = middle.interval or (middle.value, middle.value)
        label = naming.series(trials, [settings.factor])
        drawn.append(plots.ShareInterval(label, middle.value, bounds, 0, summary=True))
    least = f"{wording.value(settings.least, settings.measure)} %"
    header = (
        *naming.quantities(rows, [settings.factor]),
        "median chip, %",
        "5th percentile, %",
        f"yield ({least}), %",
        "chips",
        "repetitions",
    )
    return SectionContent(
        settings.title or "On chips never seen",
        settings.note or _note(least),
        claims=_claims(settings, known),
        answer=_answer(known, values, least, settings),
        tables=[Table("", header, table, frozenset({1, 2, 3, 4, 5}))],
        pictures=[Picture("Median chip", partial(plots.share_intervals, drawn, "accuracy"), True)],
        data={"least": settings.least, "levels": data},
    )


def _note(least: str) -> str:
    return (
        "Over the chips of each repetition, none of which its weights were trained on unless a "
        "level says so: the median, the accuracy that 5 % of chips fall short of, and the share "
        f"that reaches {least}, the yield. Shown is the mean over the repetitions with Student's "
        f"{CONFIDENCE} interval: repetitions have other seeds and other chips, so they, and not "
        f"chips, are what is sampled. {wording.COVERS}"
    )


def _low(values: Sequence[float]) -> float:
    return float(np.quantile(values, LOW))


def _units(trials: Sequence[Row]) -> list[int]:
    return sorted({row.unit.number for row in trials})


def _cell(found: Mean, measure: str) -> str:
    value = wording.value(found.value, measure)
    return f"{value} ({wording.interval(found.interval, measure)})"


def _claims(settings: Settings, levels: dict[str, list[Row]]) -> list[Claim]:
    """Median and bad end of each level against the reference, adjusted for all of them."""
    reference = levels.get(settings.reference)
    if reference is None:
        return []
    compared: list[tuple[str, list[Row], Difference]] = []
    for level, trials in levels.items():
        for name, of in (("median", median), ("5th percentile", _low)):
            change = difference(trials, reference, settings.measure, of)
            if level != settings.reference and change is not None:
                compared.append((name, trials, change))
    adjusted = adjust([change for _, _, change in compared])
    return [
        wording.comparison(
            f"the {name} of chips {_with(trials, settings)}",
            f"that {_with(reference, settings)}",
            change,
            settings.measure,
            p=p,
            family=len(compared),
        )
        for (name, trials, change), p in zip(compared, adjusted, strict=True)
    ]


def _with(trials: list[Row], settings: Settings) -> str:
    return trials[0].phrase(settings.factor)


def _answer(
    levels: dict[str, list[Row]], values: dict[str, list[float]], least: str, settings: Settings
) -> str:
    """Median and yield of each level, in the order of the study."""
    told = []
    for level, trials in levels.items():
        middle, _, share = (wording.value(each, settings.measure) for each in values[level])
        told.append(f"{_with(trials, settings)} {middle} %, yield {share} %")
    return f"median accuracy of chips, and share of them at {least} or more: " + "; ".join(told)


SECTION = SectionKind(build, Settings)
