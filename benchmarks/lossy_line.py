"""Costs of a bad line: three epochs of digits on the native board, on a clean line and on one
that loses 1.3 % of frames, damages 1.1 % and doubles 1.7 %.

    python benchmarks/lossy_line.py [--baud 115200] [--seeds 3]

The firmware runs as a process of this machine. With `--baud` the line is paced to that rate. Prints
the time of the training loop for each seed of the faults, as a multiple of the clean line's, and
whether the weights are the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from drivers import firmware
from hil.config import build
from hil.loop import training
from hil.runs.folder import Run

FAULTS = "drop:0.013,flip:0.011,duplicate:0.017"
EPOCHS = 3


def trained(path: Path, address: str) -> tuple[float, list[bytes]]:
    """Seconds of a training, and the weights that it ended with."""
    asked = {"task": "digits", "device": address, "training": {"epochs": EPOCHS}}
    run = Run.create(path, build(asked, {"network": {"hidden": [40]}, "training": {"batch": 100}}))
    began = time.perf_counter()
    training.train(run)
    seconds, found = time.perf_counter() - began, run.load_checkpoint() or {}
    return seconds, [found[name].tobytes() for name in sorted(found) if name[:8] == "weights/"]


def main() -> None:
    """Train on all lines in turn, and print a row for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--baud", type=int, default=0, help="rate of the line; 0: as fast as it is")
    parser.add_argument("--seeds", type=int, default=3, help="how many bad lines")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, firmware.start("native", seed=3) as board:
        pace = f"&pace={given.baud}&baud={given.baud}" if given.baud else ""
        clean = f"board:{board.url}?call_limit=600{pace}"
        trained(Path(folder) / "warm", clean)
        seconds, weights = trained(Path(folder) / "clean", clean)
        print("| line | seconds | times the clean one | same weights |")
        print("|---|---|---|---|")
        print(f"| clean | {seconds:.2f} | 1 | |", flush=True)
        for seed in range(given.seeds):
            bad = f"{clean}&fault={FAULTS}&fault_seed={seed}"
            lasted, found = trained(Path(folder) / f"bad{seed}", bad)
            same = "yes" if found == weights else "NO"
            print(f"| bad, seed {seed} | {lasted:.2f} | {lasted / seconds:.2f} | {same} |")


if __name__ == "__main__":
    main()
