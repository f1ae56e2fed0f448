"""The page that compares several runs, and the intervals it states."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hil.config import build
from hil.reports.comparison import (
    ComparedRun,
    find_differing_settings,
    group_runs,
    name_groups,
    read_trials,
    write_comparison,
)
from hil.reports.run_page import write_report
from hil.runs.folder import Run
from hil.sections.trials import estimate
from hil.statistics import proportion
from support.html_page import Page
from support.run_folders import finished, reached, started


def possible(interval: Any) -> tuple[float, float]:
    """What of an interval an accuracy can be."""
    return max(0.0, interval.low), min(1.0, interval.high)


def tables(page: Page) -> dict[str, list[list[str]]]:
    """Rows of the first table of each section, by its title."""
    labels = [
        attributes["aria-label"]
        for tag, attributes, _ in page.elements
        if tag == "div" and attributes.get("aria-label", "").endswith(": table")
    ]
    return {label.removesuffix(": table"): page.rows(n) for n, label in enumerate(labels)}


@settings(max_examples=10, deadline=None)
@given(accuracies=st.lists(st.integers(0, 1000), min_size=2, max_size=6, unique=True))
def test_the_interval_of_a_group_is_that_of_scipy(
    accuracies: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    shares = [count / 1000 for count in accuracies]
    runs = [reached(folder / str(n), share, seed=n) for n, share in enumerate(shares)]
    groups = group_runs([*map(ComparedRun, runs)])
    oracle = stats.ttest_1samp(shares, 0).confidence_interval(0.985)
    mean = estimate(read_trials(groups, "runs", ["all"]).rows, "test_accuracy")
    assert mean is not None and mean.interval == pytest.approx(possible(oracle))
    assert mean.value == pytest.approx(np.mean(shares))


def test_the_page_states_mean_interval_and_number_of_each_group(tmp_path: Path) -> None:
    adfa, floor = [0.95, 0.96, 0.98], [0.90, 0.91]
    runs = [reached(tmp_path / f"a{n}", x, seed=n) for n, x in enumerate(adfa)]
    runs += [
        reached(tmp_path / f"o{n}", x, seed=n, rule={"name": "output_only"})
        for n, x in enumerate(floor)
    ]
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    shown = tables(page)
    for row, values, rule in zip(
        shown["Test accuracy"], (adfa, floor), ("adfa", "output_only"), strict=True
    ):
        low, high = possible(stats.ttest_1samp(values, 0).confidence_interval(0.985))
        digits = 0 if high - low > 0.2 else 1
        assert row == [
            rule,
            f"{100 * np.mean(values):.{digits}f}",
            f"{100 * low:.{digits}f} to {100 * high:.{digits}f}",
            str(len(values)),
        ]
    for row, run, accuracy in zip(shown["Runs"], runs, adfa + floor, strict=True):
        low, high = proportion(round(1000 * accuracy), 1000)
        assert row[0] == str(run.path)
        assert row[-2:] == [f"{100 * accuracy:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"]
    assert "What differs is rule.name alone" in page.text
    assert "More than one setting differs" not in page.text
    assert page.all("h1") == ["adfa against output_only"]


def test_runs_with_the_same_seed_are_not_independent(tmp_path: Path) -> None:
    runs = [reached(tmp_path / f"{n}", x, seed=n // 2) for n, x in enumerate((0.9, 0.8, 0.7, 0.6))]
    mean = estimate(
        read_trials(group_runs([*map(ComparedRun, runs)]), "runs", ["all"]).rows, "test_accuracy"
    )
    oracle = stats.ttest_1samp([0.85, 0.65], 0).confidence_interval(0.985)
    assert mean is not None and mean.interval == pytest.approx(possible(oracle))


@pytest.mark.parametrize("accuracies", [[0.9], [0.9, 0.9], []])
def test_a_group_without_spread_claims_no_interval(tmp_path: Path, accuracies: list[float]) -> None:
    runs = [reached(tmp_path / str(n), x, seed=n) for n, x in enumerate(accuracies)]
    runs.append(started(tmp_path / "open", 1, seed=9))
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    (row,) = tables(page)["Test accuracy"]
    assert row[1:] == ["90.0" if accuracies else "", "none", str(len(accuracies))]
    assert f"Not complete: 1 of {len(runs)} runs." in page.text


def test_more_than_one_differing_setting_is_pointed_out(tmp_path: Path) -> None:
    runs = [
        reached(tmp_path / "a", 0.9),
        reached(tmp_path / "b", 0.8, device="emulator:ideal", training={"batch": 37}),
    ]
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    assert "More than one setting differs" in page.text
    assert [row[1:3] for row in tables(page)["Runs"]] == [
        ["emulator:mixed-signal", str(build({"task": "digits"}).training.batch)],
        ["emulator:ideal", "37"],
    ]


def test_groups_are_named_by_the_fewest_settings_that_tell_them_apart(tmp_path: Path) -> None:
    runs = [
        started(
            tmp_path / f"{device}{batch}", device=f"emulator:{device}", training={"batch": batch}
        )
        for device in ("ideal", "loihi")
        for batch in (20, 30)
    ]
    groups = group_runs([*map(ComparedRun, runs)])
    _, names = name_groups(groups, find_differing_settings(groups))
    assert [("ideal" in name, "30" in name) for name in names] == [
        (True, False), (True, True), (False, False), (False, True),
    ]  # fmt: skip
    heading, names = name_groups(groups[:2], find_differing_settings(groups[:2]))
    assert (heading, names) == ("batch", ["20", "30"])


def test_answers_are_paired_on_the_same_test_samples(tmp_path: Path) -> None:
    runs = [finished(tmp_path / "a"), finished(tmp_path / "b", device="emulator:ideal")]
    saved = (runs[1].load_snapshot() or {}).items()
    snapshot = {key: array for key, array in saved if not key.startswith("__")}
    labels = snapshot["test_labels"]
    snapshot["test_predictions"] = (labels + 1) % 5
    snapshot["test_predictions"][:30] = labels[:30]
    first = (runs[0].load_snapshot() or {})["test_predictions"] == labels
    Run(tmp_path / "b").save_snapshot(snapshot)
    page = Page.read(write_comparison(runs, tmp_path / "page.html"))
    second = np.arange(len(labels)) < 30
    only = int((first & ~second).sum()), int((~first & second).sum())
    (row,) = tables(page)["The same test samples"]
    assert row[2:-1] == [str(n) for n in (sum(first & second), *only, sum(~first & ~second))]
    smaller = stats.binom.cdf(min(only), sum(only), 0.5)
    assert float(row[-1]) == pytest.approx(min(1.0, 2 * smaller), rel=0.05)


def test_runs_link_to_their_pages(tmp_path: Path) -> None:
    runs = [finished(tmp_path / "a run"), started(tmp_path / "b")]
    write_report(runs[0])
    (tmp_path / "c").mkdir()
    page = Page.read(write_comparison(runs, tmp_path / "c" / "page.html"))
    links = [link for link in page.values("href") if not link.startswith("#")]
    assert [(tmp_path / "c" / unquote(link)).resolve() for link in links] == [
        (tmp_path / "a run" / "report.html").resolve()
    ]


def test_tasks_that_differ_are_pointed_out(tmp_path: Path) -> None:
    runs = [reached(tmp_path / task, 0.9, task=task) for task in ("digits", "yinyang")]
    assert "The tasks differ." in Page.read(write_comparison(runs, tmp_path / "page.html")).text


def test_the_page_states_what_each_device_paid(tmp_path: Path) -> None:
    runs = [
        reached(tmp_path / "paid", 0.9),
        reached(tmp_path / "other", 0.8, device="emulator:ideal"),
    ]
    rows = {
        row[0]: row[1:]
        for row in tables(Page.read(write_comparison(runs, tmp_path / "page.html")))["Costs"]
    }
    assert rows["device runs, batches"] == ["1.2k", "1.2k"]
    assert rows["samples"] == ["35k", "35k"]
    assert rows["spikes, spikes per sample"] == ["46", "46"]
    assert "energy, J" not in rows  # nobody states what the device takes


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
