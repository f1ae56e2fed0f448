"""Check that sentences with a number in README and docs say what their commands give today.

    python benchmarks/figures.py [--only WORD]

Each figure of `figures.toml` is a text of a page, the command that gives its number, and by how
much another machine or library may differ. Prints a line for each; ends with status 1 where a page
says something else. Tables of the results page are longer trainings: their commands stand beside
them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".toml")
LIMIT = 600  # seconds that a command may take on a busy machine


@dataclass(frozen=True)
class Figure:
    """A number in a sentence.

    Attributes:
        page: Where, relative to the project.
        says: A text that stands there, with `{}` for the number.
        value: The number, as it stands there.
        command: Gives it: the last line that it prints is the number, or JSON.
        key: Of the JSON, where it is.
        within: By how much the command may give something else.
        factor: From what the command gives to what the page says, such as 100 for per cent.
    """

    page: str
    says: str
    value: str
    command: str
    within: float
    key: str = ""
    factor: float = 1.0

    @property
    def text(self) -> str:
        """Text that stands in the page."""
        return self.says.replace("{}", self.value)

    def measured(self, output: str) -> float:
        """The number in what the command printed."""
        found = json.loads(output.strip().splitlines()[-1])
        return self.factor * float(found[self.key] if self.key else found)

    def holds(self, measured: float) -> bool:
        """Tell if the page still says so."""
        return abs(measured - float(self.value)) <= self.within


def read() -> list[Figure]:
    """All figures of the list."""
    return [Figure(**each) for each in tomllib.loads(LIST.read_text("utf-8"))["figure"]]


def main() -> int:
    """Run each command once, and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="figures with this word in page or text")
    only = parser.parse_args().only
    wanted = [each for each in read() if only in each.page or only in each.text]
    outputs: dict[str, str] = {}
    wrong = 0
    for figure in wanted:
        began = time.monotonic()
        if figure.command not in outputs:
            outputs[figure.command] = _output(figure.command)
        measured = figure.measured(outputs[figure.command])
        wrong += not figure.holds(measured)
        verdict = "as told" if figure.holds(measured) else "NOT AS TOLD"
        seconds = f"{time.monotonic() - began:.1f} s"
        print(f"{verdict:12s}{seconds:>8s}  {figure.page}: {figure.text!r}, now {measured:.4g}")
        sys.stdout.flush()
    return int(wrong > 0)


def _output(command: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["bash", "-c", command.replace("ROOT", str(ROOT))],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
