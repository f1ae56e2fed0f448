"""More than a thousand command lines that cannot be met: one line, exit 2, soon, and no trace."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from drivers import registry
from support import hostile_chips
from support.bad_inputs import ALL
from support.command_line import command, process, refusal
from support.run_folders import finished
from support.study_kit import GRID

SECONDS = 10
CASES = list(dict.fromkeys(line for lines in ALL.values() for line in lines))
OTHERS = {"good": "support.good_device:Good", "broken": "support.no_such_module:Broken"}


@pytest.fixture(scope="module")
def bad_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good run, data and study, and much that is no file of any kind."""
    world = tmp_path_factory.mktemp("world")
    finished(world / "run")
    x, y = np.eye(6, dtype=np.float32), np.arange(6) % 3
    own: dict[str, Any] = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    np.savez(world / "own.npz", **own)
    np.savez(world / "own-wrong.npz", x_train=x)
    (world / "cut.npz").write_bytes((world / "own.npz").read_bytes()[:-40])
    (world / "study.toml").write_text(tomli_w.dumps(GRID))
    (world / "bad.toml").write_text("[training\n")
    (world / "deep.toml").write_text("a = " + "[" * 100_000)
    (world / "deep.json").write_text("[" * 100_000)
    (world / "huge.toml").write_bytes(b"#" * (1 << 21))
    (world / "page.html").write_text("<html></html>")
    (world / "empty").write_bytes(b"")
    (world / "binary").write_bytes(np.random.default_rng(0).bytes(5000))
    (world / "folder").mkdir()
    os.mkfifo(world / "pipe")
    for name, target in (("loop", "loop"), ("zero", "/dev/zero"), ("dangling", "nowhere")):
        (world / name).symlink_to(target)
    return world


@pytest.fixture(autouse=True)
def _there(bad_world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(bad_world)
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, **OTHERS})

    def late(*_: object) -> None:
        pytest.fail(f"took longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def trace() -> list[tuple[str, int, int]]:
    """Every file below the working folder, whether changed or new."""
    files = [(path, path.lstat()) for path in Path().rglob("*")]
    return sorted((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in files)


def test_there_are_as_many_as_is_said() -> None:
    assert len(CASES) >= 1150
    assert all(len(lines) >= 190 for lines in ALL.values())


@pytest.mark.parametrize("line", CASES, ids=lambda line: ascii(" ".join(line))[1:90])
def test_a_bad_input_is_refused_in_one_line(line: tuple[str, ...]) -> None:
    before = trace()
    done = command(*line)
    assert done.exit_code == 2, done.output[:500] or repr(done.exception)
    assert done.stdout == ""
    assert re.fullmatch(r"hil: [^\n]+\n", done.stderr), done.stderr[:500]
    assert done.stderr[:-1].isprintable() and len(done.stderr) < 1100
    assert trace() == before


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
