"""Count how often each kind of interval covers the truth, and a claim is made of nothing.

    python benchmarks/interval_coverage.py [--draws 4000] [--only mean,tolerance]

Prints a line for each kind of interval and kind of data: the share of simulated studies whose
interval holds the truth, for each number of units. No interval counts as none that is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.simulated_intervals import DATA, JOINT, KINDS, proportion, rank_correlation, share

UNITS = (3, 4, 5, 6, 8, 10, 50)
PAIRS = (12, 20, 50)
TRIALS = (5, 36, 359, 1000, 10000)


def main() -> None:
    """Print coverage by kind of interval, kind of data and number of units."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=4000, help="studies simulated for each figure")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds of intervals, with commas")
    given = parser.parse_args()
    lowest = 1.0
    for name in given.only.split(","):
        print(f"\n{name}: {KINDS[name].__doc__}\n{'units':32s}", *(f"{n:6d}" for n in UNITS))
        for data, draw in DATA.items():
            found = [share(KINDS[name], draw, n, given.draws) for n in UNITS]
            lowest = min(lowest, *found)
            print(f"{data:32s}", *(f"{value:6.3f}" for value in found), flush=True)
    print(f"\nrank correlation\n{'pairs':32s}", *(f"{n:6d}" for n in PAIRS))
    for data, joint in JOINT.items():
        found = [rank_correlation(joint, n, given.draws // 2) for n in PAIRS]
        lowest = min(lowest, *found)
        print(f"{data:32s}", *(f"{value:6.3f}" for value in found), flush=True)
    print(
        f"\nproportion, lowest of 200 probabilities\n{'trials':32s}", *(f"{n:6d}" for n in TRIALS)
    )
    rare = [[float(p) for p in np.geomspace(0.01 / n, 0.5, 200)] for n in TRIALS]
    found = [min(proportion(n, p) for p in own) for n, own in zip(TRIALS, rare, strict=True)]
    print(f"{'counts':32s}", *(f"{value:6.3f}" for value in found))
    print(f"\nlowest of all: {min(lowest, *found):.3f}")


if __name__ == "__main__":
    main()
