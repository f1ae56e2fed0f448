"""The accuracy table: rules by tasks over seeds, each cell the mean of whole `hil train` runs.

    python benchmarks/accuracy.py [--out runs/accuracy] [--jobs 2] [--only mnist] [--seeds 3]

Every cell is the command it prints. A run that is complete is not repeated, so the table can be
made in several sittings.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

RULES = ("adfa", "dfa", "bp", "bptt", "output_only")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What the table calls it.
        options: Options of `hil train`, the rule and the seed left out.
        rules: Rules to run.
    """

    name: str
    options: tuple[str, ...]
    rules: tuple[str, ...] = RULES


DEEP = ("adfa", "output_only")
ROWS = (
    Row("digits, mixed-signal", ("digits",)),
    Row("digits, ideal", ("digits", "--device", "emulator:ideal")),
    Row("yinyang, mixed-signal", ("yinyang",)),
    Row("yinyang, ideal", ("yinyang", "--device", "emulator:ideal")),
    Row("mnist, mixed-signal", ("mnist",)),
    Row("mnist, ideal", ("mnist", "--device", "emulator:ideal")),
    Row("mnist 6 epochs, mixed-signal", ("mnist", "--epochs", "6")),
    Row("mnist 6 epochs, ideal", ("mnist", "--epochs", "6", "--device", "emulator:ideal")),
    Row("mnist 500-500, mixed-signal", ("mnist", "--hidden", "500,500", "--epochs", "4"), DEEP),
    Row(
        "mnist 500-500-500, mixed-signal",
        ("mnist", "--hidden", "500,500,500", "--epochs", "4"),
        DEEP,
    ),
)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--rules", default="", help="rules to run, e.g. adfa,bp")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    rows = [row for row in ROWS if asked.only in row.name]
    chosen = asked.rules.split(",") if asked.rules else list(RULES)
    jobs = [
        (row, rule, seed)
        for seed in range(asked.seeds)
        for row in rows
        for rule in row.rules
        if rule in chosen
    ]
    asked.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(lambda job: run(asked.out, *job), jobs))
    print(table(asked.out, rows))


def folder(out: Path, row: Row, rule: str, seed: int) -> Path:
    """Where a run of the table lies."""
    stem = row.name.replace(", ", "-").replace(" ", "-")
    return out / f"{stem}-{rule}-{seed}"


def run(out: Path, row: Row, rule: str, seed: int) -> None:
    """Train one run, or go on with it."""
    path = folder(out, row, rule, seed)
    if (path / "result.json").exists():
        return
    options = [*row.options, "--rule", rule, "--seed", str(seed), "--out", str(path)]
    words = ["resume", str(path)] if path.exists() else ["train", *options]
    print(f"hil {' '.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "hil", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr, flush=True)


def table(out: Path, rows: list[Row]) -> str:
    """The table in Markdown: mean and standard deviation of test accuracy in %, and of seconds."""
    lines = ["| task, device | " + " | ".join(RULES) + " |", "|---" * (len(RULES) + 1) + "|"]
    for row in rows:
        cells = []
        for rule in RULES:
            results = [
                json.loads(path.read_text())
                for path in sorted(out.glob(f"{folder(out, row, rule, 0).name[:-1]}*/result.json"))
            ]
            cells.append(cell(results))
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(results: list[dict[str, float]]) -> str:
    """Mean ± standard deviation of accuracy, number of seeds, mean training time."""
    if not results:
        return "-"
    found = [100 * result["test_accuracy"] for result in results]
    spread = f" ± {statistics.stdev(found):.2f}" if len(found) > 1 else ""
    seconds = statistics.mean(result["train_seconds"] for result in results)
    return f"{statistics.mean(found):.2f}{spread} (n={len(found)}, {seconds:.0f} s)"


if __name__ == "__main__":
    main()
