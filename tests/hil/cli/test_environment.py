"""Streams that take nothing, and settings of Python and its libraries: none fails a command."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from support.command_line import HIL, SMALL


def shell(command_line: str, **settings: str) -> subprocess.CompletedProcess[str]:
    words = command_line.replace("hil ", f"{shlex.join(HIL)} ", 1)
    env = {**os.environ, **settings}
    return subprocess.run(["sh", "-c", words], capture_output=True, text=True, env=env)


def test_a_training_does_not_need_anybody_who_reads_its_messages() -> None:
    """Nor a home, and it fails by no warning of a library."""
    Path("file").write_text("")
    hostile = {"PYTHONWARNINGS": "error", "HOME": f"{Path('file').resolve()}"}
    done = shell(f"hil train digits {shlex.join(SMALL)} --out run 2>/dev/full", **hostile)
    assert done.returncode == 0
    assert done.stdout.startswith("result\t") and done.stdout.endswith("run/report.html\n")


@pytest.mark.parametrize("words", ["--help", "tasks", "devices --help"])
def test_a_full_disk_below_the_output_is_one_line(words: str) -> None:
    done = shell(f"hil {words} >/dev/full")
    assert (done.returncode, done.stderr) == (2, "hil: No space left on device\n")


def test_a_refusal_that_cannot_be_written_keeps_its_exit_code() -> None:
    assert shell("hil train xor 2>/dev/full").returncode == 2
    assert shell("hil tasks >&-").returncode == 0
    assert shell("hil tasks 2>&-").stdout.startswith("task\t")


def test_ctrl_c_while_a_command_ends_changes_nothing() -> None:
    late = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT); "
    program = [HIL[0], "-c", f"{late}from hil.cli.app import main; main()", "tasks"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
