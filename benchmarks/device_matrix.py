"""Devices of every reset, sampling, reduction, input and timing, trained by default options.

    python benchmarks/device_matrix.py [--epochs 10] [--seeds 3] [--out FILE] [--part 1/2] [--table]

Trains digits on each of 72 devices (`tests/support/matrix_device.py`) with default options, which
read membranes alone, and with measured hidden spikes. Each run is appended to FILE (JSON lines) as
it ends, and none that stands there is repeated, so the matrix can be made in several sittings or
parts. Prints the table of what FILE holds, in Markdown; `--table` does nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import hil
from drivers.registry import BUILTIN

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.matrix_device import OPTIONS, address, cells

BUILTIN["matrix"] = "support.matrix_device:MatrixDevice"
OBSERVED = ("membrane", "spikes")
COLUMNS = tuple(product(OPTIONS["kind"], ("same_step", "next_step")))
Job = tuple[str, str, int]
Results = dict[Job, dict[str, Any]]


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/matrix.jsonl"))
    parser.add_argument("--part", default="1/1", help="which part of how many, e.g. 2/3")
    parser.add_argument("--table", action="store_true", help="run nothing")
    asked = parser.parse_args()
    part, parts = (int(word) for word in asked.part.split("/"))
    jobs = [
        (address(cell), observe, seed)
        for seed in range(asked.seeds)
        for cell in cells()
        for observe in OBSERVED
    ][part - 1 :: parts]
    found = read(asked.out, asked.epochs)
    if not asked.table:
        run(asked.out, asked.epochs, [job for job in jobs if job not in found])
    print(table(read(asked.out, asked.epochs)))


def read(out: Path, epochs: int) -> Results:
    """Read what a file holds of trainings of so many epochs."""
    rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return {
        (row["device"], row["observe"], row["seed"]): row for row in rows if row["epochs"] == epochs
    }


def run(out: Path, epochs: int, jobs: list[Job]) -> None:
    """Train what is missing, one run after the other, and append each."""
    out.parent.mkdir(parents=True, exist_ok=True)
    since = time.monotonic()
    for done, (device, observe, seed) in enumerate(jobs, start=1):
        with tempfile.TemporaryDirectory() as folder:
            result = hil.train(
                "digits",
                device=device,
                seed=seed,
                out=Path(folder) / "run",
                training={"epochs": epochs},
                observe=observe,
            )
        row = {
            "device": device,
            "observe": observe,
            "seed": seed,
            "epochs": epochs,
            "test_accuracy": result.test_accuracy,
            "estimator": result.figures["estimator"],
            "estimator_fit": result.figures["estimator_fit"],
        }
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        left = (time.monotonic() - since) * (len(jobs) - done) / done
        print(f"{done}/{len(jobs)}, {left / 60:.0f} min left", file=sys.stderr, flush=True)


def table(found: Results) -> str:
    """Both accuracies of each cell, in % and as means over its seeds, and what they come to."""
    head = ("reset", "sampled", "offers", *(f"{k}, {a}" for k, a in COLUMNS), "estimator")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    near, reached, fits = 0, [], []
    for reset, sampled, reduction in product(
        OPTIONS["reset"], OPTIONS["sampled"], OPTIONS["reduction"]
    ):
        cols, estimators = [], set()
        for kind, arrival in COLUMNS:
            cell = dict(zip(OPTIONS, (reset, sampled, reduction, kind, arrival), strict=True))
            by = {
                o: [r for key, r in found.items() if key[:2] == (address(cell), o)]
                for o in OBSERVED
            }
            if not all(by.values()):
                cols.append("-")
                continue
            blind, seeing = (100 * fmean(r["test_accuracy"] for r in by[o]) for o in OBSERVED)
            near += blind >= seeing - 2
            reached.append(seeing)
            fits += [r["estimator_fit"] for r in by["membrane"] if r["estimator_fit"] is not None]
            estimators |= {f"`{r['estimator']}`" for r in by["membrane"]}
            cols.append(f"{blind:.1f} / {seeing:.1f}")
        words = (reset, sampled, reduction, *cols, ", ".join(sorted(estimators)))
        lines.append(f"| {' | '.join(words)} |")
    if reached:
        lines.append(
            f"\n{near} of {len(reached)} within 2 points of measured spikes; least accuracy with "
            f"them {min(reached):.1f} %; least correlation at the output {min(fits):.3f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
