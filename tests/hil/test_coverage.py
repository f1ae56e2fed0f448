"""Intervals cover the truth as often as they say: `benchmarks/interval_coverage.py` in short."""

from __future__ import annotations

import pytest

from support.simulated_intervals import DATA, JOINT, KINDS, proportion, rank_correlation, share

HARD = ("normal", "uniform", "exponential, turned round", "98 +- 0.5 % of 359 samples")


@pytest.mark.parametrize("data", HARD)
@pytest.mark.parametrize(
    ("kind", "units"),
    [("mean", 3), ("mean", 10), ("recovery", 5), ("small_loss", 4), ("tolerance", 4), ("width", 5)],
)
def test_an_interval_covers(kind: str, units: int, data: str) -> None:
    draws = 2000 if kind == "mean" else 400
    found = share(KINDS[kind], DATA[data], units, draws)
    assert found > 0.93 - 2 * (0.93 * 0.07 / draws) ** 0.5


@pytest.mark.parametrize("units", [3, 10])
def test_an_interval_of_normal_data_is_no_wider_than_it_says(units: int) -> None:
    found = share(KINDS["mean"], DATA["normal"], units, 4000)
    assert abs(found - 0.985) < 0.006


@pytest.mark.parametrize("data", HARD)
def test_nothing_is_said_to_be_recovered_of_nothing(data: str) -> None:
    found = share(KINDS["nothing_recovered"], DATA[data], 4, 1000)
    assert found >= 0.97


@pytest.mark.parametrize("joint", ["normal, r = 0.5", "normal, r = 0.9", "ties"])
def test_a_rank_correlation_covers(joint: str) -> None:
    assert rank_correlation(JOINT[joint], 12, 200) >= 0.93


@pytest.mark.parametrize(("trials", "rate"), [(5, 0.03), (36, 0.005), (359, 0.0005), (359, 0.02)])
def test_a_proportion_covers_near_its_end_too(trials: int, rate: float) -> None:
    assert proportion(trials, rate) >= 0.95
