"""Levels compared in pairs of equal seed and chip: with a reference, and with the usual ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from hil import statistics
from hil.sections import PageSection, SectionKind, SectionSettings, Statement, Table, words
from hil.sections.comparisons import Comparison, adjust, find_best_levels, tabulate
from hil.sections.trials import (
    Row,
    Rows,
    Trials,
    average_by_unit,
    compare_pairs,
    compare_rows,
    estimate,
    group_by_level,
    group_rows,
)
from hil.statistics import Mean


class PairsSettings(SectionSettings):
    """The levels that are compared, and with what."""

    factor: str
    reference: str
    by: tuple[str, ...] = ()


def build_pairs(settings: PairsSettings, trials: Trials) -> PageSection:
    """Make one row for each other level and combination of the levels of `by`."""
    measure, factor, by = settings.measure, settings.factor, settings.by
    comparisons = []
    for group in trials.group(by).values():
        levels = group_by_level(group, factor)
        reference = levels.pop(settings.reference, [])
        levels.pop("", None)  # trials of parts that do not have the factor
        for rows in levels.values():
            change = compare_rows(rows, reference, measure)
            if change is not None:
                comparison = Comparison(
                    words.name_subject(rows, [factor]),
                    words.name_subject(reference, [factor]),
                    change,
                    measure,
                    where=words.phrase_place(trials, rows, by),
                    levels=words.name_levels(rows, [*by, factor]),
                )
                comparisons.append(comparison)
    comparisons = adjust(comparisons)
    names = words.name_quantities(trials.rows, [*by, factor])
    return PageSection(
        f"Against {settings.reference}",
        words.read_note("pairs"),
        claims=comparisons,
        answer=words.make_text(
            find_best_levels(trials, factor, by, measure) if by else comparisons
        ),
        tables=[tabulate("", names, measure, comparisons)],
        data={
            "reference": settings.reference,
            "differences": [each.as_data() for each in comparisons],
        },
    )


class EffectsSettings(SectionSettings):
    """Factors that tell the effects apart."""

    lines: tuple[str, ...]


def build_effects(settings: EffectsSettings, trials: Trials) -> PageSection:
    """Make a table of main effects, one of their interactions with the lines, one of stability."""
    effects: list[Comparison] = []
    interactions: list[Comparison] = []
    for factor, (usual, *others) in _levels_by_factor(trials):
        for rows in others:
            on_lines = _effects_on_lines(factor, rows, usual, settings)
            effects += [effect for effect, _ in on_lines.values()]
            interactions += _interactions(on_lines, trials, settings)
    effects, interactions = adjust(effects), adjust(interactions)
    claims = [each for each in (*effects, *interactions) if each.is_supported]
    remaining = len(effects) + len(interactions) - len(claims)
    rest = Statement(f"{remaining} further effects and interactions are not significant")
    names = ("trials", "factor", "level")
    return PageSection(
        "Main effects and interactions",
        words.read_note("effects"),
        claims=[*claims, rest],
        answer=_effects_answer(effects, settings, trials),
        tables=[
            tabulate("Main effects", names, settings.measure, effects),
            tabulate("Interactions", names, settings.measure, interactions),
            _stability_table(settings, trials),
        ],
        data={"effects": [each.as_data() for each in effects]},
    )


def _levels_by_factor(trials: Trials) -> list[tuple[str, list[list[Row]]]]:
    """The factors of each part, with the trials of each of their levels."""
    return [
        (factor, list(group_by_level(rows, factor).values()))
        for part, rows in group_by_level(trials.rows, "part").items()
        for factor in (trials.parts[part].factors if part else trials.factors)
    ]


OnLines = dict[tuple[str, ...], tuple[Comparison, dict[int, float]]]
"""By line, the effect of a level, and the gain of each unit."""


def _effects_on_lines(factor: str, rows: Rows, usual: Rows, settings: EffectsSettings) -> OnLines:
    measure, lines = settings.measure, settings.lines
    result: OnLines = {}
    below = group_rows(usual, lines)
    for line, group in group_rows(rows, lines).items():
        change = compare_rows(group, below.get(line, []), measure)
        if change is None:
            continue
        series, quantity = words.name_series(group, lines), words.name_quantity(group, factor)
        effect = Comparison(
            f"{words.name_subject(group, lines)} {words.phrase_level(group[0], factor)}",
            f"the usual {words.name_level(usual, factor)}",
            change,
            measure,
            levels=(series, quantity, words.name_level(group, factor)),
        )
        a, b = average_by_unit(group, measure), average_by_unit(below[line], measure)
        result[line] = effect, {unit: a[unit] - b[unit] for unit in sorted(a.keys() & b.keys())}
    return result


def _interactions(on_lines: OnLines, trials: Trials, settings: EffectsSettings) -> list[Comparison]:
    """Find how much more a level changes on each line than on the first one."""
    first_line, first_rows = next(iter(trials.group(settings.lines).items()))
    _, base = on_lines.get(first_line, (None, {}))
    interactions = []
    for key, (effect, gain) in on_lines.items():
        both = sorted(gain.keys() & base.keys())
        if key == first_line or not both:
            continue
        line, factor, level = effect.levels
        a, b = [gain[unit] for unit in both], [base[unit] for unit in both]
        interactions.append(
            replace(
                effect,
                first=f"the effect of {factor} {level} on {line}",
                second=f"that on {words.name_subject(first_rows, settings.lines)}",
                difference=compare_pairs(a, b, settings.measure, most=2.0),
            )
        )
    return interactions


def _effects_answer(
    effects: Sequence[Comparison], settings: EffectsSettings, trials: Trials
) -> str:
    """The largest of the effects that are told from chance, and the most stable line."""
    measure = settings.measure
    significant = [each for each in effects if each.is_supported]
    above = f"{len(significant)} are" if len(significant) > 1 else "one is"
    count = f"{above if significant else 'none is'} larger than chance explains"
    count = f"of {len(effects)} effects {count}"
    if significant:
        largest = max(significant, key=lambda effect: abs(effect.difference.mean.value))
        count += f", the largest: {largest}"
    spreads = {
        words.name_subject(group, settings.lines): spread
        for group in trials.group(settings.lines).values()
        if (spread := _spread(group, measure)) is not None
    }
    if len(spreads) < 2:
        return count
    most, least = (f(spreads, key=spreads.__getitem__) for f in (min, max))
    return (
        f"{words.make_sentence(count)} Over all levels {most} varies least (standard deviation "
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
