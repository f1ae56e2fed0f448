"""A driver that hangs ends what was asked for in one line, and a training can go on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import drivers.registry
from support.command_line import command, weights
from support.data_sets import write_xor
from support.paths import ROOT

SETTINGS = ["--hidden", "12", "--epochs", "2"]
# A run in the second epoch: batches of 20, 16 of them in an epoch with its validation.
RUN = 24
IN_A_PROCESS = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from drivers.registry import BUILTIN
BUILTIN["hanging"] = "support.hanging_device:Hanging"
from hil.cli.app import main
main()
"""


@pytest.fixture(autouse=True)
def scheme(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(drivers.registry.BUILTIN, "hanging", "support.hanging_device:Hanging")
    monkeypatch.chdir(tmp_path)


def process(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def train(device: str, out: str | Path) -> list[str]:
    task = write_xor(Path(out).absolute().parent)
    return ["train", task, "--device", device, *SETTINGS, "--out", str(out)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training in which nothing hangs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    found = process(*train("hanging:no", folder / "whole"))
    assert found.returncode == 0, found.stderr
    return folder / "whole"


@pytest.mark.parametrize("how", ["sleep", "native"])
def test_a_training_ends_in_one_line_and_goes_on_to_the_same_weights(
    tmp_path: Path, undisturbed: Path, how: str
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    device = f"hanging:{broken}?how={how}&run={RUN}&call_limit=1"
    found = process(*train(device, "stopped"))
    assert found.returncode == 2, found
    line = found.stderr.splitlines()[-1]
    assert re.search(r"Hanging\._run did not return within 1 s: .*; go on with: hil resume", line)
    assert "Traceback" not in found.stderr
    broken.unlink()
    again = command("resume", "stopped")
    assert again.exit_code == 0, again.output
    assert weights(Path("stopped")) == weights(undisturbed)


def test_a_test_of_trained_weights_ends_in_one_line(tmp_path: Path, undisturbed: Path) -> None:
    found = command("evaluate", undisturbed, "--device", f"hanging:{tmp_path}?call_limit=1")
    assert found.exit_code == 2
    assert re.fullmatch(r"hil: Hanging\._run did not return [^\n]+\n", found.stderr)


STUDY = """
version = 1
name = "hangs"
repeat = {{what = "seed", times = 1}}

[base]
task = "{task}"
device = "hanging:{file}?call_limit=1"
network = {{hidden = [4]}}

[factors.rule]
key = "rule.name"
levels = ["adfa", "bp"]
"""


def test_a_study_ends_in_one_line(tmp_path: Path) -> None:
    Path("hangs.toml").write_text(STUDY.format(task=write_xor(tmp_path), file=tmp_path))
    found = command("study", "hangs.toml", "--workers", "1", "--out", "study")
    assert found.exit_code == 2
    line = found.stderr.splitlines()[-1]
    assert re.search(r"Hanging\._run did not return .*; go on with: hil study study", line)


def test_checks_end_with_the_one_that_hung(tmp_path: Path) -> None:
    found = command("check", f"hanging:{tmp_path}?run=2&call_limit=1")
    assert found.exit_code == 1
    rows = [line.split("\t") for line in found.stdout.splitlines() if "\t" in line]
    failed = [row for row in rows if row[1:2] == ["failed"]]
    assert len(failed) == 1 and "Hanging._run did not return within 1 s" in failed[0][2]
    after = rows[rows.index(failed[0]) + 1 :]
    assert {row[2] for row in after} == {"the driver hung in a check before"}


@pytest.mark.parametrize("words", [["characterise"], ["calibrate"]])
def test_a_measurement_ends_in_one_line(tmp_path: Path, words: list[str]) -> None:
    found = command(*words, f"hanging:{tmp_path}?call_limit=1", "--layers", "8,4,2")
    assert found.exit_code == 2
    assert re.fullmatch(r"hil: Hanging\._run did not return [^\n]+\n", found.stderr)
