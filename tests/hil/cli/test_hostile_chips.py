"""Chip files of an adversary: none acts, none lasts, each is refused in one line."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import hostile_chips
from support.command_line import command, process, refusal


@pytest.fixture(autouse=True)
def _at_most_ten_seconds() -> Iterator[None]:
    def late(*_: object) -> None:
        pytest.fail("took longer than 10 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_what_the_hostile_ones_are_made_of_is_a_chip(tmp_path: Path) -> None:
    Path("good.toml").write_text(hostile_chips.GOOD)
    assert command("chips", "good.toml").exit_code == 0


@pytest.mark.parametrize("name", hostile_chips.CHIPS)
def test_a_hostile_chip_is_refused_in_one_line(name: str) -> None:
    Path("evil.py").write_text(hostile_chips.ACT)
    Path("chip.toml").write_text(hostile_chips.CHIPS[name])
    said = refusal("chips", "chip.toml")
    assert "chip.toml" in said
    assert len(said) < 1000
    assert said.rstrip("\n").isprintable()


@pytest.mark.parametrize("name", ["multiplied-out", "unit-volt", "reset-comment-return"])
def test_a_new_process_says_no_more_than_that_line(name: str, tmp_path: Path) -> None:
    """Neither Brian2 nor numpy warns beside it."""
    Path("chip.toml").write_text(hostile_chips.CHIPS[name])
    done = process("chips", "chip.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
