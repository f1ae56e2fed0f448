"""Intervals for what was counted or measured, and comparisons that keep to them.

How often each of them covers the truth is simulated by `benchmarks/interval_coverage.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

FEWEST = 3  # repetitions below which nothing is claimed
FEWEST_PAIRS = 12  # pairs below which no rank correlation has an interval that covers

# Student's interval of 95 % covers 88 % where three to ten units are as skewed as an exponential
# distribution, which accuracies near 100 % can be. At this level it covers at least 93 % there,
# and this share of normal units.
LEVEL = 0.985


def proportion(successes: int, trials: int) -> tuple[float, float]:
    """Exact 95 % interval of a proportion (Clopper and Pearson 1934, Biometrika 26, 404).

    Args:
        successes: How often it happened.
        trials: Out of how many, at least 1.

    Returns:
        Lower and upper bound.
    """
    from scipy.special import betaincinv

    failures = trials - successes
    low = betaincinv(successes, failures + 1, 0.025) if successes else 0.0
    high = betaincinv(successes + 1, failures, 0.975) if failures else 1.0
    return float(low), float(high)


@dataclass(frozen=True)
class Mean:
    """A mean over independent units, such as seeds or chips.

    Attributes:
        value: The mean.
        interval: Student's interval at `LEVEL`; None for one unit, or where all are equal: of how
            far they lie apart nothing is known then.
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
    half = student_half_width(units, LEVEL) * deviation
    interval = (value - half, value + half) if deviation else None
    return Mean(value=value, interval=interval, deviation=deviation, units=units)


def student_half_width(units: int, level: float = 0.95) -> float:
    """Half the width of Student's interval of a mean (Student 1908, Biometrika 6, 1).

    Args:
        units: How many independent values the mean is taken over, at least 2.
        level: How often it is to cover the mean of normal values.

    Returns:
        The half-width in standard deviations of the values (with n - 1 in the denominator).
    """
    from scipy.special import stdtrit

    return float(stdtrit(units - 1, 0.5 + level / 2)) / math.sqrt(units)


@dataclass(frozen=True)
class PairedDifference:
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


def paired_difference(first: Sequence[float], second: Sequence[float]) -> PairedDifference:
    """Difference of two measurements of the same units.

    Args:
        first: One value for each unit.
        second: Likewise, in the same order; it is subtracted.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    average = mean(differences)
    if not average.deviation:  # one unit, or no spread
        return PairedDifference(average, t_test=None, wilcoxon=None)
    from scipy import stats

    signed_rank = float(stats.wilcoxon(differences).pvalue)
    return PairedDifference(average, t_test=t_test(average), wilcoxon=signed_rank)


def t_test(sample: Mean) -> float | None:
    """p of Student's two-sided test of a mean against 0; None for one unit, or no spread."""
    if not sample.deviation:
        return None
    from scipy.special import stdtr

    t = sample.value / (sample.deviation / math.sqrt(sample.units))
    return float(2 * stdtr(sample.units - 1, -abs(t)))


def mcnemar(first: int, second: int) -> float:
    """p of the exact test that two answer the same things equally well.

    Source: McNemar 1947, Psychometrika 12, 153.

    Args:
        first: How many things the first one alone has right.
        second: How many the second one alone.
    """
    from scipy import stats

    return float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0


