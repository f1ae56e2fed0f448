"""Main effects of each part's factor, how they differ between rules, and how stable a rule is."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from hil.statistics import Difference, mean, paired
from hil.studies.report import wording
from hil.studies.report.section import SectionContent, SectionSettings, Table
from hil.studies.report.sections.pairs import adjust, difference
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
        factor: The factor, with its part.
        level: The level that is compared with the usual one.
        difference: The change, over the units that have both.
    """

    line: str
    factor: str
    level: str
    difference: Difference


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """A table of effects, one of interactions, and one of stability."""
    measure = settings.measure
    first_line = next(iter(grouped(rows, settings.lines)), ())
    effects: list[Effect] = []
    interactions: list[Effect] = []
    for part, factor, levels in _levels(study, rows):
        usual, *others = levels
        for level, trials in others:
            measured, shifts = _effects(f"{part}: {factor}", level, trials, usual[1], settings)
            effects += measured
            interactions += _interactions(f"{part}: {factor}", level, shifts, first_line)
    p_effects = adjust([effect.difference for effect in effects])
    p_interactions = adjust([effect.difference for effect in interactions])
    claims = [
        *_claims(effects, p_effects, measure),
        *_interaction_claims(interactions, p_interactions, measure, " · ".join(first_line)),
    ]
    remaining = len(effects) + len(interactions) - len(claims)
    claims.append(Claim(f"{remaining} further effects and interactions are not significant", False))
    return SectionContent(
        settings.title or "Main effects and interactions",
        settings.note or f"{NOTE} {STABLE}",
        claims=claims,
        tables=[
            _table("Main effects", effects, p_effects, measure),
            _table("Interactions", interactions, p_interactions, measure),
            _stability(settings, rows),
        ],
        data={
            "effects": [
                {
                    "line": effect.line,
                    "where": effect.factor,
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
    factor: str, level: str, trials: list[Row], usual: list[Row], settings: Settings
) -> tuple[list[Effect], Shifts]:
    """The effect of a level on each line, with its shift of every unit."""
    effects: list[Effect] = []
    shifts: Shifts = {}
    below = grouped(usual, settings.lines)
    for line, group in grouped(trials, settings.lines).items():
        change = difference(group, below.get(line, []), settings.measure)
        if change is not None:
            effects.append(Effect(" · ".join(line), factor, level, change))
            shifts[line] = _shift(group, below[line], settings.measure)
    return effects, shifts


def _interactions(
    factor: str, level: str, shifts: Shifts, first_line: tuple[str, ...]
) -> list[Effect]:
    """How much more a level changes on each line than on the first one."""
    interactions = []
    base = shifts.get(first_line, {})
    for line, shift in shifts.items():
        both = sorted(shift.keys() & base.keys())
        if line != first_line and both:
            change = paired([shift[unit] for unit in both], [base[unit] for unit in both])
            interactions.append(Effect(" · ".join(line), factor, level, change))
    return interactions


def _claims(effects: list[Effect], p: list[float | None], measure: str) -> list[Claim]:
    """Of the effects that are significant."""
    return [
        wording.comparison(
            f"{effect.line} with {effect.factor} = {effect.level}",
            "the usual",
            effect.difference,
            measure,
            p=value,
            family=len(effects),
        )
        for effect, value in zip(effects, p, strict=True)
        if value is not None and value < wording.SIGNIFICANCE
    ]


def _interaction_claims(
    interactions: list[Effect], p: list[float | None], measure: str, first_line: str
) -> list[Claim]:
    """Of the interactions that are significant."""
    return [
        wording.comparison(
            f"the effect of {effect.factor} = {effect.level} on {effect.line}",
            f"that on {first_line}",
            effect.difference,
            measure,
            p=value,
            family=len(interactions),
        )
        for effect, value in zip(interactions, p, strict=True)
        if value is not None and value < wording.SIGNIFICANCE
    ]


def _levels(study: Study, rows: Rows) -> list[tuple[str, str, list[tuple[str, list[Row]]]]]:
    """The factors of each part, with the trials of each of their levels."""
    factors = []
    for (part,), group in grouped(rows, ["part"]).items():
        own = study.parts[part].factors if part else {}
        for factor in own:
            by_level = grouped(group, [factor])
            factors.append((part, factor, [(key[0], trials) for key, trials in by_level.items()]))
    return factors


def _shift(first: list[Row], second: list[Row], measure: str) -> dict[int, float]:
    a, b = by_unit(first, measure), by_unit(second, measure)
    return {unit: a[unit] - b[unit] for unit in sorted(a.keys() & b.keys())}


def _table(caption: str, effects: list[Effect], p: list[float | None], measure: str) -> Table:
    unit = "points" if wording.is_share(measure) else wording.unit(measure)
    return Table(
        caption,
        ("trials", "factor", "level", f"effect, {unit}", "95 % interval", "units", "p"),
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
    for line, group in grouped(rows, settings.lines).items():
        factors = list(dict.fromkeys(f for row in group for f in row.cell.choices if f))
        places = [
            (" · ".join(filter(None, key)), list(by_unit(trials, measure).values()))
            for key, trials in grouped(group, ["part", *factors]).items()
        ]
        known = [(place, mean(values)) for place, values in places if values]
        if not known:
            continue
        worst = min(known, key=lambda item: item[1].value)
        means = [result.value for _, result in known]
        middle, spread = fmean(means), mean(means).deviation
        table.append(
            [
                " · ".join(line),
                wording.value(middle, measure),
                "none" if spread is None else wording.value(spread, measure),
                worst[0],
                wording.mean(worst[1], measure),
            ]
        )
    unit = wording.unit(measure)
    header = ("trials", f"mean, {unit}", "standard deviation", "worst at", "there")
    return Table("Stability", header, table, frozenset({1, 2}))
