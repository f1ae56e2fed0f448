"""Results in words: no claim without its interval, and none from too few repetitions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hil.statistics import FEWEST, LEVEL, Difference, Mean

SIGNIFICANCE = round(1 - LEVEL, 6)  # of a test, after the adjustment for the number of tests
CONFIDENCE = f"{100 * LEVEL:g} %"
COVERS = (
    f"At {CONFIDENCE} it covers at least 93 % of data as skewed as an exponential distribution, "
    "which 95 % does not at so few units."
)


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
    text = f"{100 * number:.1f}" if is_share(measure) else f"{number:.4g}"
    return text.removeprefix("-") if float(text) == 0 else text


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


def axis(measure: str) -> str:
    """A measure with its unit, where it is no share: those are shown in percent."""
    return name(measure) if is_share(measure) else f"{name(measure)}, {unit(measure)}"


def interval(bounds: tuple[float, float] | None, measure: str) -> str:
    """An interval, or that there is none."""
    if bounds is None:
        return "none"
    return f"{value(bounds[0], measure)} to {value(bounds[1], measure)}"


def mean(result: Mean, measure: str) -> str:
    """A mean with its interval."""
    text = f"{value(result.value, measure)} {unit(measure)}"
    if result.deviation == 0:
        return f"{text} (the same in all {result.units} repetitions)"
    if result.interval is None:
        return f"{text} (no interval: one repetition)"
    return f"{text} ({CONFIDENCE}: {interval(result.interval, measure)})"


def mirrored(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    """The interval of a difference taken the other way round."""
    return None if bounds is None else (-bounds[1], -bounds[0])


def points(measure: str) -> str:
    """The unit of a difference of what `value` shows."""
    return "points" if is_share(measure) else unit(measure)


def sentence(text: str) -> str:
    """A statement as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def comparison(
    first: str,
    second: str,
    difference: Difference,
    measure: str,
    p: float | None,
    family: int,
    where: str = "",
) -> Claim:
    """A paired difference as a claim.

    What is said to be so much below is so much below: amount and interval are of the direction that
    the sentence names.

    Args:
        first: What is compared.
        second: What it is compared with.
        difference: First less second.
        measure: What was measured.
        p: p of the paired t-test, adjusted for the family.
        family: How many tests there are.
        where: Where in the study, e.g. `on emulator:ideal`.
    """
    units, found = difference.mean.units, difference.mean
    signed = f"{value(found.value, measure)} {points(measure)}"
    place = f" {where}" if where else ""
    against = f"{first} less {second}{place}: {signed}"
    if units < FEWEST:
        return Claim(
            f"{against} in {units} repetition{'s' if units != 1 else ''}, too few for a claim "
            f"(at least {FEWEST})",
            False,
        )
    if p is None:
        return Claim(f"{against} in each of {units} pairs: no spread, so no interval", False)
    tests = f" adjusted for {family} tests" if family > 1 else ""
    detail = f"{units} pairs, p = {p:.2g}{tests}"
    if p < SIGNIFICANCE:
        below = found.value < 0
        bounds = mirrored(found.interval) if below else found.interval
        return Claim(
            f"{first} is {value(abs(found.value), measure)} {points(measure)} "
            f"{'below' if below else 'above'} {second}{place} "
            f"({CONFIDENCE}: {interval(bounds, measure)}; {detail})",
            True,
        )
    low, high = found.interval or (0.0, 0.0)
    limits = "" if low <= 0 <= high else f" among {family} tests"
    return Claim(
        f"{first} and {second}{place} cannot be told apart{limits} (the first less the second: "
        f"{signed}, {CONFIDENCE}: {interval(found.interval, measure)}; {detail})",
        False,
    )
