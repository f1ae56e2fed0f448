"""Statistics: against scipy, textbooks, and what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from hil import statistics

FLOATS = st.floats(-1e3, 1e3)
SAMPLES = st.lists(FLOATS, min_size=2, max_size=20)


@given(values=SAMPLES)
def test_a_mean_has_students_interval(values: list[float]) -> None:
    found = statistics.mean(values)
    assert found.units == len(values) and found.value == pytest.approx(np.mean(values))
    scale = np.std(values, ddof=1) / math.sqrt(len(values))
    assume(scale > 1e-9)
    expected = stats.t.interval(0.985, len(values) - 1, np.mean(values), scale)
    assert found.interval == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert statistics.t_test(found) == pytest.approx(
        stats.ttest_1samp(values, 0).pvalue, rel=1e-6, abs=1e-12
    )


def test_one_unit_has_no_interval() -> None:
    assert statistics.mean([0.5]) == statistics.Mean(0.5, None, None, 1)
    assert statistics.paired_difference([0.5], [0.4]).t_test is None
    equal = statistics.paired_difference([0.3, 0.9], [0.2, 0.8])  # but for the last bit
    assert equal.mean.deviation == 0 and equal.t_test is None and equal.wilcoxon is None
    assert equal.mean.interval is None  # of how far others lie apart, nothing is known


@settings(max_examples=25)
@given(pairs=st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=15))
def test_a_paired_difference_is_scipys(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    assume(np.std(a - b, ddof=1) > 1e-6)
    found = statistics.paired_difference(a.tolist(), b.tolist())
    assert found.t_test == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-6, abs=1e-12)
    other = statistics.paired_difference(b.tolist(), a.tolist())
    assert other.mean.value == -found.mean.value and other.t_test == found.t_test
    low, high = found.mean.interval or (0, 0)
    assert (found.t_test < 0.015) == (not low <= 0 <= high) or abs(found.t_test - 0.015) < 1e-9


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_a_step_down_of_bonferroni(p: list[float]) -> None:
    found = statistics.holm(p)
    for one, adjusted in zip(p, found, strict=True):
        assert one <= adjusted <= min(1.0, one * len(p)) + 1e-12
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(found)[order]) >= -1e-12).all()
    assert min(found) == pytest.approx(min(1.0, min(p) * len(p)))


def test_holm_of_a_textbook() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(x=st.lists(FLOATS, min_size=12, max_size=30), seed=st.integers(0, 99))
def test_a_rank_correlation_does_not_depend_on_the_scale(x: list[float], seed: int) -> None:
    y = np.random.default_rng(seed).standard_normal(len(x)).tolist()
    assume(len(set(x)) > 1)
    found = statistics.rank_correlation(x, y)
    assert found.rho is not None and found.interval is not None
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    low, high = found.interval
    assert -1 <= low <= found.rho <= high <= 1
    if abs(found.rho) < 0.999:  # Bonett and Wright 2000
        z = np.arctanh(found.rho)
        half = stats.norm.ppf(0.9925) * math.sqrt((1 + found.rho**2 / 2) / (len(x) - 3))
        assert (low, high) == pytest.approx(tuple(np.tanh((z - half, z + half))), abs=1e-9)
    other = statistics.rank_correlation(y, x)
    assert other.rho == pytest.approx(found.rho)


def test_too_few_pairs_have_no_correlation() -> None:
    eleven = list(range(11))
    assert statistics.rank_correlation(eleven, eleven).interval is None
    assert statistics.rank_correlation([*eleven, 11], [*eleven, 11]).interval is not None
    assert statistics.rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).rho is None


@given(trials=st.integers(1, 2000), share=st.floats(0, 1))
def test_a_proportion_has_the_exact_interval(trials: int, share: float) -> None:
    successes = round(share * trials)
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert statistics.proportion(successes, trials) == pytest.approx(tuple(expected), abs=1e-9)


def told(values: np.ndarray) -> float:
    """Positive where the t-test tells a mean from 0 at 1.5 %, by a p-value of scipy's."""
    return 0.015 - float(stats.ttest_1samp(values, 0).pvalue)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), units=st.integers(3, 10), loss=st.floats(-3, 3))
