"""Results in words: no claim without its interval, and none from too few repetitions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hil.statistics import FEWEST, Difference, Mean

SIGNIFICANCE = 0.05  # level of a test, after the adjustment for the number of tests


@dataclass(frozen=True)
class Claim:
    """A sentence about the study.

    Attributes:
        text: The sentence, with its interval.
        supported: Whether the results support it; else it says what they leave open.
    """

    text: str
    supported: bool


def is_share(measure: str) -> bool:
    """Whether a measure is an accuracy, shown in percent."""
    return measure.endswith("accuracy")


def value(number: float | None, measure: str) -> str:
    """A measure: a share in percent, anything else with four digits."""
    if number is None:
        return ""
    if math.isinf(number):
        return "none" if number > 0 else "-none"
    return f"{100 * number:.1f}" if is_share(measure) else f"{number:.4g}"


def unit(measure: str) -> str:
    """The unit of what `value` shows."""
    from hil.studies.schema import MEASURES
    from hil.studies.table import TIMES

    if is_share(measure):
        return "%"
    return "s" if measure in TIMES else MEASURES[measure]


def name(measure: str) -> str:
    """A measure as words."""
    return measure.replace("_", " ")


def interval(bounds: tuple[float, float] | None, measure: str) -> str:
    """An interval, or that there is none."""
    if bounds is None:
        return "none"
    return f"{value(bounds[0], measure)} to {value(bounds[1], measure)}"


def mean(result: Mean, measure: str) -> str:
    """A mean with its interval."""
    text = f"{value(result.value, measure)} {unit(measure)}"
    if result.interval is None:
        return f"{text} (no interval: one repetition)"
    return f"{text} (95 %: {interval(result.interval, measure)})"


def comparison(
    first: str, second: str, difference: Difference, measure: str, p: float | None, family: int
) -> Claim:
    """A paired difference as a claim.

    Args:
        first: What is compared.
        second: What it is compared with.
        difference: First less second.
        measure: What was measured.
        p: p of the paired t-test, adjusted for the family.
        family: How many tests there are.
    """
    units = difference.mean.units
    points = "points" if is_share(measure) else unit(measure)
    amount = value(abs(difference.mean.value), measure)
    signed = value(difference.mean.value, measure)
    if units < FEWEST:
        return Claim(
            f"{first} against {second}: {signed} {points} in {units} "
            f"repetition{'s' if units != 1 else ''}, too few for a claim (at least {FEWEST})",
            False,
        )
    if p is None:
        return Claim(
            f"{first} against {second}: {signed} {points} in each of "
            f"{units} pairs: no spread, so no interval",
            False,
        )
    bounds = interval(difference.mean.interval, measure)
    detail = f"95 %: {bounds}; {units} pairs, p = {p:.2g}"
    if family > 1:
        detail += f" adjusted for {family} tests"
    if p < SIGNIFICANCE:
        more = "above" if difference.mean.value > 0 else "below"
        return Claim(f"{first} is {amount} {points} {more} {second} ({detail})", True)
    low, high = difference.mean.interval or (0.0, 0.0)
    where = "here" if low <= 0 <= high else f"among {family} tests"
    return Claim(f"{first} and {second} cannot be told apart {where} ({detail})", False)
