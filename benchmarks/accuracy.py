"""The accuracy table: rules by tasks over seeds, each cell the mean of whole `hil train` runs.

    python benchmarks/accuracy.py [--out runs/accuracy] [--jobs 2] [--only mnist] [--seeds 3]

Every cell is the command it prints. A run that is complete is not repeated, so the table can be
made in several sittings. `--only "on "` makes the rows of the emulated chips, `--only deep` those
with three hidden layers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
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
TOLD = ("adfa", "bptt")
# Every profile, and a neuron that a spike sets to rest.
CHIPS = (
    "ideal",
    "ideal?reset=hard",
    "mixed-signal",
    "loihi",
    "dynap-se",
    "pcm-crossbar",
    "rram-crossbar",
    "brainscales-2",
    "brainscales-2-raw",
)
SLOW = ("brainscales-2", "brainscales-2-raw")  # best with the output's membranes read as well
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
    *(Row(f"digits on {chip}", ("digits", "--device", f"emulator:{chip}"), TOLD) for chip in CHIPS),
    *(
        Row(
            f"digits on {chip}, both read",
            ("digits", "--device", f"emulator:{chip}", "--set", "readout.source=both"),
            TOLD,
        )
        for chip in SLOW
    ),
    *(
        Row(
            f"digits, deep on {chip}",
            ("digits", "--device", f"emulator:{chip}", "--hidden", "60,60,60"),
            DEEP,
        )
        for chip in CHIPS
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
    jobs = [job for job in jobs if not (folder(asked.out, *job) / "result.json").exists()]
    since = time.monotonic()
    with ThreadPoolExecutor(asked.jobs) as pool:
        runs = pool.map(lambda job: run(asked.out, *job), jobs)
        for done, _ in enumerate(runs, start=1):
            left = (time.monotonic() - since) * (len(jobs) - done) / done
            print(f"{done}/{len(jobs)}, {left / 60:.0f} min left", file=sys.stderr, flush=True)
    print(table(asked.out, rows, chosen))


def folder(out: Path, row: Row, rule: str, seed: int) -> Path:
    """Folder of a run of the table."""
    stem = row.name.replace(", ", "-").replace(" ", "-").replace("?", "-").replace("=", "-")
    return out / f"{stem}-{rule}-{seed}"


def run(out: Path, row: Row, rule: str, seed: int) -> None:
    """Train one run, or go on with it."""
    path = folder(out, row, rule, seed)
    options = [*row.options, "--rule", rule, "--seed", str(seed), "--out", str(path)]
    words = ["resume", str(path)] if path.exists() else ["train", *options]
    print(f"hil {' '.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "hil", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr, flush=True)


def table(out: Path, rows: list[Row], rules: list[str]) -> str:
    """The table in Markdown: mean and standard deviation of test accuracy in %, and of seconds."""
    rules = [rule for rule in rules if any(rule in row.rules for row in rows)]
    lines = ["| task, device | " + " | ".join(rules) + " |", "|---" * (len(rules) + 1) + "|"]
    for row in rows:
        cells = []
        for rule in rules:
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
