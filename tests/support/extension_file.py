"""The files of docs/extensions.md, as a stranger writes them, and small trainings with them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT

SMALL = ("--epochs", "1", "--hidden", "8", "--set", "network.steps=8")


def written(folder: Path) -> Path:
    """Both files of the page, in a folder; gives the one of four things."""
    page = (ROOT / "docs" / "extensions.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S)
    (folder / "mine.py").write_text(blocks[0], encoding="utf-8")
    (folder / "mine_too.py").write_text(blocks[1], encoding="utf-8")
    return folder / "mine.py"


def four(place: str = "mine.py") -> list[str]:
    """Options of a training with all four of them."""
    return [
        f"{place}:HALVES",
        *("--rule", f"{place}:SIGNED"),
        *("--set", f"rule.g={place}:BELL"),
        *("--set", f"encoding.name={place}:PAIRS"),
    ]


def python(program: str) -> subprocess.CompletedProcess[str]:
    """What a program does in a process of its own, in the working folder."""
    return process_of("-c", program)


def process_of(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What Python does with these arguments in a process of its own."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
