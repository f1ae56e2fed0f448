"""Figures in words: no claim without its interval, and none from too few repetitions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hil.statistics import FEWEST, Difference, Mean

SURE = 0.05  # of a test, after the adjustment for the number of tests


@dataclass(frozen=True)
class Claim:
    """A sentence about the study.

    Attributes:
        text: The sentence, with its interval.
        sure: Whether the figures bear it, else it says what they do not tell.
    """

    text: str
    sure: bool


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
    from hil.studies.table import MEASURES, TIMES

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


def mean(found: Mean, measure: str) -> str:
    """A mean with its interval."""
    shown = f"{value(found.value, measure)} {unit(measure)}"
    if found.interval is None:
        return f"{shown} (no interval: one repetition)"
    return f"{shown} (95 %: {interval(found.interval, measure)})"


def compared(
    first: str, second: str, found: Difference, measure: str, p: float | None, family: int
) -> Claim:
    """What a paired difference says.

    Args:
        first: What is compared.
        second: What it is compared with.
        found: First less second.
        measure: What was measured.
        p: p of the paired t-test, adjusted for the family.
        family: How many tests there are.
    """
    units = found.mean.units
    points = "points" if is_share(measure) else unit(measure)
    amount = value(abs(found.mean.value), measure)
    if units < FEWEST:
        return Claim(
            f"{first} against {second}: {value(found.mean.value, measure)} {points} in {units} "
            f"repetition{'s' if units != 1 else ''}, too few for a claim (at least {FEWEST})",
            False,
        )
    if p is None:
        return Claim(
            f"{first} against {second}: {value(found.mean.value, measure)} {points} in each of "
            f"{units} pairs: no spread, so no interval",
            False,
        )
    bounds = interval(found.mean.interval, measure)
    detail = f"95 %: {bounds}; {units} pairs, p = {p:.2g}"
    if family > 1:
        detail += f" adjusted for {family} tests"
    if p < SURE:
        more = "above" if found.mean.value > 0 else "below"
        return Claim(f"{first} is {amount} {points} {more} {second} ({detail})", True)
    low, high = found.mean.interval or (0.0, 0.0)
    where = "here" if low <= 0 <= high else f"among {family} tests"
    return Claim(f"{first} and {second} cannot be told apart {where} ({detail})", False)
