"""Training on chips: what it recovers of what deployment lost, and what unseen chips reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean, median

import numpy as np

from hil.figures import plots
from hil.figures.svg import WIDTH, Figure, Panel
from hil.sections import PageSection, Plot, SectionKind, SectionSettings, Table, words
from hil.sections.comparisons import Comparison, adjust
from hil.sections.trials import (
    Row,
    Rows,
    Trials,
    average_by_unit,
    compare_rows,
    estimate,
    group_by_level,
    is_share,
)
from hil.sections.words import CONFIDENCE, SIGNIFICANCE
from hil.statistics import FEWEST, Mean, Ratio, holm, ratio

LEAST = 0.01  # of an accuracy: less than this lost, there is nothing to recover
LOW = 0.05  # share of chips that are worse than the bad end


class RecoverySettings(SectionSettings):
    """The factor of severities, and that of training modes with the one that is the reference."""

    severity: str
    factor: str = "mode"
    reference: str = "deploy"
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recovery:
    """The share that one mode regains of the loss at the middle severity of one quantity.

    Attributes:
        name: The mode, as the subject of a sentence.
        place: The severity in a sentence.
        share: The share, of more than `LEAST` lost.
        p: p of the test of what is regained, adjusted; 1 where there is no test.
        family: How many tests there are.
    """

    name: str
    place: str
    share: Ratio
    p: float = 1.0
    family: int = 1

    @property
    def is_supported(self) -> bool:
        """True where the results say that something is recovered, or lost on top."""
        if self.share.interval is None or self.share.units < FEWEST:
            return False
        low, high = self.share.interval
        return self.p < SIGNIFICANCE and not low <= 0 <= high

    def __str__(self) -> str:
        """The sentence."""
        share, lost = self.share, f"of what deployment loses {self.place}"
        detail = f"{share.units} units, p = {self.p:.2g}{words.describe_tests(self.family)}"
        if not self.is_supported or share.value is None or share.interval is None:
            text = f"too few to say what {self.name} recovers {lost}"
            return f"{text}: {_share_text(share)}, {detail}"
        verb, value, (low, high) = "recovers", share.value, share.interval
        if value < 0:
            verb, value, (low, high) = "loses another", -value, (-high, -low)
        bounds = f"{CONFIDENCE}: {100 * low:.0f} to {100 * high:.0f} %; {detail}"
        return f"{self.name} {verb} {100 * value:.0f} % {lost} ({bounds})"


def build_recovery(settings: RecoverySettings, trials: Trials) -> PageSection:
    """Make one row for each part, severity and mode."""
    measure, table, results, recoveries = settings.measure, [], [], list[Recovery]()
    for group in trials.group(["part", *settings.by]).values():
        severities = list(group_by_level(group, settings.severity).values())
        if len(severities) < 2:
            continue
        start = _read_measure(severities[0], settings, settings.reference)
        quantity = words.name_quantity(group, settings.severity)
        what = " · ".join(filter(None, [quantity, *words.name_levels(group, settings.by)]))
        for number, rows in enumerate(severities[1:], start=1):
            deployed = _read_measure(rows, settings, settings.reference)
            severity = words.name_level(rows, settings.severity)
            for mode, own in group_by_level(rows, settings.factor).items():
                if mode == settings.reference:
                    continue
                other = _read_measure(rows, settings, mode)
                common = sorted(start.keys() & deployed.keys() & other.keys())
                losses = [start[u] - deployed[u] for u in common]
                lost, share = (fmean(losses) if losses else None), None
                if lost is not None and lost >= LEAST:
                    share = ratio([other[u] - deployed[u] for u in common], losses)
                bounds = None if share is None else share.interval
                results.append([quantity, severity, mode, lost, share and share.value, bounds])
                cells = [
                    what,
                    severity,
                    words.format_value(lost, measure),
                    mode,
                    _share_text(share),
                ]
                table.append([*cells, str(len(common))])
                if number == len(severities) // 2 and share is not None:
                    name = words.name_subject(own, [settings.factor])
                    place = words.phrase_place(trials, own, [settings.severity, *settings.by])
                    recoveries.append(Recovery(name, place, share))
    tests = holm([1.0 if each.share.test is None else each.share.test for each in recoveries])
    recoveries = [
        replace(each, p=p, family=len(tests)) for each, p in zip(recoveries, tests, strict=True)
    ]
    points = words.name_points(measure)
    modes = words.name_quantity(trials.rows, settings.factor)
    header = ("what", "severity", f"{points} lost", modes, f"recovered ({CONFIDENCE})", "units")
    return PageSection(
        "What training on the chip recovers",
        words.read_note("recovery"),
        claims=recoveries,
        answer=_recovery_answer(recoveries),
        tables=[Table("", header, table)],
        data={"recovered": results},
    )


def _read_measure(rows: Rows, settings: RecoverySettings, mode: str) -> dict[int, float]:
    """The measure of each unit in one mode."""
    return average_by_unit((r for r in rows if r.text(settings.factor) == mode), settings.measure)


def _share_text(share: Ratio | None) -> str:
    if share is None or share.value is None:
        return "nothing lost"
    text = f"{100 * share.value:.0f} %"
    if share.interval is None:
        return f"{text} (too few to say)"
    low, high = share.interval
    return f"{text} ({100 * low:.0f} to {100 * high:.0f})"


def _recovery_answer(recoveries: list[Recovery]) -> str:
    """The share that each mode recovers, in the median of the middle severities that tell it."""
    sentences = []
    for name in dict.fromkeys(each.name for each in recoveries):
        own = [each for each in recoveries if each.name == name]
        shares = [e.share.value for e in own if e.is_supported and e.share.value is not None]
        for verb, some in (
            ("recovers", [share for share in shares if share > 0]),
            ("loses another", [-share for share in shares if share < 0]),
        ):
            if some:
                span = f", from {100 * min(some):.0f} to {100 * max(some):.0f} %"
                sentences.append(
                    f"{name} {verb} {100 * median(some):.0f} % of what deployment loses at "
                    f"{len(some)} of {len(own)} middle severities with a loss"
                    f"{span if len(some) > 1 else ''}"
                )
        if not shares:
            sentences.append(
                f"too few repetitions say what {name} recovers of what deployment loses, at any of "
                f"{len(own)} middle severities with a loss"
            )
    return words.make_text(sentences)


# -- chips that weights never saw ----------------------------------------------------------------


class YieldSettings(SectionSettings):
    """Origin of weights, their reference, when a chip is good, and what it may cost."""

    factor: str
    reference: str = ""
    least: float = 0.9
    costs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChipYield:
    """Statistics over the chips that some weights were put on.

    Attributes:
        rows: The trials.
        median: Mean over the repetitions of the median chip.
        low: Likewise of the chip that few are worse than.
        good: Likewise of the share of good chips.
        chips: Chips of a repetition.
        units: Repetitions.
    """

    rows: list[Row]
    median: Mean
    low: Mean
    good: Mean
    chips: int
    units: int


def find_low_end(values: Sequence[float]) -> float:
    """The accuracy that few chips fall short of."""
    return float(np.quantile(values, LOW))


def build_yield(settings: YieldSettings, trials: Trials) -> PageSection:
    """Make one row for each level: statistics over chips, and their spread over repetitions."""
    measure, factor = settings.measure, settings.factor

    def share_of_good(values: Sequence[float]) -> float:
        return float(np.mean([value >= settings.least for value in values]))

    levels: dict[str, ChipYield] = {}
    for level, rows in group_by_level(trials.rows, factor).items():
        middle, low, good = (
            estimate(rows, measure, of) for of in (median, find_low_end, share_of_good)
        )
        if middle and low and good:
            numbers = [row.unit.number for row in rows]
            chips = max(map(numbers.count, numbers))
            levels[level] = ChipYield(rows, middle, low, good, chips, len(set(numbers)))
    table, data, intervals = [], {}, []
    is_of_many = any(each.chips > 1 for each in levels.values())
    for level, each in levels.items():
        figures = {"median": each.median, "5th percentile": each.low, "yield": each.good}
        cells = [
            f"{words.format_value(m.value, measure)} ({words.format_interval(m.interval, measure)})"
            for m in (figures.values() if is_of_many else (each.median, each.good))
        ]
        name = words.name_level(each.rows, factor)
        table.append([name, *cells, str(each.chips), str(each.units)])
        data[level] = {key: [m.value, m.interval] for key, m in figures.items()}
        bounds = each.median.interval or (each.median.value, each.median.value)
        intervals.append(plots.ShareInterval(name, each.median.value, bounds, 0, summary=True))
    least = words.format_least(settings.least, measure)
    front = _find_front(settings, levels)
    answers = [
        f"{words.phrase_level(each.rows[0], factor)} "
        f"{'the median' if is_of_many else 'a'} chip reaches "
        f"{words.format_mean(each.median, measure)}, and {100 * each.good.value:.0f} % of chips "
        f"reach {least}{_describe_cost(settings, each)}"
        for each in front
    ]
    if len(front) > 1:
        cost = words.name_measure(settings.costs[0])
        answers.insert(0, f"ranked by {cost}, each of these is above all that are cheaper")
    quantity = words.name_quantity(trials.rows, factor)
    what = "median chip" if is_of_many else words.name_measure(measure)
    percentile = ["5th percentile, %"] if is_of_many else []
    header = (f"{what}, %", *percentile, f"yield at {least}, %", "chips", "repetitions")
    draw = partial(plots.plot_intervals, intervals, "accuracy")
    costs = partial(_plot_costs, settings, levels, quantity)
    return PageSection(
        "On chips never seen",
        words.read_note("chip_yield", least=least),
        claims=_yield_claims(settings, levels),
        answer=words.make_text(answers),
        tables=[Table("", (quantity, *header), table)],
        plots=[
            Plot(what, draw, wide=True),
            *(
                [Plot("What a chip takes", costs, wide=True)]
                if any(
                    row.measure(cost) is not None for row in trials.rows for cost in settings.costs
                )
                else []
            ),
        ],
        data={"least": settings.least, "levels": data},
    )


def _find_front(settings: YieldSettings, levels: dict[str, ChipYield]) -> list[ChipYield]:
    """Find the levels that no cheaper one reaches, by the first cost, the cheapest first."""
    front = list[ChipYield]()
    ranked = sorted(levels.values(), key=lambda e: (_find_cost(settings, e), -e.median.value))
    for each in ranked:
        if not front or each.median.value > front[-1].median.value:
            front.append(each)
    return front


def _find_cost(settings: YieldSettings, each: ChipYield) -> float:
    mean = estimate(each.rows, settings.costs[0]) if settings.costs else None
    return 0.0 if mean is None else mean.value


def _describe_cost(settings: YieldSettings, each: ChipYield) -> str:
    if not settings.costs:
        return ""
    cost, amount = settings.costs[0], _find_cost(settings, each)
    unit = words.name_unit(cost)
    return f" ({words.name_measure(cost)}: {words.format_value(amount, cost)} {unit})"


def _plot_costs(settings: YieldSettings, levels: dict[str, ChipYield], heading: str) -> Figure:
    """Plot the median chip over what each chip cost; what cost nothing is at the left edge."""
    panels = list[Panel]()
    for cost in settings.costs:
        paid = {level: estimate(each.rows, cost) for level, each in levels.items()}
        amounts = [mean.value for mean in paid.values() if mean is not None]
        if not amounts:
            continue
        least = min((amount for amount in amounts if amount > 0), default=1.0) / 3
        clouds = [
            plots.Cloud(
                [max(mean.value, least)],
                [levels[level].median.value],
                "" if panels else words.name_level(levels[level].rows, settings.factor),
                shade,
                has_line=True,
            )
            for shade, (level, mean) in enumerate(paid.items())
            if mean is not None
        ]
        y, percent = words.name_measure(settings.measure), is_share(settings.measure)
        x = words.name_axis(cost)
        panels += plots.plot_scatter(clouds, x, y, percent, heading, log=True).panels
    return Figure(panels, widths=[1.0] * len(panels), width=1.9 * WIDTH)


def _yield_claims(settings: YieldSettings, levels: dict[str, ChipYield]) -> list[Comparison]:
    """Compare median and bad end of each level with the reference, adjusted for all of them."""
    reference = levels.get(settings.reference)
    if reference is None:
        return []
    against = f"that {words.phrase_level(reference.rows[0], settings.factor)}"
    comparisons = []
    for level, each in levels.items():
        chips = f"chips {words.phrase_level(each.rows[0], settings.factor)}"
        for name, of in (("median", median), ("5th percentile", find_low_end)):
            change = compare_rows(each.rows, reference.rows, settings.measure, of)
            if level != settings.reference and change is not None:
                first = f"the {name} of {chips}"
                comparisons.append(Comparison(first, against, change, settings.measure))
    return adjust(comparisons)


SECTIONS = {
    "recovery": SectionKind(build_recovery, RecoverySettings),
    "chip_yield": SectionKind(build_yield, YieldSettings),
}