def test_a_ratio_has_the_interval_that_tests_leave(seed: int, units: int, loss: float) -> None:
    rng = np.random.default_rng(seed)
    below = loss + rng.standard_normal(units)
    above = rng.uniform(-1, 2) * below + 0.3 * rng.standard_normal(units)
    found = statistics.ratio(above.tolist(), below.tolist())
    assert found.value == pytest.approx(above.mean() / below.mean())
    assert found.test == pytest.approx(stats.ttest_1samp(above, 0).pvalue)
    assert (found.interval is None) == (told(below) < 0)
    if found.interval is not None:
        low, high = found.interval
        assert low < found.value < high
        for bound in (low, high):  # there, and nowhere inside, the test is at its level
            assert told(above - bound * below) == pytest.approx(0, abs=1e-9)
        assert told(above - (low + high) / 2 * below) < 0
    assert statistics.ratio(above[:2].tolist(), below[:2].tolist()).interval is None


@settings(max_examples=50)
@given(
    seed=st.integers(0, 10_000), units=st.integers(3, 8), ends=st.tuples(*[st.floats(-3, 3)] * 2)
)
def test_a_line_may_be_at_0_where_tests_do_not_reject(
    seed: int, units: int, ends: tuple[float, float]
) -> None:
    start, end = np.array(ends)[:, None] + np.random.default_rng(seed).normal(0, 0.5, (2, units))
    places = np.linspace(0, 1, 1001)
    lines = start[:, None] + (end - start)[:, None] * places
    held = places[stats.ttest_1samp(lines, 0).pvalue >= 0.015]
    found = statistics.find_zeros(start.tolist(), end.tolist())
    if held.size:
        assert found == pytest.approx((held[0], held[-1]), abs=0.0011)
    else:
        assert found is None or found[1] - found[0] < 0.001


def test_how_many_are_near_the_best() -> None:
    rng = np.random.default_rng(3)
    values = np.array([0.9, 0.89, 0.86, 0.8, 0.3]) + 0.004 * rng.standard_normal((6, 5))
    assert statistics.count_near_best(values.tolist(), 0.05) == (3, 3)
    assert statistics.count_near_best(values.tolist(), 0.09) == (
        3,
        4,
    )  # 0.8 may be within 0.09 or not
    noisy = values + rng.standard_normal((6, 5))
    assert statistics.count_near_best(noisy.tolist(), 0.05) == (1, 5)
    assert statistics.count_near_best(values[:2].tolist(), 0.05) is None
    alike = np.tile([0.9, 0.5], (4, 1)).tolist()  # without spread nothing is told
    assert statistics.count_near_best(alike, 0.05) == (1, 2)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    units=st.integers(3, 8),
    levels=st.integers(2, 6),
    margin=st.sampled_from([0.0, 0.5, 1.5]),
)
def test_what_is_near_the_best_is_told_by_t_tests_of_all_pairs(
    seed: int, units: int, levels: int, margin: float
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-3, 3, levels) + 0.3 * rng.standard_normal((units, levels))
    near = far = 0
    for level in range(levels):
        gaps = [values[:, level] - values[:, o] + margin for o in range(levels) if o != level]
        above = [stats.ttest_1samp(gap, 0, alternative="greater").pvalue for gap in gaps]
        below = [stats.ttest_1samp(gap, 0, alternative="less").pvalue for gap in gaps]
        near += max(above) < 0.015 / levels
        far += min(below) < 0.015 / (levels * (levels - 1))
    found = statistics.count_near_best(values.tolist(), margin)
    assert found == (max(1, near), levels - far)
