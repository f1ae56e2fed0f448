"""What is wrong with a study is said in one line."""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hil.studies import loader
from hil.studies.folder import dump_study
from hil.studies.validation import check
from support.study_kit import GRID, SEARCH, Fake, evaluated, refusal, study


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (None, ["comparisn"], "no study 'comparisn': did you mean 'comparison'?"),
        (None, ["study.toml", "--budget", "0"], "budget '0': known: default, small"),
        (None, ["study.toml", "--workers", "0"], "--workers 0: give at least 1"),
        (None, ["missing.toml"], "study missing.toml: no such file"),
        (("version = 1", "version = 2"), ["study.toml"], "is of version 2: this spikeloop reads"),
        (("version = 1", ""), ["study.toml"], "has no version"),
        (('["deploy", "fine_tune"]', "[]"), ["study.toml"], "factors.mode has no levels"),
        (('["deploy", "fine_tune"]', '["deploi"]'), ["study.toml"], "mode = 'deploi': give one of"),
        (("[factors.rule]", "[factor.rule]"), ["study.toml"], "key 'factor' is unknown"),
        (('key = "rule.name"', 'key = "rul.name"'), ["study.toml"], "'rul' is unknown"),
        (("times = 2", "times = 0"), ["study.toml"], "repeat.times = 0"),
        (("times = 2", "times = x"), ["study.toml"], "is no valid TOML"),
        (None, ["study.toml", "--set", "factors.ruel.levels=['bp']"], "did you mean 'rule'?"),
        (None, ["study.toml", "--set", "rule.name=bp"], "--set rule.name: the study varies it"),
        (None, ["study.toml", "--set", "traning.epochs=1"], "'traning' is unknown"),
        (None, ["study.toml", "--set", "sections=[{kind='maps'}]"], "did you mean 'map'?"),
        (
            None,
            ["study.toml", "--set", "sections=[{kind='means',by=['rul']}]"],
            "no factor 'rul': did you mean 'rule'?",
        ),
        (None, ["study.toml", "--device", "emulator:idea"], "did you mean 'ideal'?"),
        (None, ["study.toml", "--device", "emulator:ideal?nose=1"], "'nose' is unknown"),
        (None, ["study.toml", "--task", "digit"], "did you mean 'digits'?"),
        (None, ["study.toml", "--task", "narma10"], "targets are real numbers"),
        (None, ["study.toml", "--set", "start=runs/x"], "start: trials start as their mode says"),
        (None, ["study.toml", "--out", "study.toml"], "study.toml is a file"),
        (None, ["study.toml", "--out", "."], "holds something else than a study"),
        *(
            (None, ["study.toml", "--set", given], said)
            for given, said in (
                ("network.hidden=[300000]", "network.hidden = [300000]: this device has"),
                ("network.hidden=[300000]", "use --set network.hidden=[262144]"),
                ("network.steps=200000", "use --set network.steps=100000"),
                ("network.settings.threshold=99", "threshold = 99 V"),
                ("network.settings.treshold=1", "did you mean 'threshold'?"),
                ("activity.estimator=crossing", "did you mean 'crossings'?"),
                ("activity.estimator=a:b:c", "'a:b:c' cannot be loaded"),
                ("activity.every=99", "membranes are sampled every 99 steps of a run of 20"),
                ("repeat.times=10000000000", "study of 8e+10 trials: give fewer"),
                (f"repeat.times=1{'0' * 400}", "repeat.times = '1000"),
                ("homeostasis.target=3", "homeostasis.target = 3 spikes per step"),
                ("homeostasis.target=-0.1", "homeostasis.target = -0.1: should be"),
                ("homeostasis.target=nan", "homeostasis.target = 'nan': should be"),
                ("network.calibration=none.toml", "none.toml: no such file"),
                ("training.validation_fraction=0.999", "validation fraction 0.999 of 80 samples"),
                (
                    "pretrain.network.hidden=[9]",
                    "pretrain trains a 10-9-3 network, and 10-12-3 ones",
                ),
            )
        ),
        (("[12]", "[300000]"), ["study.toml"], "network.hidden = [300000]"),
        (
            ('"spsa"]', ']\n[factors.t]\nkey = "network.steps"\nlevels = [9, 999999]'),
            ["study.toml"],
            "network.steps = 999999",
        ),
        (
            None,
            ["study.toml", "--device", "replay:x", "--workers", "2"],
            "replay:x is one device: use --workers 1",
        ),
    ],
)
def test_bad_input_is_one_line(
    elsewhere: Path,
    change: tuple[str, str] | None,
    options: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if change is not None:
        file = elsewhere / "study.toml"
        before = file.read_text(encoding="utf-8")
        assert change[0] in before
        file.write_text(before.replace(*change, 1), encoding="utf-8")
    monkeypatch.chdir(elsewhere)
    assert refusal(options, capsys).count(said) == 1
    assert [path.name for path in elsewhere.iterdir()] == ["study.toml"]


def test_a_folder_in_use_is_refused(place: Path, tmp_path: Path) -> None:
    held, entered = threading.Event(), threading.Event()

    class Slow(Fake):
        def __call__(self, requests: Any) -> Any:
            entered.set()
            held.wait(60)
            return super().__call__(requests)

    running = threading.Thread(
        target=lambda: evaluated(study(GRID), tmp_path / "study", Slow()), daemon=True
    )
    running.start()
    assert entered.wait(60)
    with pytest.raises(ValueError, match="in use by another process"):
        evaluated(study(GRID), tmp_path / "study", Fake())
    held.set()
    running.join()


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        *((n, "default") for n in loader.names()),
        *(
            pytest.param(n, b, marks=pytest.mark.thorough)
            for n in loader.names()
            for b in loader.read(n)["budgets"]
        ),
    ],
)
def test_every_built_in_study_makes_sense(name: str, budget: str) -> None:
    found = loader.build(loader.read(name), budget=budget)
    check(found)
    assert loader.build(tomllib.loads(dump_study(found))) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"factors": {"g": {"key": "mode"}}}, "mode = 'sin': give one of"),
        (
            {"factors": {"g": {"key": "mode", "levels": ["deploy"]}}},
            "mode: a search trains from scratch",
        ),
        ({"search": {"population": 10**6}}, "study of"),
        (
            {"factors": {"batch": {"key": "network.steps", "high": 10**6}}},
            "network.steps = 1000000",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(study(SEARCH, **change))


def _failing(*_: object, **__: object) -> None:
    raise ValueError("it does not fit")


def test_a_study_whose_every_trial_fails_says_so_and_still_has_a_page(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr("hil.loop.session.Session.open", _failing)
    options = ["study.toml", "--workers", "1", "--out", "none"]
    assert "no trial worked, the page says why: none/report.html" in refusal(options, capsys)
    text = (elsewhere / "none" / "report.html").read_text(encoding="utf-8")
    assert "it does not fit" in text


def test_data_in_a_file_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'version = 1\nname = "own"\nbase = { task = "npz:here.npz" }\n'
        '[factors.task]\nkey = "task"\nlevels = ["digits", "npz:other.npz"]\n'
        "[factors.data]\n"
        'levels = [{ label = "a", set = { task = "npz:a.npz" } }, { label = "b" }]\n'
    )
    monkeypatch.chdir(tmp_path)
    complete = loader.build(loader.read(file))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = loader.build(tomllib.loads(dump_study(complete)))
    assert again == complete
    assert again.base["task"] == f"npz:{tmp_path}/here.npz"
    assert list(again.factors["task"].levels) == ["digits", f"npz:{tmp_path}/other.npz"]
    assert again.factors["data"].levels[0]["set"]["task"] == f"npz:{tmp_path}/a.npz"
