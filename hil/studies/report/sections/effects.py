"""Main effects of each part's factor, how they differ between rules, and how stable a rule is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from hil import statistics
from hil.statistics import Difference, Mean
from hil.studies.report import naming, wording
from hil.studies.report.estimates import adjust, difference, mean, paired
from hil.studies.report.section import SectionContent, SectionKind, SectionSettings, Table
from hil.studies.report.wording import Claim
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    "Each level against the first one of its part, which is the usual setting, in pairs of equal "
    "seed and chip. An interaction is the difference of that effect between a level of the line "
    "factor and the first one. p-values are of paired t-tests, adjusted by Holm for the table."
)
STABLE = (
    "Over all levels of all parts: the mean, the spread of the levels' means, and the worst of "
    "them with its interval."
)


class Settings(SectionSettings):
    """What the effects are told apart by."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """What a level of a factor changes, or how much more it does so than on the first line.

    Attributes:
        line: The trials that it was measured on, by their levels of the line factors.
        factor: The factor.
        level: The level that is compared with the usual one.
        trials: The trials of that level, as the subject of a sentence.
        usual: Those that they are compared with, likewise.
        difference: The change, over the units that have both.
    """

    line: str
    factor: str
    level: str
    trials: str
    usual: str
    difference: Difference


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """A table of effects, one of interactions, and one of stability."""
    measure = settings.measure
    first_line = next(iter(grouped(rows, settings.lines)), ())
    first = naming.subject(next(iter(grouped(rows, settings.lines).values())), settings.lines)
    effects: list[Effect] = []
    interactions: list[Effect] = []
    for factor, levels in _levels(study, rows):
        usual, *others = levels
        for trials in others:
            measured, shifts = _effects(factor, trials, usual, settings)
            effects += measured.values()
            interactions += _interactions(measured, shifts, first_line, first, settings)
    p_effects = adjust([effect.difference for effect in effects])
    p_interactions = adjust([effect.difference for effect in interactions])
    claims = [
        *_claims(effects, p_effects, measure),
        *_claims(interactions, p_interactions, measure),
    ]
    remaining = len(effects) + len(interactions) - len(claims)
    claims.append(Claim(f"{remaining} further effects and interactions are not significant", False))
    return SectionContent(
        settings.title or "Main effects and interactions",
        settings.note or f"{NOTE} {STABLE}",
        claims=claims,
        answer=_answer(effects, p_effects, settings, rows),
        tables=[
            _table("Main effects", effects, p_effects, measure),
            _table("Interactions", interactions, p_interactions, measure),
            _stability(settings, rows),
        ],
        data={
            "effects": [
                {
                    "line": effect.line,
                    "factor": effect.factor,
                    "level": effect.level,
                    "difference": effect.difference.mean.value,
                    "interval": effect.difference.mean.interval,
                    "p": p,
                }
                for effect, p in zip(effects, p_effects, strict=True)
            ]
        },
    )


Shifts = dict[tuple[str, ...], dict[int, float]]
"""By line, what each unit gains by a level."""


def _effects(
    factor: str, trials: list[Row], usual: list[Row], settings: Settings
) -> tuple[dict[tuple[str, ...], Effect], Shifts]:
    """The effect of a level on each line, with its shift of every unit."""
    effects: dict[tuple[str, ...], Effect] = {}
    shifts: Shifts = {}
    below = grouped(usual, settings.lines)
    for line, group in grouped(trials, settings.lines).items():
        change = difference(group, below.get(line, []), settings.measure)
        if change is not None:
            name = naming.subject(group, settings.lines)
            effects[line] = Effect(
                line=naming.series(group, settings.lines),
                factor=naming.quantity(group, factor),
                level=naming.level(group, factor),
                trials=f"{name} {group[0].phrase(factor)}",
                usual=f"the usual {naming.level(usual, factor)}",
                difference=change,
            )
            shifts[line] = _shift(group, below[line], settings.measure)
    return effects, shifts


def _interactions(
    effects: Mapping[tuple[str, ...], Effect],
    shifts: Shifts,
    first_line: tuple[str, ...],
    first: str,
    settings: Settings,
) -> list[Effect]:
    """How much more a level changes on each line than on the first one."""
    interactions = []
    base = shifts.get(first_line, {})
    for line, shift in shifts.items():
        both = sorted(shift.keys() & base.keys())
        if line != first_line and both:
            a, b = [shift[unit] for unit in both], [base[unit] for unit in both]
            change = paired(a, b, settings.measure, most=2.0)
            effect = effects[line]
            named = f"the effect of {effect.factor} {effect.level}"
            interactions.append(
                replace(
                    effect,
                    trials=f"{named} on {effect.line}",
                    usual=f"that on {first}",
                    difference=change,
                )
            )
    return interactions


def _claims(effects: list[Effect], p: list[float | None], measure: str) -> list[Claim]:
    """Of the effects that are significant."""
    return [
        wording.comparison(
            effect.trials, effect.usual, effect.difference, measure, p=value, family=len(effects)
        )
        for effect, value in zip(effects, p, strict=True)
        if value is not None and value < wording.SIGNIFICANCE
    ]


def _answer(effects: list[Effect], p: list[float | None], settings: Settings, rows: Rows) -> str:
    """The largest of the effects that are told from chance, and the most stable line."""
    measure = settings.measure
    told = [
        e for e, v in zip(effects, p, strict=True) if v is not None and v < wording.SIGNIFICANCE
    ]
    count = f"of {len(effects)} effects, {len(told) or 'none'} can be told from chance"
    if told:
        largest = max(told, key=lambda effect: abs(effect.difference.mean.value))
        claims = _claims(effects, p, measure)
        count += f", the largest: {claims[told.index(largest)].text}"
    spreads = {
        naming.subject(group, settings.lines): spread
        for group in grouped(rows, settings.lines).values()
        if (spread := _spread(group, measure)) is not None
    }
    if len(spreads) < 2:
        return count
    most, least = (f(spreads, key=spreads.__getitem__) for f in (min, max))
    return (
        f"{count}; over all levels {most} varies least (standard deviation "
        f"{wording.value(spreads[most], measure)} {wording.points(measure)}) and {least} most "
        f"({wording.value(spreads[least], measure)})"
    )


def _spread(rows: list[Row], measure: str) -> float | None:
    """Standard deviation of the means of all levels of all parts."""
    return statistics.mean([m.value for _, m in _at_levels(rows, measure)] or [0.0]).deviation


def _at_levels(rows: list[Row], measure: str) -> list[tuple[str, Mean]]:
    """The mean at every combination of levels that has one, with what it is called."""
    factors = list(dict.fromkeys(f for row in rows for f in row.cell.choices if f))
    return [
        (naming.series(trials, ["part", *factors]), mean(values, measure))
        for trials in grouped(rows, ["part", *factors]).values()
        if (values := list(by_unit(trials, measure).values()))
    ]


def _levels(study: Study, rows: Rows) -> list[tuple[str, list[list[Row]]]]:
    """The factors of each part, with the trials of each of their levels."""
    factors = []
    for (part,), group in grouped(rows, ["part"]).items():
        for factor in study.parts[part].factors if part else study.factors:
            factors.append((factor, list(grouped(group, [factor]).values())))
    return factors


def _shift(first: list[Row], second: list[Row], measure: str) -> dict[int, float]:
    a, b = by_unit(first, measure), by_unit(second, measure)
    return {unit: a[unit] - b[unit] for unit in sorted(a.keys() & b.keys())}


def _table(caption: str, effects: list[Effect], p: list[float | None], measure: str) -> Table:
    header = (
        "trials",
        "factor",
        "level",
        f"effect, {wording.points(measure)}",
        f"{wording.CONFIDENCE} interval",
    )
    return Table(
        caption,
        (*header, "units", "p"),
        [
            [
                effect.line,
                effect.factor,
                effect.level,
                wording.value(effect.difference.mean.value, measure),
                wording.interval(effect.difference.mean.interval, measure),
                str(effect.difference.mean.units),
                "" if value is None else f"{value:.2g}",
            ]
            for effect, value in zip(effects, p, strict=True)
        ],
        frozenset({3, 5, 6}),
    )


def _stability(settings: Settings, rows: Rows) -> Table:
    measure, table = settings.measure, []
    for group in grouped(rows, settings.lines).values():
        known = _at_levels(group, measure)
        if not known:
            continue
        worst = min(known, key=lambda item: item[1].value)
        spread = _spread(group, measure)
        table.append(
            [
                naming.series(group, settings.lines),
                wording.value(fmean(result.value for _, result in known), measure),
                "none" if spread is None else wording.value(spread, measure),
                worst[0],
                wording.mean(worst[1], measure),
            ]
        )
    unit = wording.unit(measure)
    header = ("trials", f"mean, {unit}", "standard deviation", "worst at", "there")
    return Table("Stability", header, table, frozenset({1, 2}))


SECTION = SectionKind(build, Settings)
