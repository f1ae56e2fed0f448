"""Classes out of balance: what an accuracy is worth, and classes that are never answered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.loop import findings
from hil.loop.health import Score
from hil.reports.run_page import write_report
from hil.runs.folder import Run
from support.command_line import command, refusal
from support.html_page import Page

classes = st.integers(2, 6)


@st.composite
def answered(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    last = draw(classes) - 1
    some = st.lists(st.integers(0, last), min_size=1, max_size=40)
    labels = draw(some)
    size = st.lists(st.integers(0, last), min_size=len(labels), max_size=len(labels))
    return np.array(draw(size)), np.array(labels)


@given(answered())
def test_balanced_accuracy_is_the_mean_recall(both: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, labels = both
    score = Score.of(predicted, labels)
    recalls = [np.mean(predicted[labels == c] == c) for c in set(labels.tolist())]
    assert score.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert score.accuracy == pytest.approx(np.mean(predicted == labels))
    assert score.majority_share == max(np.mean(labels == c) for c in labels)
    assert set(score.never) == set(labels.tolist()) - set(predicted.tolist())
    kinds = [finding.kind for finding in findings.find_missed_classes(score)]
    assert bool(score.never) == ("never_answered" in kinds)
    signs = {finding.sign for finding in findings.find_missed_classes(score)}
    assert bool(score.never) == ("some classes are never answered" in signs)
    if score.accuracy <= score.majority_share:
        assert "not_above_majority" in kinds


@given(st.lists(classes, min_size=60, max_size=90))
def test_a_network_that_is_right_is_let_alone(labels: list[int]) -> None:
    score = Score.of(np.array(labels), np.array(labels))
    assert score.balanced_accuracy == score.accuracy == 1
    if score.majority_share < 0.9:
        assert findings.find_missed_classes(score) == []


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of which 5 % are of a class that looks like the other one."""
    place = tmp_path_factory.mktemp("rare")
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 20 == 0).astype(np.int64)
    x = rng.random((400, 16)) * 0.52  # more than half of what is possible: taken as it is
    np.savez(place / "rare.npz", x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    return place


def test_a_class_that_is_never_answered_is_told_everywhere(
    rare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rare)
    small = ["--hidden", "8", "--epochs", "2", "--device", "emulator:ideal", "--out", "run"]
    told = command("train", "npz:rare.npz", *small)
    assert told.exit_code == 0, told.stderr
    assert told.stderr.count("\n") == 1
    assert "class 1 is never answered; test accuracy is not above the majority's" in told.stderr
    assert re.search(r"balanced accuracy +50\.00 %", told.stdout.replace("\t", " "))
    assert re.search(r"majority's share +95\.00 %", told.stdout.replace("\t", " "))
    result = json.loads(Path("run/result.json").read_text())
    assert (result["balanced_accuracy"], result["majority_share"]) == (0.5, 0.95)
    assert [f["text"].startswith("[test] ") for f in result["findings"]] == [True, True]
    page = Page.read(write_report(Run.open("run")))
    assert "class 1 is never answered" in page.text
    assert "mean recall of the classes, is 50.00 %: go by this one" in page.text
    again = command("evaluate", "run")
    assert "[test] class 1 is never answered" in again.stdout
    assert "balanced accuracy" in again.stdout


def test_weighed_classes_are_kept_with_the_run_and_shown(
    rare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rare)
    small = ["--hidden", "8", "--epochs", "1", "--device", "emulator:ideal", "--out", "weighed"]
    weights = ["--set", "training.class_weight={1=19}"]
    assert "no class '2': known: 0, 1" in refusal(
        "train", "npz:rare.npz", *small, "--set", "training.class_weight={2=19}"
    )
    assert command("train", "npz:rare.npz", *small, *weights).exit_code == 0
    assert Run.open("weighed").config().training.class_weight == {"1": 19.0}
    page = Page.read(write_report(Run.open("weighed")))
    assert "class_weight" in page.text and "1 = 19.0" in page.text


def test_classes_in_balance_are_not_spoken_of(trained_digits: str) -> None:
    assert "majority" not in trained_digits


@pytest.fixture(scope="module")
def trained_digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("digits") / "run"
    told = command("train", "digits", "--hidden", "40", "--epochs", "2", "--out", out)
    return told.stdout + told.stderr
