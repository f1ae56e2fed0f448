"""Rules, gates, encodings and tasks of a user's own in a study."""

from __future__ import annotations

import csv
import json
from hashlib import sha256
from pathlib import Path

import pytest

from hil.extensions import Trust
from hil.studies import loader
from support.command_line import command, refusal
from support.extension_file import written

STUDY = """
version = 1
name = "own"
sections = [{kind = "means", by = ["rule", "g"]}]
[base]
task = "mine.py:HALVES"
device = "emulator:ideal"
encoding = {name = "mine.py:PAIRS"}
network = {hidden = [4], steps = 4}
training = {epochs = 1, batch = 60}
[factors.rule]
key = "rule.name"
levels = ["adfa", "mine.py:SIGNED"]
[factors.g]
key = "rule.g"
levels = ["fourier", "mine.py:BELL"]
[repeat]
times = 1
"""


@pytest.fixture(autouse=True)
def _with_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path)
    Path("own.toml").write_text(STUDY)


def test_a_study_runs_what_it_names_for_those_who_trust_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "mine.py:HALVES" in refusal("study", "own.toml", "--out", "study")
    done = command("study", "own.toml", "--workers", "2", "--trust", "--out", "study")
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(Path("study/trials.csv").read_text().splitlines()))
    assert [(row["rule"], row["g"], row["error"]) for row in rows] == [
        ("adfa", "fourier", ""),
        ("adfa", "mine.py:BELL", ""),
        ("mine.py:SIGNED", "fourier", ""),
        ("mine.py:SIGNED", "mine.py:BELL", ""),
    ]
    code = json.loads(Path("study/environment.json").read_text())["code"]
    assert {name.rpartition("/")[2] for name in code} == {
        *("mine.py:HALVES", "mine.py:PAIRS", "mine.py:SIGNED", "mine.py:BELL")
    }
    assert set(code.values()) == {sha256(Path("mine.py").read_bytes()).hexdigest()}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert command("study", "../study", "--workers", "1", "--trust").exit_code == 0
    assert "--trust" in refusal("study", "../study", "--workers", "1")
    with (tmp_path / "mine.py").open("a") as file:
        file.write("# changed\n")
    said = refusal("study", "../study", "--workers", "1", "--trust")
    assert "was changed since this began" in said


def test_what_the_command_line_names_runs_in_a_study_too() -> None:
    Path("own.toml").write_text(
        STUDY.replace("mine.py:HALVES", "yinyang").replace('"adfa", "mine.py:SIGNED"', '"adfa"')
    )
    named = ("--set", "encoding.name=mine.py:PAIRS", "--set", 'factors.g.levels=["mine.py:BELL"]')
    done = command("study", "own.toml", "--workers", "1", "--out", "study", *named)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("key", ["size", "sise"])
def test_a_setting_of_a_rule_of_ones_own_is_tuned(key: str) -> None:
    Path("own.toml").write_text(
        f"{STUDY}[tune]\nby = ['rule']\nsettings = 1\n[tune.factors.size]\nkey = 'rule.{key}'\n"
        "levels = [0.1, 0.2]\n"
    )
    with Trust(everything=True).in_force():
        if key == "size":
            loader.build(loader.read("own.toml"))
            return
        with pytest.raises(ValueError, match=r"no rule has 'rule.sise': did you mean 'rule.size'"):
            loader.build(loader.read("own.toml"))
