"""Devices of every reset, sampling, reduction, input and timing, trained by default options.

    python benchmarks/device_matrix.py [EPOCHS [SEEDS]]

Trains digits on each of 72 devices (`tests/support/matrix_device.py`) with default options, which
read membranes alone, and once with measured hidden spikes. Prints a row for each: both accuracies,
the estimator in use, and its correlation with the measured rates of the output.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import fmean

import hil
from drivers.registry import BUILTIN

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.matrix_device import address, cells

BUILTIN["matrix"] = "support.matrix_device:MatrixDevice"


def main() -> None:
    """Print the table."""
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    seeds = range(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    header = ("reset", "sampled", "reduction", "input", "arrival", "membranes", "spikes")
    print("\t".join((*header, "estimator", "correlation")))
    near = 0
    for cell in cells():
        with tempfile.TemporaryDirectory() as folder:
            runs = {
                observe: [
                    hil.train(
                        "digits",
                        device=address(cell),
                        seed=seed,
                        out=Path(folder) / f"{observe}-{seed}",
                        training={"epochs": epochs},
                        observe=observe,
                    )
                    for seed in seeds
                ]
                for observe in ("membrane", "spikes")
            }
        reached = {o: 100 * fmean(run.test_accuracy for run in runs[o]) for o in runs}
        near += reached["membrane"] >= reached["spikes"] - 2
        fit = runs["membrane"][0].figures["estimator_fit"]
        print(
            "\t".join(
                (
                    *cell.values(),
                    f"{reached['membrane']:.1f}",
                    f"{reached['spikes']:.1f}",
                    runs["membrane"][0].figures["estimator"],
                    "none" if fit is None else f"{fit:.3f}",
                )
            ),
            flush=True,
        )
    print(f"{near} of {len(cells())} within 2 points of measured spikes")


if __name__ == "__main__":
    main()
