"""Means and differences of measures, with intervals that end where a value cannot be.

Student's interval reaches as far below the mean as above it, also beyond what a measure can be: an
accuracy above 100 %. Cut there, it holds the true value as often as before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from hil import statistics
from hil.statistics import Difference, Mean
from hil.studies.report.wording import is_share
from hil.studies.table import Rows, Statistic, by_unit

NOTE = (
    "Intervals end where a value cannot be: those of an accuracy at 0 and 100 %, those of a "
    "difference of two accuracies at 100 points either way, those of a count at 0."
)


def mean(values: Sequence[float], measure: str) -> Mean:
    """Mean of one value of a measure for each unit, at least one."""
    return _cut(statistics.mean(values), 0.0, 1.0 if is_share(measure) else math.inf)


def change(values: Sequence[float], measure: str) -> Mean:
    """Mean of one difference of two values of a measure for each unit."""
    most = 1.0 if is_share(measure) else math.inf
    return _cut(statistics.mean(values), -most, most)


def paired(
    first: Sequence[float], second: Sequence[float], measure: str, most: float = 1.0
) -> Difference:
    """Difference of two measurements of the same units.

    Args:
        first: One value for each unit.
        second: Likewise, in the same order; it is subtracted.
        measure: What was measured.
        most: Largest difference that there can be of two shares; 2 of two differences of them.
    """
    result = statistics.paired(first, second)
    bound = most if is_share(measure) else math.inf
    return replace(result, mean=_cut(result.mean, -bound, bound))


def _cut(result: Mean, low: float, high: float) -> Mean:
    if result.interval is None:
        return result
    a, b = result.interval
    return replace(result, interval=(min(max(a, low), high), max(min(b, high), low)))


def difference(first: Rows, second: Rows, measure: str, of: Statistic = fmean) -> Difference | None:
    """Difference of two groups of trials over the units that both have; None for no unit."""
    a, b = by_unit(first, measure, of), by_unit(second, measure, of)
    both = sorted(a.keys() & b.keys())
    return paired([a[u] for u in both], [b[u] for u in both], measure) if both else None


def adjust(differences: Sequence[Difference]) -> list[float | None]:
    """p-values of the paired t-tests, adjusted for their number."""
    known = [d.t_test for d in differences if d.t_test is not None]
    adjusted = iter(statistics.holm(known))
    return [None if d.t_test is None else next(adjusted) for d in differences]
