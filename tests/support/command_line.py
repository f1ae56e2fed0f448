"""The command line as a user runs it: in this process, in a new one, in a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from hil.cli.app import app
from hil.runs.folder import Run
from support.paths import ROOT

HIL = [sys.executable, "-m", "hil"]
SMALL = ["--hidden", "30", "--epochs", "1"]


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HIL, *map(str, arguments)], capture_output=True, text=True, **options)


def on_a_terminal(*arguments: str | Path) -> tuple[int, str]:
    """Exit code of a command in a terminal, and all that was ever drawn there."""
    code, drawn = _drawn([*HIL, *map(str, arguments)])
    return code, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn)


def raw_on_a_terminal(program: list[str]) -> str:
    """All that a program writes to a terminal, colours and moves included."""
    return _drawn(program)[1]


def _drawn(program: list[str]) -> tuple[int, str]:
    screen, end = pty.openpty()
    running = subprocess.Popen(program, stdin=end, stdout=end, stderr=end)
    os.close(end)
    drawn = b""
    with contextlib.suppress(OSError):  # which is how a terminal ends
        while found := os.read(screen, 65536):
            drawn += found
    os.close(screen)
    return running.wait(), drawn.decode()


def refusal(*arguments: str | Path, code: int = 2) -> str:
    """The one line that a command says before it gives up; no new file may be left."""
    assert Path.cwd() != ROOT, "other tests write to the checkout, which is large: leave it first"
    before = contents(Path.cwd())
    result = command(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert re.fullmatch(r"hil: [^\n]+\n", result.stderr), result.stderr
    assert contents(Path.cwd()) == before
    return result.stderr


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"
    }


def weights(run: Path) -> list[bytes]:
    arrays = Run.open(run).load_checkpoint()
    assert arrays is not None
    return [arrays[f"weights/{p}"].tobytes() for p in range(2)]
