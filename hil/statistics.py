"""Intervals for what was counted or measured, and comparisons that keep to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

FEWEST = 3  # repetitions below which nothing is claimed


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22, 209).

    Args:
        successes: How often it happened.
        trials: Out of how many, at least 1.
        z: Normal quantile; the default gives 95 %.

    Returns:
        Lower and upper bound.
    """
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Mean:
    """A mean over independent units, such as seeds or chips.

    Attributes:
        value: The mean.
        interval: Student's 95 % interval; None for one unit.
        deviation: Standard deviation over the units; None for one unit.
        units: How many.
    """

    value: float
    interval: tuple[float, float] | None
    deviation: float | None
    units: int


def mean(values: Sequence[float]) -> Mean:
    """Mean of one value for each unit, at least one."""
    value, units = fmean(values), len(values)
    if units < 2:
        return Mean(value=value, interval=None, deviation=None, units=units)
    deviation = math.sqrt(sum((v - value) ** 2 for v in values) / (units - 1))
    if deviation < 1e-12 * max(map(abs, values)):  # what rounding has left of equal values
        deviation = 0.0
    half = student_half_width(units) * deviation
    return Mean(
        value=value, interval=(value - half, value + half), deviation=deviation, units=units
    )


def student_half_width(units: int) -> float:
    """Half the width of Student's 95 % interval of a mean (Student 1908, Biometrika 6, 1).

    Args:
        units: How many independent values the mean is taken over, at least 2.

    Returns:
        The half-width in standard deviations of the values (with n - 1 in the denominator).
    """
    from scipy.special import stdtrit

    return float(stdtrit(units - 1, 0.975)) / math.sqrt(units)


@dataclass(frozen=True)
class Difference:
    """A difference of two means over the same units.

    Attributes:
        mean: Mean of the units' differences, with its interval.
        t_test: p of the paired t-test; None for one unit, or differences without any spread.
        wilcoxon: p of the signed-rank test (Wilcoxon 1945, Biometrics Bull. 1, 80), exact for
            up to 50 pairs without ties; None likewise.
    """

    mean: Mean
    t_test: float | None
    wilcoxon: float | None


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Difference of two measurements of the same units.

    Args:
        first: One value for each unit.
        second: Likewise, in the same order; it is subtracted.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    average = mean(differences)
    if not average.deviation:  # one unit, or no spread
        return Difference(average, t_test=None, wilcoxon=None)
    from scipy import stats

    t = average.value / (average.deviation / math.sqrt(average.units))
    p = float(2 * stats.t.sf(abs(t), average.units - 1))
    return Difference(average, t_test=p, wilcoxon=float(stats.wilcoxon(differences).pvalue))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of a family of tests, adjusted (Holm 1979, Scand. J. Stat. 6, 65)."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class Correlation:
    """A rank correlation.

    Attributes:
        rho: Spearman's coefficient; None where one side has no spread.
        interval: Its 95 % interval; None below four pairs.
        pairs: How many.
    """

    rho: float | None
    interval: tuple[float, float] | None
    pairs: int


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Spearman's rank correlation, with the interval of Bonett & Wright.

    D. G. Bonett and T. A. Wright 2000, Psychometrika 65, 23: Fisher's z with a standard error of
    `sqrt((1 + rho^2 / 2) / (n - 3))`.

    Args:
        x: One value for each pair.
        y: The other.
    """
    pairs = len(x)
    if pairs < 2 or len(set(x)) < 2 or len(set(y)) < 2:
        return Correlation(None, None, pairs)
    from scipy import stats

    rho = float(stats.spearmanr(x, y).statistic)
    if pairs < 4:
        return Correlation(rho, None, pairs)
    inside = min(max(rho, -1 + 1e-12), 1 - 1e-12)
    half = 1.959964 * math.sqrt((1 + inside**2 / 2) / (pairs - 3))
    centre = math.atanh(inside)
    return Correlation(rho, (math.tanh(centre - half), math.tanh(centre + half)), pairs)


def bootstrap(
    values: Sequence[Sequence[float]],
    statistic: Callable[[Sequence[Sequence[float]]], float | None],
    seed: int = 0,
    draws: int = 1000,
) -> tuple[float, float] | None:
    """Percentile interval of a statistic over units that are drawn again (Efron 1979).

    Args:
        values: What was measured of each unit.
        statistic: Of a sample of units; None where it has no value.
        seed: Of the draws.
        draws: How many.

    Returns:
        Lower and upper bound of 95 %, infinite where the statistic has no value that often; None
        below `FEWEST` units.
    """
    if len(values) < FEWEST:
        return None
    import numpy as np

    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(draws):
        sample = [values[i] for i in rng.integers(len(values), size=len(values))]
        value = statistic(sample)
        resampled.append(math.inf if value is None else value)
    resampled.sort()
    last = draws - 1
    return resampled[math.floor(0.025 * last)], resampled[math.ceil(0.975 * last)]
