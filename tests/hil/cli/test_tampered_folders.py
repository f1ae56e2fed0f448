"""Folders that somebody tampered with: one line, exit 2, and nothing written."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from random import Random

import pytest

from hil.runs.folder import CHECKPOINT, CONFIG, ENVIRONMENT, METRICS, RESULT, VERSION, Run
from support.command_line import command, contents, refusal
from support.read_kinds import KINDS, RUN, STUDY, made

SEEDS = 11
FILES = {
    "config.toml": "configuration",
    "environment.json": "environment",
    "metrics.jsonl": "metrics",
    "result.json": "result",
    "snapshot.npz": "snapshot",
    "checkpoint.npz": "checkpoint",
}
ODD = ("empty", "folder", "pipe", "endless", "dangling")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("world"))


def replaced(path: Path, how: str) -> None:
    """Something else in place of a file."""
    path.unlink()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if how == "endless" else "nowhere")


def told(folder: Path) -> dict[str, object]:
    """All that is in a folder, without following anything."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in folder.rglob("*")
        if path.name not in (".lock", RUN)
    }


def refused(folder: Path, *arguments: str | Path) -> bool:
    """Whether a command refused; then in one line, without a trace."""
    before = told(folder)
    result = command(*arguments)
    if result.exit_code == 0:
        return False
    assert result.exit_code == 2, (arguments, result.output, result.exception)
    assert re.fullmatch(r"hil: [^\n]+\n", result.stderr), result.stderr
    assert len(result.stderr) < 1200, result.stderr
    assert told(folder) == before, arguments
    return True


@pytest.mark.parametrize("name", FILES)
def test_a_tampered_run_is_one_line(
    name: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    count, kind = 0, KINDS[FILES[name]]
    for how in (*ODD, *range(SEEDS)):
        run = tmp_path / RUN
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(world / RUN, run)
        if name != "result.json" and how != "dangling":
            (run / "result.json").unlink()
        path = run / name
        if isinstance(how, int):
            path.write_bytes(kind.damage(path.read_bytes(), Random(1000 + how)))
        else:
            replaced(path, how)
        commands = ["evaluate"] if name == "checkpoint.npz" else ["report"]
        if name in ("config.toml", "environment.json"):
            commands = ["report", "evaluate", "resume"]
        count += any([refused(tmp_path, each, run) for each in commands])
    assert count >= 8


def test_a_tampered_checkpoint_stops_a_resumed_run(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = (world / RUN / "checkpoint.npz").read_bytes()
    count = 0
    for seed in range(2 * SEEDS):
        run = tmp_path / RUN
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(world / RUN, run)
        (run / "result.json").unlink()
        bad = KINDS["checkpoint"].damage(good, Random(seed))
        (run / "checkpoint.npz").write_bytes(bad)
        count += refused(tmp_path, "resume", run)
    assert count > SEEDS


@pytest.mark.parametrize("name", ["study.toml", "journal.log"])
def test_a_tampered_study_is_one_line(
    name: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    damage = KINDS["study" if name == "study.toml" else "journal"].damage
    study = tmp_path / STUDY
    for how in (*ODD[1:], *range(6)):
        shutil.rmtree(study, ignore_errors=True)
        shutil.copytree(world / STUDY, study)
        path = study / name
        if isinstance(how, str):
            replaced(path, how)
        else:  # a line that no end of a process explains
            path.write_bytes(damage(path.read_bytes(), Random(how))[:5000] + b"\x00nonsense\n")
        assert refused(tmp_path, "study", study) or how == "dangling"


def test_nothing_is_written_outside_of_a_folder_whatever_links_there(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outside, run = tmp_path / "outside", tmp_path / RUN
    outside.mkdir()
    shutil.copytree(world / RUN, run)
    (run / "result.json").unlink()
    (run / ".lock").unlink()
    for name in (*FILES, "report.html"):
        if (run / name).exists():
            (run / name).rename(outside / name)
        else:
            (outside / name).write_text("mine")
        (run / name).symlink_to(outside / name)
    (run / "result.json").unlink()
    before = contents(outside)
    result = command("resume", run)
    assert result.exit_code == 0, result.output
    assert contents(outside) == before


COMMANDS = ["resume", "evaluate", "report"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_of_a_newer_version_is_one_line(name: str, copied: Path) -> None:
    (copied / ENVIRONMENT).write_text(json.dumps({"version": VERSION + 1}))
    assert "upgrade" in refusal(name, copied)


@pytest.mark.parametrize(
    "file, content, names",
    [
        (CONFIG, b"[training\n", COMMANDS),
        (CONFIG, b"seeed = 3\n", COMMANDS),
        (RESULT, b'{"test_acc', COMMANDS),
        (RESULT, b"[]", COMMANDS),
        (METRICS, b'{"epoch": 1, "st', ["report"]),
        (CHECKPOINT, b"PK\x03\x04", ["evaluate"]),
        (CHECKPOINT, b"", ["evaluate"]),
        ("snapshot.npz", b"PK\x03\x04", ["report"]),
    ],
)
def test_a_damaged_file_is_one_line(
    file: str, content: bytes, names: list[str], copied: Path
) -> None:
    (copied / file).write_bytes(content)
    for name in names:
        if file == CONFIG and name == "resume":
            (copied / RESULT).unlink()
        assert file in refusal(name, copied) or "seeed" in refusal(name, copied)


def test_a_damaged_checkpoint_stops_a_resumed_run(copied: Path) -> None:
    (copied / RESULT).unlink()
    path = copied / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-100])
    message = refusal("resume", copied)
    assert str(path) in message and "hil train --config" in message


def test_without_a_checkpoint_there_is_nothing_to_evaluate(copied: Path) -> None:
    (copied / CHECKPOINT).unlink()
    assert "no checkpoint" in refusal("evaluate", copied)


def test_a_run_in_use_is_one_line(copied: Path) -> None:
    (copied / RESULT).unlink()
    with Run.open(copied).hold():
        assert "in use by another process" in refusal("resume", copied)
