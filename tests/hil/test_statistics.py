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
    assert found.interval is not None and found.deviation is not None
    scale = np.std(values, ddof=1) / math.sqrt(len(values))
    assume(scale > 1e-9)
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), scale)
    assert found.interval == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(2000):
        low, high = statistics.mean(rng.normal(3, 2, 4).tolist()).interval or (0.0, 0.0)
        inside += low <= 3 <= high
    assert abs(inside / 2000 - 0.95) < 0.02


def test_one_unit_has_no_interval() -> None:
    assert statistics.mean([0.5]) == statistics.Mean(0.5, None, None, 1)
    assert statistics.paired([0.5], [0.4]).t_test is None
    equal = statistics.paired([0.3, 0.9], [0.2, 0.8])  # but for the last bit
    assert equal.mean.deviation == 0 and equal.t_test is None and equal.wilcoxon is None


@settings(max_examples=25)
@given(pairs=st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=15))
def test_a_paired_difference_is_scipys(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    assume(np.std(a - b, ddof=1) > 1e-6)
    found = statistics.paired(a.tolist(), b.tolist())
    assert found.t_test == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-6, abs=1e-12)
    other = statistics.paired(b.tolist(), a.tolist())
    assert other.mean.value == -found.mean.value and other.t_test == found.t_test
    low, high = found.mean.interval or (0, 0)
    assert (found.t_test < 0.05) == (not low <= 0 <= high) or abs(found.t_test - 0.05) < 1e-9


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


@given(x=st.lists(FLOATS, min_size=4, max_size=30), seed=st.integers(0, 99))
def test_a_rank_correlation_does_not_depend_on_the_scale(x: list[float], seed: int) -> None:
    y = np.random.default_rng(seed).standard_normal(len(x)).tolist()
    assume(len(set(x)) > 1)
    found = statistics.rank_correlation(x, y)
    assert found.rho is not None and found.interval is not None
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    low, high = found.interval
    assert -1 <= low <= found.rho <= high <= 1
    other = statistics.rank_correlation(y, x)
    assert other.rho == pytest.approx(found.rho)


def test_too_few_pairs_have_no_correlation() -> None:
    assert statistics.rank_correlation([1, 2, 3], [1, 2, 3]).interval is None
    assert statistics.rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).rho is None


def test_a_bootstrap_interval_is_that_of_the_mean() -> None:
    values = [[v] for v in np.random.default_rng(0).normal(5, 1, 200)]
    bounds = statistics.bootstrap(values, lambda s: float(np.mean([v[0] for v in s])))
    assert bounds is not None
    expected = statistics.mean([v[0] for v in values]).interval
    assert expected is not None and bounds == pytest.approx(expected, abs=0.03)
    assert statistics.bootstrap(values[:2], lambda s: 0.0) is None
