"""Rules held against each other: accuracy over cost and over what is read, and who wins where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from statistics import fmean
from typing import Any

from pydantic import Field

from hil.figures import plots
from hil.figures.svg import format_count
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Statement, Table, words
from hil.sections.comparisons import (
    BestLevel,
    Comparison,
    adjust,
    find_best_level,
    measure_levels,
    tabulate,
)
from hil.sections.trials import (
    Row,
    Rows,
    Trials,
    compare_rows,
    estimate,
    estimate_mean,
    group_by_level,
    group_rows,
)
from hil.statistics import FEWEST


class CostSettings(SectionSettings):
    """Costs that are shown, the accuracy that is aimed at, and the factors of lines and plots."""

    cost: str
    target: float = Field(0.9, gt=0, le=1)
    lines: tuple[str, ...]
    by: tuple[str, ...] = ()


def build_costs(settings: CostSettings, trials: Trials) -> PageSection | None:
    """Draw validation accuracy over what was paid so far, and tabulate what the target costs."""
    cost, figures, table, reached_at = settings.cost, [], [], []
    order, axis = list(trials.group(settings.lines)), words.name_column(cost)
    for group in trials.group(settings.by).values():
        lines = []
        for key, rows in group_rows(group, settings.lines).items():
            epochs = [_course(row, cost) for row in rows]
            epochs = [course for course in epochs if course]
            if not epochs:
                continue
            means = [
                (fmean(x for x, _ in at), estimate_mean([y for _, y in at], "test_accuracy"))
                for at in zip(*epochs, strict=False)
            ]
            name = words.name_series(rows, settings.lines)
            lines.append(
                plots.Line(
                    x=[x for x, _ in means],
                    y=[mean.value for _, mean in means],
                    label=name,
                    shade=order.index(key),
                )
            )
            firsts = [next((x for x, y in c if y >= settings.target), None) for c in epochs]
            reached = [x for x in firsts if x is not None]
            # A mean of those alone that come so far would flatter a rule that often does not.
            result = estimate_mean(reached, cost) if len(reached) == len(firsts) else None
            place = words.name_levels(group, settings.by)
            share = f"{len(reached)} of {len(firsts)}"
            table.append([*place, name, share, words.format_brief_mean(result, cost)])
            if result is not None:
                where = words.phrase_place(trials, group, settings.by)
                reached_at.append((result.value, f"{name} {where}".strip()))
        if lines:
            y = words.name_measure("validation_accuracy")
            title = words.name_series(group, settings.by) or y.capitalize()
            heading = words.name_legend(trials.rows, settings.lines)
            draw = partial(plots.plot_lines, lines, axis, y, True, None, heading, log=True)
            figures.append(Plot(title, draw))
    if not figures:
        return None
    names = words.name_quantities(trials.rows, settings.by)
    header = (*names, words.name_legend(trials.rows, settings.lines), "reach it", axis)
    aim = f"{100 * settings.target:g} % of the validation samples"
    answer = f"no rule gets {aim} right in every repetition"
    if reached_at:
        amount, name = min(reached_at)
        value = words.format_amount(amount, cost)
        least = f"{name} gets {aim} right with the fewest {words.name_measure(cost)}"
        answer = f"{least}: {value} in the mean"
    return PageSection(
        f"Accuracy over {words.name_measure(cost)}",
        words.read_note("cost_curves"),
        answer=answer,
        tables=[Table(f"What {aim} cost", header, table)],
        plots=figures,
    )


def _course(row: Row, cost: str) -> list[tuple[float, float]]:
    """Costs so far and the validation accuracy after each epoch."""
    paid = [epoch.get(cost) for epoch in row.outcome.get("paid", [])]
    pairs = zip(paid, row.outcome.get("curve", []), strict=False)
    return [(x, y) for x, y in pairs if x and y is not None]


class ReadoutSettings(SectionSettings):
    """Factors of the points and plots, the level held against, and how near to it is near."""

    points: tuple[str, ...]
    factor: str
    reference: str
    margin: float = Field(0.01, gt=0, lt=1)
    by: tuple[str, ...] = ()


def build_readout(settings: ReadoutSettings, trials: Trials) -> PageSection | None:
    """Draw accuracy over the bits that are read of a sample, with the front of the best."""
    figures, table, claims, measure = [], [], [], settings.measure
    margin = words.format_amount(settings.margin, measure)
    for group in trials.group(settings.by).values():
        reference = [row for row in group if row.text(settings.factor) == settings.reference]
        points = []
        for rows in group_rows(group, settings.points).values():
            mean = estimate(rows, measure)
            read = [bits for bits in map(_bits_a_sample, rows) if bits is not None]
            if mean is not None and read:
                points.append((fmean(read), mean, rows))
        if not points:
            continue
        points.sort(key=lambda point: (point[0], -point[1].value))
        best, front, near = -1.0, [], None
        for bits, mean, rows in points:
            on_front = mean.value > best
            if on_front:
                best = mean.value
                front.append((bits, mean.value))
            change = compare_rows(rows, reference, measure) if reference else None
            if near is None and change is not None and change.mean.units >= FEWEST:
                # Of the reference itself there is no spread.
                least = (change.mean.interval or (change.mean.value,))[0]
                near = (bits, rows) if least > -settings.margin else None
            table.append(
                [
                    *words.name_levels(group, settings.by),
                    words.name_series(rows, settings.points),
                    format_count(bits),
                    words.format_brief_mean(mean, measure),
                    "front" if on_front else "",
                    words.format_brief_mean(change.mean if change else None, measure),
                ]
            )
        clouds = [
            plots.Cloud([b for b, *_ in points], [m.value for _, m, _ in points], "all", 1, False),
            plots.Cloud([b for b, _ in front], [y for _, y in front], "front", 0, True),
        ]
        axis, y = "bits read a sample", words.name_measure(measure)
        title = words.name_series(group, settings.by) or y.capitalize()
        figures.append(Plot(title, partial(plots.plot_scatter, clouds, axis, y, True, log=True)))
        where = words.phrase_place(trials, group, settings.by)
        text = f"no readout is sure to be within {margin} of {settings.reference} {where}"
        if near is not None:
            name = words.name_series(near[1], settings.points)
            text = (
                f"within {margin} of {settings.reference} {where}".rstrip()
                + f" the least is read by {name}: {format_count(near[0])} bits a sample"
            )
        claims.append(Statement(text.strip(), near is not None))
    if not figures:
        return None
    names = [*words.name_quantities(trials.rows, settings.by)]
    against = f"less {settings.reference}, {words.name_points(measure)}"
    points_of = words.name_legend(trials.rows, settings.points)
    header = (*names, points_of, "bits a sample", words.name_column(measure), "front", against)
    return PageSection(
        "What a bit of observation buys",
        words.read_note("readout", margin=margin),
        claims=claims,
        answer=words.make_text(claims),
        tables=[Table("", header, table)],
        plots=figures,
    )


def _bits_a_sample(row: Row) -> float | None:
    """Bits that were read for each sample of the training data, further runs of it included."""
    bits, shown = row.measure("read_bits"), row.outcome.get("shown")
    return bits / float(shown) if bits is not None and shown else None


class WinnersSettings(SectionSettings):
    """Whose levels compete, and the factors of the places."""

    factor: str
    by: tuple[str, ...]


def build_winners(settings: WinnersSettings, trials: Trials) -> PageSection | None:
    """Find the best level of each place, and the places between which two change their order."""
    factor, measure, by = settings.factor, settings.measure, settings.by
    places: list[tuple[str, Rows, str]] = []
    table = []
    for group in trials.group(by).values():
        where = words.phrase_place(trials, group, by)
        best = find_best_level(group, factor, measure, where)
        if best is None:
            continue
        places.append((where, group, best.text))
        table.append(
            [
                *words.name_levels(group, by),
                best.level,
                words.format_brief_mean(best.mean, measure),
                best.name_alike() or "none",
            ]
        )
    if not places:
        return None
    tests: list[Comparison] = []
    for (here, a, first), (there, b, second) in combinations(places, 2):
        pairs = [_hold(rows, first, second, settings, at) for rows, at in ((a, here), (b, there))]
        if first != second and None not in pairs:
            tests += [pair for pair in pairs if pair is not None]
    tests = adjust(tests)
    reversals = [
        Statement(f"the winner changes: {one}; {other}", True)
        for one, other in zip(tests[::2], tests[1::2], strict=True)
        if one.is_supported
        and other.is_supported
        and one.difference.mean.value * other.difference.mean.value < 0
    ]
    winners = Counter(text for *_, text in places)
    won = words.join_names([f"{text} ({count})" for text, count in winners.most_common()])
    changes = f"{len(reversals) or 'no'} change{'s' * (len(reversals) > 1)} of the winner"
    best, ranking = _rank(settings, [rows for _, rows, _ in places], winners)
    answer = words.make_text(
        (
            *([str(best)] if best else []),
            f"the highest means of {len(places)} places are those of {won}",
            f"{changes} can be told from chance",
        )
    )
    names = words.name_quantities(trials.rows, by)
    mean = words.name_column(measure)
    header = (*names, words.name_quantity(trials.rows, factor), mean, "not to be told from it")
    columns = (*names, words.name_quantity(trials.rows, factor), "against")
    return PageSection(
        "Who wins where",
        words.read_note("winners"),
        claims=reversals,
        answer=answer,
        tables=[
            *([ranking] if ranking else []),
            Table("The best of each place", header, table),
            tabulate("Winners against each other", columns, measure, tests),
        ],
        data={"winners": [[where, text] for where, _, text in places]},
    )


def _rank(
    settings: WinnersSettings, places: Sequence[Rows], winners: Counter[str]
) -> tuple[BestLevel | None, Table | None]:
    """Hold the levels that have a result at every one of several places against the best of them.

    A repetition counts once, with the mean of its places.
    """
    factor, measure = settings.factor, settings.measure
    everywhere = set.intersection(*(set(measure_levels(rows, factor, measure)) for rows in places))
    rows = [row for place in places for row in place if row.text(factor) in everywhere]
    best = find_best_level(rows, factor, measure, f"on average over {len(places)} places")
    if best is None or len(places) < 2 or not best.rivals:
        return None, None
    levels, table = measure_levels(rows, factor, measure), []
    first, _ = levels[best.text]
    for name, (group, mean) in sorted(levels.items(), key=lambda each: -each[1][1].value):
        change = compare_rows(group, first, measure) if name != best.text else None
        level = words.name_level(group, factor)
        table.append(
            [
                level,
                words.format_brief_mean(mean, measure),
                words.format_brief_mean(change.mean if change else None, measure),
                words.format_probability(best.rivals.get(level)),
                str(winners[name]),
            ]
        )
    against = f"less {best.level}, {words.name_points(measure)}"
    header = (words.name_quantity(rows, factor), words.name_column(measure), against, "p, t-test")
    return best, Table("On average over the places", (*header, "places won"), table)


def _hold(
    rows: Rows, first: str, second: str, settings: WinnersSettings, where: str
) -> Comparison | None:
    """The winner of one place against that of another, in the trials of one of them."""
    levels: dict[str, Any] = group_by_level(rows, settings.factor)
    if first not in levels or second not in levels:
        return None
    change = compare_rows(levels[first], levels[second], settings.measure)
    if change is None:
        return None
    names: Sequence[str] = words.name_levels(rows, settings.by)
    return Comparison(
        first, second, change, settings.measure, where=where, levels=[*names, first, second]
    )


SECTIONS = {
    "cost_curves": SectionKind(build_costs, CostSettings),
    "readout": SectionKind(build_readout, ReadoutSettings),
    "winners": SectionKind(build_winners, WinnersSettings),
}