def variance_components(groups: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """Standard deviations between groups and within them, of a one-way analysis of variance.

    Those of random effects by the method of moments (Searle, Casella & McCulloch 1992, Variance
    Components, ch. 3), 0 where the one between groups is estimated to be below.

    Args:
        groups: The values of each group, such as those measured again and again of a chip.

    Returns:
        Between and within; within is None, and between holds both, where no group has two values.
        None and None for fewer than two groups.
    """
    sizes, means = [len(each) for each in groups], [fmean(each) for each in groups]
    total, number = sum(sizes), len(groups)
    if number < 2:
        return None, None
    grand = sum(n * m for n, m in zip(sizes, means, strict=True)) / total
    squares = sum(n * (m - grand) ** 2 for n, m in zip(sizes, means, strict=True))
    if total == number:
        return math.sqrt(squares / (number - 1)), None
    rest = sum((v - m) ** 2 for own, m in zip(groups, means, strict=True) for v in own)
    within = rest / (total - number)
    size = (total - sum(n * n for n in sizes) / total) / (number - 1)
    return math.sqrt(max(0.0, squares / (number - 1) - within) / size), math.sqrt(within)


def holm(p: Sequence[float]) -> list[float]:
    """p-values of a family of tests, adjusted (Holm 1979, Scand. J. Stat. 6, 65)."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class Ratio:
    """A ratio of two means over the same units.

    Attributes:
        value: The ratio; None where the denominator is 0.
        interval: Fieller's, at `LEVEL`; None where there is none that ends: the mean of the
            denominators is not told from 0, or there are fewer than `FEWEST` units or no spread.
        test: p of the t-test of the numerators against 0; None for one unit, or no spread.
        units: How many.
    """

    value: float | None
    interval: tuple[float, float] | None
    test: float | None
    units: int


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Ratio of two means over the same units, at least one.

    E. C. Fieller 1954, J. R. Stat. Soc. B 16, 175: the ratios x at which the t-test of `a - x b`
    does not reject.

    Args:
        numerators: One value for each unit.
        denominators: Likewise, in the same order.
    """
    units, below = len(numerators), fmean(denominators)
    value = fmean(numerators) / below if below else None
    test = t_test(mean(numerators))
    away = mean(denominators).interval
    if value is None or units < FEWEST or away is None or away[0] <= 0 <= away[1]:
        return Ratio(value, None, test, units)
    rest = [a - value * b for a, b in zip(numerators, denominators, strict=True)]
    spread = max(rest) - min(rest) > 1e-12 * max(map(abs, [*numerators, *denominators]))
    return Ratio(value, _roots(numerators, denominators) if spread else None, test, units)


def find_zeros(start: Sequence[float], end: Sequence[float]) -> tuple[float, float] | None:
    """Find where on a straight line, from 0 to 1, the mean of some units may be 0.

    Args:
        start: One value for each unit at 0, of at least two.
        end: Likewise at 1, in the same order.

    Returns:
        First and last place at which Student's interval of the mean holds 0; None for none.
    """
    rise = [a - b for a, b in zip(start, end, strict=True)]
    ends = [
        place for place, values in ((0.0, start), (1.0, end)) if _quadratic(values, rise)[2] <= 0
    ]
    places = ends + [root for root in _roots(start, rise) or () if 0 <= root <= 1]
    return (min(places), max(places)) if places else None


def _quadratic(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Coefficients of `p x^2 - 2 q x + r <= 0`: the mean of `a - x b` is not told from 0."""
    import numpy as np

    square = student_half_width(len(a), LEVEL) ** 2
    (aa, ab), (_, bb) = np.cov(a, b).tolist()
    ma, mb = fmean(a), fmean(b)
    return mb * mb - square * bb, ma * mb - square * ab, ma * ma - square * aa


def _roots(a: Sequence[float], b: Sequence[float]) -> tuple[float, float] | None:
    """Solve that inequality: where it begins or ends to hold, in ascending order."""
    p, q, r = _quadratic(a, b)
    inside = q * q - p * r
    if p == 0 or inside < -1e-12 * q * q:
        return None
    root = math.sqrt(max(0.0, inside))
    low, high = sorted(((q - root) / p, (q + root) / p))
    return low, high


def count_near_best(units: Sequence[Sequence[float]], margin: float) -> tuple[int, int] | None:
    """Count the levels near the one with the highest mean, at least and at most.

    A level is counted where its mean is told to be within the margin of every other (an
    intersection-union test, Berger 1982, Technometrics 24, 295), and left out where it is told to
    be further below one of them. Paired t-tests, one-sided, by Bonferroni at `1 - LEVEL`.

    Args:
        units: For each unit its values at all levels, at least two.
        margin: How far below the best is near.

    Returns:
        Bounds of the number; None below `FEWEST` units.
    """
    if len(units) < FEWEST:
        return None
    import numpy as np
    from scipy.special import stdtr

    values = np.asarray(units, np.float64)
    size, levels = values.shape
    gaps = values[:, :, None] - values[:, None, :] + margin  # (unit, level, other)
    error = gaps.std(axis=0, ddof=1) / math.sqrt(size)
    spread = error > 1e-12
    t = np.where(spread, gaps.mean(axis=0) / np.where(spread, error, 1.0), 0.0)
    other = ~np.eye(levels, dtype=bool)
    share = (1 - LEVEL) / levels
    near = ((stdtr(size - 1, -t) < share) | ~other).all(axis=1)
    far = ((stdtr(size - 1, t) < share / (levels - 1)) & other).any(axis=1)
    return max(1, int(near.sum())), levels - int(far.sum())


@dataclass(frozen=True)
class Correlation:
    """A rank correlation.

    Attributes:
        rho: Spearman's coefficient; None where one side has no spread.
        interval: Its interval at `LEVEL`; None below `FEWEST_PAIRS`.
        pairs: How many.
    """

    rho: float | None
    interval: tuple[float, float] | None
    pairs: int


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Spearman's rank correlation, with the interval of Bonett & Wright.

    D. G. Bonett and T. A. Wright 2000, Psychometrika 65, 23: Fisher's z with a standard error of
    `sqrt((1 + rho^2 / 2) / (n - 3))`, at `LEVEL`.

    Args:
        x: One value for each pair.
        y: The other.
    """
    pairs = len(x)
    if pairs < 2 or len(set(x)) < 2 or len(set(y)) < 2:
        return Correlation(None, None, pairs)
    from scipy import special, stats

    rho = float(stats.spearmanr(x, y).statistic)
    if pairs < FEWEST_PAIRS:
        return Correlation(rho, None, pairs)
    inside = min(max(rho, -1 + 1e-12), 1 - 1e-12)
    half = float(special.ndtri(0.5 + LEVEL / 2)) * math.sqrt((1 + inside**2 / 2) / (pairs - 3))
    centre = math.atanh(inside)
    return Correlation(rho, (math.tanh(centre - half), math.tanh(centre + half)), pairs)
