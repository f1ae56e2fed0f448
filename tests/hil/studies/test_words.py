"""What a study says: within what is possible, with signs that agree, names and units, an answer."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hil.sections import trials, words
from hil.sections.comparisons import Comparison
from hil.studies import loader
from support.html_page import Page
from support.study_kit import GRID, Fake, Measured, carried_out, study

shares = st.integers(0, 100).map(lambda n: n / 100)
ACCURACY = "test_accuracy"


@given(st.lists(shares, min_size=2, max_size=6), st.lists(shares, min_size=6, max_size=6))
def test_no_interval_leaves_what_is_possible(some: list[float], others: list[float]) -> None:
    assume(max(some) - min(some) > 1e-9)
    result = trials.estimate_mean(some, ACCURACY)
    assert result.interval is not None
    low, high = result.interval
    assert 0 <= low <= result.value + 1e-12 and result.value - 1e-12 <= high <= 1
    difference = trials.compare_pairs(some, others[: len(some)], ACCURACY).mean
    low, high = difference.interval or (difference.value, difference.value)
    assert -1 <= low <= difference.value + 1e-12 and difference.value - 1e-12 <= high <= 1
    counts = trials.estimate_mean([100 * value for value in some], "spikes")
    assert counts.interval is not None and counts.interval[0] >= 0


@given(st.lists(st.tuples(shares, shares), min_size=3, max_size=8), st.floats(1e-6, 1))
def test_amount_and_interval_are_of_the_direction_that_is_named(
    pairs: list[tuple[float, float]], p: float
) -> None:
    found = trials.compare_pairs([a for a, _ in pairs], [b for _, b in pairs], ACCURACY)
    assume(found.t_test is not None)
    text = str(Comparison("one", "two", found, ACCURACY, p, 1))
    numbers = re.search(r"(-?[\d.]+) points.*98.5 %: (-?[\d.]+) to (-?[\d.]+);", text)
    assert numbers is not None
    amount, low, high = map(float, numbers.groups())
    rounded = 0.051 if "." in numbers[1] else 0.51  # of a wide interval no tenths are told
    assert ("." in numbers[1]) == (high - low < 20 + rounded) or abs(high - low - 20) <= 1
    assert low - rounded <= amount <= high + rounded and -100 <= low <= high <= 100
    sign = -1 if "below" in text else 1
    assert amount == pytest.approx(100 * sign * found.mean.value, abs=rounded)
    assert "-0.0" not in text
    if p < words.SIGNIFICANCE:
        assert amount >= 0 and ("below" in text) == (found.mean.value < 0)


NAMED: dict[str, Any] = {
    **{key: GRID[key] for key in ("version", "name", "base")},
    "factors": {
        "rule": {"key": "rule.name", "levels": ["adfa", "bp"], "phrase": "by {}"},
        "noise": {
            "key": "device_options.membrane_noise",
            "levels": [0.0, 0.3],
            "about": "membrane noise",
            "unit": "thresholds",
        },
    },
    "repeat": {"times": 4},
}


def unequal(config: dict[str, Any]) -> dict[str, Any]:
    """BP is far below, and unevenly so."""
    low = config["rule"]["name"] == "bp"
    return {ACCURACY: 0.97 + 0.01 * config["seed"] - low * (0.69 + 0.004 * config["seed"] ** 2)}


def test_a_comparison_says_of_what_and_where(tmp_path: Path) -> None:
    pairs = {"kind": "pairs", "factor": "rule", "reference": "adfa", "by": ["noise"]}
    result = carried_out(
        study({**NAMED, "sections": [pairs]}), tmp_path / "study", Measured(unequal)
    )
    assert len(result["claims"]) == 2
    for claim, noise in zip(result["claims"], ("0", "0.3"), strict=True):
        begins = f"bp is 70.4 points below adfa with membrane noise {noise} thresholds"
        assert claim.startswith(f"{begins} (98.5 %: 66.3 to 74.5; 4 pairs, p = ")
    (answer,) = result["answer"]
    highest = "The highest test accuracy with membrane noise 0 thresholds is that of adfa: "
    assert answer.startswith(highest)
    assert "beyond chance above the other" in answer
    assert "100.0)" in answer and not re.search(r"10[0-9]\.[1-9]", answer)


def test_a_strangers_study_is_answered_by_its_sections(tmp_path: Path) -> None:
    plain = carried_out(study(NAMED), tmp_path / "plain", Measured(unequal))
    assert re.match(r"Test accuracy: highest by adfa with membrane noise", plain["answer"][0])
    plots = {"kind": "epochs", "lines": ["rule"]}
    shown = carried_out(study({**NAMED, "sections": [plots]}), tmp_path / "b", Measured(unequal))
    assert re.match(r"Test accuracy: highest by adfa with membrane noise", shown["answer"][0])
    few = study({**NAMED, "repeat": {"times": 2}})
    assert carried_out(few, tmp_path / "few", Measured(unequal))["answer"] == [
        "The study is too small for an answer: 2 repetitions, at least 3 are needed."
    ]


def test_what_the_host_noticed_is_counted(tmp_path: Path) -> None:
    """A class that is never answered shows on the page of a study too."""
    never = {"findings": ["some classes are never answered", "output layer is silent"]}
    carried_out(study(NAMED), tmp_path / "study", Measured(lambda config: never))
    page = Page.read(tmp_path / "study" / "report.html")
    assert "output layer is silent 16 some classes are never answered 16" in page.text


def retrained(config: dict[str, Any]) -> dict[str, Any]:
    """Fine-tuning wins half of it back; training anew ends as far below once more; or nearly so."""
    dead = config["device_options"].get("dead_fraction", 0.0)
    epochs = config["training"]["epochs"]
    luck = 0.01 * (-1) ** (config["seed"] // 2 if epochs == 4 else config["seed"])
    lost = {4: 1.0, 5: 0.5, 6: 2.0}[epochs] + luck
    return {ACCURACY: 0.9 + 0.01 * config["seed"] - dead * lost}


def test_what_is_lost_on_top_is_not_said_to_be_recovered(tmp_path: Path) -> None:
    modes = [
        {"label": mode, "set": {"mode": mode, "training": {"epochs": epochs}}}
        for mode, epochs in (("deploy", 4), ("fine_tune", 5), ("scratch", 6))
    ]
    dead = {
        "key": "device_options.dead_fraction",
        "levels": [0.0, 0.2],
        "unit": "%",
        "about": "dead neurons",
        "phrase": "at {} of dead neurons",
    }
    made = study(
        {
            **NAMED,
            "factors": {"mode": {"levels": modes}, "dead": dead},
            "sections": [{"kind": "recovery", "severity": "dead"}],
        }
    )
    result = carried_out(made, tmp_path / "study", Measured(retrained))
    lost = "of what deployment loses at 20 % of dead neurons"
    for claim, begin in zip(
        result["claims"],
        (
            f"fine_tune recovers 50 % {lost} (98.5 %: 47 to 53 %; 4 units, p = ",
            f"scratch loses another 100 % {lost} (98.5 %: 94 to 107 %; 4 units, p = ",
        ),
        strict=True,
    ):
        assert claim.startswith(begin) and claim.endswith(" adjusted for 2 tests)")
    (answer,) = result["answer"]
    assert "cratch loses another 100 % of what deployment loses" in answer and "-" not in answer


def unmoved(config: dict[str, Any]) -> dict[str, Any]:
    """Deployment loses a lot; what comes after it is as likely to be better as worse."""
    dead, epochs = config["device_options"].get("dead_fraction", 0.0), config["training"]["epochs"]
    luck = 0.06 * (-1) ** (config["seed"] // 2 if epochs == 4 else config["seed"])
    return {ACCURACY: 0.9 + 0.01 * config["seed"] - dead * (1.0 + luck)}


def test_nothing_is_claimed_where_nothing_recovers(tmp_path: Path) -> None:
    modes = [
        {"label": mode, "set": {"mode": mode, "training": {"epochs": epochs}}}
        for mode, epochs in (("deploy", 4), ("fine_tune", 5))
    ]
    dead = {"key": "device_options.dead_fraction", "levels": [0.0, 0.2]}
    factors = {"mode": {"levels": modes}, "dead": dead}
    made = study(
        {**NAMED, "factors": factors, "sections": [{"kind": "recovery", "severity": "dead"}]}
    )
    result = carried_out(made, tmp_path / "study", Measured(unmoved))
    assert result["claims"] == []
    assert result["not_told"][0].startswith("too few to say what fine_tune recovers of what")
    assert "oo few repetitions say" in result["answer"][0]


def test_what_is_alike_everywhere_is_said_of_all(tmp_path: Path) -> None:
    runs = {"kind": "means", "measure": "device_runs", "by": ["rule"]}
    result = carried_out(study({**NAMED, "sections": [runs]}), tmp_path / "same", Fake())
    assert result["answer"] == [
        "Device runs: 30 batches (the same in all 4 repetitions) everywhere."
    ]
    tied = study({**NAMED, "sections": [{**runs, "by": ["rule", "noise"]}]})
    more = Measured(lambda c: {"device_runs": 90 if c["rule"]["name"] == "bp" else 30})
    (answer,) = carried_out(tied, tmp_path / "tied", more)["answer"]
    assert "highest by bp with membrane noise 0 thresholds and by bp with membrane" in answer
    assert "lowest by adfa with membrane noise 0 thresholds and by adfa with membrane" in answer


# -- what was so ------------------------------------------------------------------------------


def cells(page: Page) -> dict[str, str]:
    """Rows of the tables of settings."""
    rows = [page.rows(n) for n in range(page.tags.count("table"))]
    heads = set(page.all("th", scope="row"))
    table = re.findall(r'<tr><th scope="row">(.*?)</th><td class="text">(.*?)</td>', page.source)
    assert rows and heads >= {key for key, _ in table}
    return dict(table)


def test_settings_are_those_with_which_the_trials_were_run(tmp_path: Path) -> None:
    small = {"label": "small", "set": {"network": {"hidden": [60]}, "seed": 3}}
    made = study(
        {
            **NAMED,
            "base": {"device": "emulator:ideal", "network": {"hidden": [100], "steps": 12}},
            "factors": {**NAMED["factors"], "size": {"levels": [small]}},
        }
    )
    chosen = {"chosen": {"optimiser.learning_rate": 0.0123}}
    carried_out(made, tmp_path / "study", Measured(lambda config: chosen))
    shown = cells(Page.read(tmp_path / "study" / "report.html"))
    assert shown["network.hidden"] == "60"
    assert shown["network.steps"] == "12"
    assert shown["rule.name"] == "adfa; bp"
    assert shown["device_options.membrane_noise"] == "0.0; 0.3"
    assert shown["optimiser.learning_rate"] == "0.0123"  # what the device chose
    assert shown["training.epochs"]  # and all others


def test_one_candidate_is_not_tuned(tmp_path: Path) -> None:
    one = {"rate": {"key": "optimiser.learning_rate", "levels": [0.01], "about": "learning rate"}}
    made = study({**NAMED, "tune": {"by": ["rule"], "settings": 1, "factors": one}})
    pool = Fake()
    result = carried_out(made, tmp_path / "study", pool)
    assert len(pool.done) == result["trials"] == 2 * 2 * 4
    page = Page.read(tmp_path / "study" / "report.html")
    assert "Given settings" in page.all("h2") and "Tuned settings" not in page.all("h2")
    assert "nothing was tuned" in page.text
    assert cells(page)["optimiser.learning_rate"] == "0.01"
    two = {"rate": {**one["rate"], "levels": [0.01, 0.001]}}
    made = study({**NAMED, "tune": {"by": ["rule"], "settings": 2, "factors": two}})
    carried_out(made, tmp_path / "two", pool)
    assert "Tuned settings" in Page.read(tmp_path / "two" / "report.html").all("h2")


def test_numbers_that_nobody_asked_for() -> None:
    assert words.format_value(-0.0001, ACCURACY) == "0.0"
    assert words.format_value(-1e-9, "spikes") == "-1e-09"
    assert words.mirror((-0.76, math.inf)) == (-math.inf, 0.76)


@pytest.mark.parametrize("name", [n for n in loader.names() if n != "search"])
def test_a_study_of_one_unit_claims_nothing_and_says_so(name: str, tmp_path: Path) -> None:
    made = loader.build(loader.read(name), budget="small", changes={"repeat": {"times": 1}})
    result = carried_out(made, tmp_path / "study", Fake())
    assert result["claims"] == []
    assert "Too small for a claim" in (tmp_path / "study" / "report.html").read_text()
