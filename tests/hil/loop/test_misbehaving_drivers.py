"""Whatever a driver does in this process, no training ends in a traceback or with other weights."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import drivers.registry
from hil.runs.folder import Run
from support.command_line import command, weights
from support.data_sets import write_xor
from support.misbehaving import KINDS, Misbehaving
from support.paths import ROOT

SETTINGS = ("--hidden", "6", "--epochs", "1", "--set", "network.steps=8", "--out", "run")


@pytest.fixture(autouse=True)
def scheme(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(drivers.registry.BUILTIN, "misbehaving", "support.misbehaving:Misbehaving")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_xor(tmp_path_factory.mktemp("task"), 60, 20)


@pytest.fixture(scope="module")
def behaving(task: str, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Weights of the same device, behaving."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(drivers.registry.BUILTIN, "behaving", "support.misbehaving:Behaving")
        patch.chdir(tmp_path_factory.mktemp("behaving"))
        done = command("train", task, "--device", "behaving:", *SETTINGS)
        assert done.exit_code == 0, done.output
        return weights(Path("run").absolute())


def surroundings() -> tuple[object, ...]:
    """What of this process a driver could change for others."""
    mask = os.umask(0o022)
    os.umask(mask)
    return Path.cwd(), np.geterr(), sys.getrecursionlimit(), mask


def test_a_driver_whose_addresses_cannot_be_listed_hides_none_of_others() -> None:
    done = command("train", "digits", "--device", "ideal", *SETTINGS)
    assert done.exit_code == 2 and "did you mean 'emulator:ideal'" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_driver_ends_in_one_line_or_changes_nothing(
    kind: str, task: str, behaving: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = surroundings()
    done = command("train", task, "--device", f"misbehaving:{kind}", *SETTINGS)
    assert "Traceback" not in done.output and surroundings() == before
    expected = KINDS[kind].__doc__
    assert expected is not None
    if expected == "passes":
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[0].startswith("result\t")
        assert len(done.stdout.splitlines()[-1]) < 100
    else:
        assert done.exit_code == 2
        assert re.search(expected, done.stderr) and done.stderr.count("\n") == 1, done.stderr
        if not os.path.exists("run"):
            return
        # What was trained is not lost: with a driver that is mended, it ends as it would have.
        monkeypatch.setattr(Misbehaving, "mended", True)
        again = command("resume", "run")
        assert again.exit_code == 0, again.output
    assert weights(Path("run")) == behaving
    assert Run.open("run").result() is not None  # what was written can be read


def test_what_a_driver_writes_is_marked(task: str) -> None:
    done = command("train", task, "--device", "misbehaving:Talks", *SETTINGS, "--json")
    assert done.stdout.count("\n") == 1 and done.stdout.startswith("{")
    lines = done.stderr.splitlines()
    assert lines[:50] == [f"Talks._run: line {n}" for n in range(50)]
    assert lines[50] == "Talks._run: unfinished"


IN_A_PROCESS = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from drivers.registry import BUILTIN
BUILTIN["misbehaving"] = "support.misbehaving:Misbehaving"
from hil.cli.app import main
main()
"""


def test_threads_of_a_driver_fail_in_a_line_and_do_not_outlast_the_command(
    task: str, behaving: list[bytes]
) -> None:
    words = ["train", task, "--device", "misbehaving:LeavesThreads", *SETTINGS, "--json"]
    program = [sys.executable, "-c", IN_A_PROCESS, *words]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert sorted(line for line in done.stderr.splitlines() if "thread" in line) == [
        "hil: thread fails raised ZeroDivisionError: division by zero",
        "hil: thread waits does not end: left behind",
    ]
    assert json.loads(done.stdout)["page"] == "run/report.html"
    assert "past Python\n" in done.stderr and weights(Path("run")) == behaving


def test_an_alarm_that_a_driver_sets_ends_with_its_call(task: str, behaving: list[bytes]) -> None:
    program = IN_A_PROCESS.replace("misbehaving:Misbehaving", "misbehaving:SetsAnAlarm")
    words = [sys.executable, "-c", program, "train", task, "--device", "misbehaving:", *SETTINGS]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and weights(Path("run")) == behaving
