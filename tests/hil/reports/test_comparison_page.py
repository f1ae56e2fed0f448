"""The page that compares several runs, and the intervals it states."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hil.config import build
from hil.reports import comparison
from hil.reports.comparison import write_comparison
from hil.runs.folder import Run
from hil.statistics import proportion
from support.html_page import Page
from support.run_folders import reached, started

# As the costs of `support.run_folders` read, in the order of the page.
PAID_ONCE = ["0.01", "1", "123", "45.6", "2 346", "1 480", "6.10e-08", "0", "130", "", "", ""]
PAID_IN_ALL = [
    "1 200",
    "34 567",
    "4 500 000",
    "1 250 000",
    "not known",
    "51 000 000",
    "not known",
    "0",
    "4 500 000",
    "2 002",
    "7.89",
    "98",
]


def possible(interval: Any) -> tuple[float, float]:
    """What of an interval an accuracy can be."""
    return max(0.0, interval.low), min(1.0, interval.high)


@settings(max_examples=10, deadline=None)
@given(accuracies=st.lists(st.integers(0, 1000), min_size=2, max_size=6, unique=True))
def test_the_interval_of_a_group_is_that_of_scipy(
    accuracies: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    shares = [count / 1000 for count in accuracies]
    runs = [reached(folder / str(n), share, seed=n) for n, share in enumerate(shares)]
    (group,) = comparison.group_runs(runs)
    oracle = stats.ttest_1samp(shares, 0).confidence_interval(0.985)
    assert group.interval == pytest.approx(possible(oracle))
    assert group.mean == pytest.approx(np.mean(shares))


def test_the_page_states_mean_interval_and_number_of_each_group(tmp_path: Path) -> None:
    adfa, floor = [0.95, 0.96, 0.98], [0.90, 0.91]
    runs = [reached(tmp_path / f"a{n}", x, seed=n) for n, x in enumerate(adfa)]
    runs += [
        reached(tmp_path / f"o{n}", x, seed=n, rule={"name": "output_only"})
        for n, x in enumerate(floor)
    ]
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    for row, values, rule in zip(page.rows(0), (adfa, floor), ("adfa", "output_only"), strict=True):
        oracle = stats.ttest_1samp(values, 0).confidence_interval(0.985)
        assert row[1:] == [
            f"{100 * np.mean(values):.2f}",
            "{:.2f} to {:.2f}".format(*(100 * bound for bound in possible(oracle))),
            str(len(values)),
            f"{len(values)} of {len(values)}",
            rule,
        ]
    for row, run, accuracy in zip(page.rows(1), runs, adfa + floor, strict=True):
        low, high = proportion(round(1000 * accuracy), 1000)
        assert row[0] == str(run.path)
        assert row[-2:] == [f"{100 * accuracy:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"]
    assert "differ in one setting alone: rule.name" in page.text
    assert "More than one setting differs" not in page.text


def test_runs_with_the_same_seed_are_not_independent(tmp_path: Path) -> None:
    runs = [reached(tmp_path / f"{n}", x, seed=n // 2) for n, x in enumerate((0.9, 0.8, 0.7, 0.6))]
    (group,) = comparison.group_runs(runs)
    oracle = stats.ttest_1samp([0.85, 0.65], 0).confidence_interval(0.985)
    assert group.interval == pytest.approx(possible(oracle))
    assert Page.read(write_comparison(runs, tmp_path / "page.html")).rows(0)[0][3:5] == [
        "2",
        "4 of 4",
    ]


@pytest.mark.parametrize(
    ("accuracies", "reason"), [([0.9], "none: one seed"), ([0.9, 0.9], "none: no spread"), ([], "")]
)
def test_a_group_without_spread_claims_no_interval(
    tmp_path: Path, accuracies: list[float], reason: str
) -> None:
    runs = [reached(tmp_path / str(n), x, seed=n) for n, x in enumerate(accuracies)]
    runs.append(started(tmp_path / "open", 1, seed=9))
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    row = page.rows(0)[0]
    assert row[1:5] == [
        "90.00" if accuracies else "",
        reason,
        str(len(accuracies)),
        f"{len(accuracies)} of {len(accuracies) + 1}",
    ]
    assert f"Not complete: 1 of {len(runs)} runs." in page.text
    assert ("Test accuracy" in page.all("h2")) == bool(accuracies)


def test_more_than_one_differing_setting_is_pointed_out(tmp_path: Path) -> None:
    runs = [
        reached(tmp_path / "a", 0.9),
        reached(tmp_path / "b", 0.8, device="emulator:ideal", training={"batch": 37}),
    ]
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    assert "More than one setting differs" in page.text
    assert [row[-2:] for row in page.rows(0)] == [
        ["emulator:mixed-signal", str(build({"task": "digits"}).training.batch)],
        ["emulator:ideal", "37"],
    ]


def test_tasks_that_differ_are_pointed_out(tmp_path: Path) -> None:
    runs = [reached(tmp_path / task, 0.9, task=task) for task in ("digits", "yinyang")]
    assert "The tasks differ." in Page.read(write_comparison(runs, tmp_path / "page.html")).text


def test_curves_of_all_runs_lie_together(tmp_path: Path) -> None:
    runs = [started(tmp_path / str(n), 2 + n, seed=n) for n in range(3)]
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    assert page.all("h3") == ["Validation accuracy", "Training accuracy"]
    assert page.all("text").count("group 1") == 2
    widths = [float(w) for w in re.findall(r"style=\"width: ([\d.]+)%", page.source)]
    assert widths == pytest.approx([50, 75, 100])


def test_the_page_states_what_each_device_paid(tmp_path: Path) -> None:
    paid = reached(tmp_path / "paid", 0.9)
    runs = [paid, started(tmp_path / "open")]
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    assert page.rows(2) == [
        [str(paid.path), "an inference", *PAID_ONCE],
        [str(paid.path), "the training", *PAID_IN_ALL],
    ]
    assert "What the devices paid" not in Page.read(
        write_comparison(runs[1:], tmp_path / "without.html")
    ).all("h2")


def test_runs_that_have_not_begun_can_be_compared(tmp_path: Path) -> None:
    runs = [started(tmp_path / str(n), seed=n) for n in range(2)]
    assert not Page.read(write_comparison(runs, tmp_path / "page.html")).all("svg")


def test_comparisons_of_nothing_or_of_a_run_with_itself_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run to compare"):
        write_comparison([], tmp_path / "page.html")
    run = started(tmp_path / "run")
    with pytest.raises(ValueError, match="given twice"):
        write_comparison([run, Run(tmp_path / "." / "run")], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
