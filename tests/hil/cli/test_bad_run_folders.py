"""Run folders that are not as they should be."""

import json
from pathlib import Path

import pytest

from hil.runs.folder import CHECKPOINT, CONFIG, ENVIRONMENT, METRICS, RESULT, VERSION, Run
from support.command_line import refusal

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
