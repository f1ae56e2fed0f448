"""Levels compared in pairs of equal seed and chip: with a reference, and with the usual ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from hil import statistics
from hil.sections import (
    Conclusion,
    PageSection,
    SectionKind,
    SectionSettings,
    Statement,
    Table,
    words,
)
from hil.sections.trials import (
    Row,
    Rows,
    Trials,
    adjust_tests,
    average_by_unit,
    by_level,
    compare_pairs,
    compare_rows,
    estimate,
    group_rows,
)
from hil.sections.words import CONFIDENCE, SIGNIFICANCE, Comparison
from hil.statistics import Mean, PairedDifference


class PairsSettings(SectionSettings):
    """The levels that are compared, and with what."""

    factor: str
    reference: str
    by: tuple[str, ...] = ()


def build_pairs(settings: PairsSettings, trials: Trials) -> PageSection:
    """Make one row for each other level and combination of the levels of `by`."""
    measure, factor, by = settings.measure, settings.factor, settings.by
    pairs: list[tuple[list[Row], list[Row], PairedDifference]] = []
    for group in trials.group(by).values():
        levels = by_level(group, factor)
        reference = levels.pop(settings.reference, [])
        for rows in levels.values():
            change = compare_rows(rows, reference, measure)
            if change is not None:
                pairs.append((rows, reference, change))
    adjusted = adjust_tests([change for _, _, change in pairs])
    claims, results, table = [], [], []
    for (rows, reference, change), p in zip(pairs, adjusted, strict=True):
        first, second = (words.name_subject(side, [factor]) for side in (rows, reference))
        where = words.phrase_place(trials, rows, by)
        claims.append(Comparison(first, second, change, measure, p, len(pairs), where))
        results.append(
            {
                "levels": [rows[0].text(name) for name in by],
                "level": rows[0].text(factor),
                "difference": change.mean.value,
                "interval": change.mean.interval,
                "p": p,
            }
        )
        table.append(
            [
                *words.name_levels(rows, [*by, factor]),
                *words.format_cells(change.mean, measure),
                words.format_probability(p),
                words.format_probability(change.wilcoxon),
            ]
        )
    header = (
        *words.name_quantities(trials.rows, [*by, factor]),
        f"difference, {words.name_points(measure)}",
        f"{CONFIDENCE} interval",
        "pairs",
        "p, t-test",
        "p, Wilcoxon",
    )
    return PageSection(
        f"Against {settings.reference}",
        words.read_note("pairs"),
        claims=claims,
        answer="; ".join(map(str, words.best_levels(trials, factor, by, measure))),
        tables=[Table("", header, table)],
        data={"reference": settings.reference, "differences": results},
    )


class EffectsSettings(SectionSettings):
    """Factors that tell the effects apart."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """The change by a level of a factor, or how much more it changes than on the first line.

    Attributes:
        line: The trials that it was measured on, by their levels of the line factors.
        factor: The factor.
        level: The level that is compared with the usual one.
        trials: The trials of that level, as the subject of a sentence.
        usual: Those that they are compared with, likewise.
        difference: The change, over the units that have both.
        p: p of its paired t-test, adjusted; None without spread.
    """

    line: str
    factor: str
    level: str
    trials: str
    usual: str
    difference: PairedDifference
    p: float | None = None

    def as_claim(self, measure: str, family: int) -> Comparison:
        """The effect as a conclusion."""
        return Comparison(self.trials, self.usual, self.difference, measure, self.p, family)


def build_effects(settings: EffectsSettings, trials: Trials) -> PageSection:
    """Make a table of main effects, one of their interactions with the lines, one of stability."""
    measure = settings.measure
    effects: list[Effect] = []
    interactions: list[Effect] = []
    for factor, (usual, *others) in _levels_by_factor(trials):
        for rows in others:
            on_lines = _effects_on_lines(factor, rows, usual, settings)
            effects += [effect for effect, _ in on_lines.values()]
            interactions += _interactions(on_lines, trials, settings)
    effects, interactions = _with_adjusted_tests(effects), _with_adjusted_tests(interactions)
    significant = [_significant(family) for family in (effects, interactions)]
    claims: list[Conclusion] = [
        effect.as_claim(measure, len(family))
        for family, some in zip((effects, interactions), significant, strict=True)
        for effect in some
    ]
    remaining = len(effects) + len(interactions) - len(claims)
    claims.append(Statement(f"{remaining} further effects and interactions are not significant"))
    return PageSection(
        "Main effects and interactions",
        words.read_note("effects"),
        claims=claims,
        answer=_effects_answer(effects, settings, trials),
        tables=[
            _effects_table("Main effects", effects, measure),
            _effects_table("Interactions", interactions, measure),
            _stability_table(settings, trials),
        ],
        data={
            "effects": [
                {
                    "line": effect.line,
                    "factor": effect.factor,
                    "level": effect.level,
                    "difference": effect.difference.mean.value,
                    "interval": effect.difference.mean.interval,
                    "p": effect.p,
                }
                for effect in effects
            ]
        },
    )


def _levels_by_factor(trials: Trials) -> list[tuple[str, list[list[Row]]]]:
    """The factors of each part, with the trials of each of their levels."""
    return [
        (factor, list(by_level(rows, factor).values()))
        for part, rows in by_level(trials.rows, "part").items()
        for factor in (trials.parts[part].factors if part else trials.factors)
    ]


OnLines = dict[tuple[str, ...], tuple[Effect, dict[int, float]]]
"""By line, the effect of a level, and the gain of each unit."""


def _effects_on_lines(factor: str, rows: Rows, usual: Rows, settings: EffectsSettings) -> OnLines:
    measure, lines = settings.measure, settings.lines
    result: OnLines = {}
    below = group_rows(usual, lines)
    for line, group in group_rows(rows, lines).items():
        change = compare_rows(group, below.get(line, []), measure)
        if change is None:
            continue
        effect = Effect(
            line=words.name_series(group, lines),
            factor=words.name_quantity(group, factor),
            level=words.name_level(group, factor),
            trials=f"{words.name_subject(group, lines)} {words.phrase_level(group[0], factor)}",
            usual=f"the usual {words.name_level(usual, factor)}",
            difference=change,
        )
        a, b = average_by_unit(group, measure), average_by_unit(below[line], measure)
        result[line] = effect, {unit: a[unit] - b[unit] for unit in sorted(a.keys() & b.keys())}
    return result


def _interactions(on_lines: OnLines, trials: Trials, settings: EffectsSettings) -> list[Effect]:
    """Find how much more a level changes on each line than on the first one."""
    first_line, first_rows = next(iter(trials.group(settings.lines).items()))
    _, base = on_lines.get(first_line, (None, {}))
    interactions = []
    for line, (effect, gain) in on_lines.items():
        both = sorted(gain.keys() & base.keys())
        if line == first_line or not both:
            continue
        a, b = [gain[unit] for unit in both], [base[unit] for unit in both]
        interactions.append(
            replace(
                effect,
                trials=f"the effect of {effect.factor} {effect.level} on {effect.line}",
                usual=f"that on {words.name_subject(first_rows, settings.lines)}",
                difference=compare_pairs(a, b, settings.measure, most=2.0),
            )
        )
    return interactions


def _with_adjusted_tests(effects: list[Effect]) -> list[Effect]:
    tests = adjust_tests([effect.difference for effect in effects])
    return [replace(effect, p=p) for effect, p in zip(effects, tests, strict=True)]


def _significant(effects: Sequence[Effect]) -> list[Effect]:
    return [e for e in effects if e.p is not None and e.p < SIGNIFICANCE]


def _effects_answer(effects: list[Effect], settings: EffectsSettings, trials: Trials) -> str:
    """The largest of the effects that are told from chance, and the most stable line."""
    measure, significant = settings.measure, _significant(effects)
    count = f"of {len(effects)} effects, {len(significant) or 'none'} can be told from chance"
    if significant:
        largest = max(significant, key=lambda effect: abs(effect.difference.mean.value))
        count += f", the largest: {largest.as_claim(measure, len(effects))}"
    spreads = {
        words.name_subject(group, settings.lines): spread
        for group in trials.group(settings.lines).values()
        if (spread := _spread(group, measure)) is not None
    }
    if len(spreads) < 2:
        return count
    most, least = (f(spreads, key=spreads.__getitem__) for f in (min, max))
    return (
        f"{count}; over all levels {most} varies least (standard deviation "
        f"{words.format_amount(spreads[most], measure)}) and {least} most "
        f"({words.format_value(spreads[least], measure)})"
    )


def _means_of_combinations(rows: Rows, measure: str) -> list[tuple[str, Mean]]:
    """The mean at every combination of levels that has one, with its name."""
    factors = ["part", *dict.fromkeys(f for row in rows for f in row.cell.levels)]
    return [
        (words.name_series(group, factors), result)
        for group in group_rows(rows, factors).values()
        if (result := estimate(group, measure)) is not None
    ]


def _spread(rows: Rows, measure: str) -> float | None:
    """Standard deviation of the means of all levels of all parts."""
    means = [result.value for _, result in _means_of_combinations(rows, measure)]
    return statistics.mean(means or [0.0]).deviation


def _effects_table(caption: str, effects: Sequence[Effect], measure: str) -> Table:
    effect_name, interval_name = f"effect, {words.name_points(measure)}", f"{CONFIDENCE} interval"
    rows = [
        [
            effect.line,
            effect.factor,
            effect.level,
            *words.format_cells(effect.difference.mean, measure),
            words.format_probability(effect.p),
        ]
        for effect in effects
    ]
    header = ("trials", "factor", "level", effect_name, interval_name, "units", "p")
    return Table(caption, header, rows)


def _stability_table(settings: EffectsSettings, trials: Trials) -> Table:
    measure, table = settings.measure, []
    for group in trials.group(settings.lines).values():
        means = _means_of_combinations(group, measure)
        if not means:
            continue
        where, worst = min(means, key=lambda item: item[1].value)
        spread = _spread(group, measure)
        table.append(
            [
                words.name_series(group, settings.lines),
                words.format_value(fmean(result.value for _, result in means), measure),
                "none" if spread is None else words.format_value(spread, measure),
                where,
                words.format_mean(worst, measure),
            ]
        )
    header = (
        "trials",
        f"mean, {words.name_unit(measure)}",
        "standard deviation",
        "worst at",
        "there",
    )
    return Table("Stability", header, table)


SECTIONS = {
    "pairs": SectionKind(build_pairs, PairsSettings),
    "effects": SectionKind(build_effects, EffectsSettings),
}
