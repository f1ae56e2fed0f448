"""Damage files of every kind, many times, and count how reading them ends.

    python benchmarks/damaged_files.py 100000 [KIND ...]

The kinds are those of `tests/support/read_kinds.py`, which the tests read a thousand times each.
Any other end than a file that is read and one line that refuses it stops the count.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.read_kinds import KINDS, ending, made


def main() -> None:
    """Count, kind by kind, and print a row for each."""
    times, names = int(sys.argv[1]), sys.argv[2:] or list(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        world = made(Path(folder))
        print("| kind | damaged files | read | refused in one line | slowest, s |")
        print("|---|---|---|---|---|")
        for name in names:
            kind, slowest, ends = KINDS[name], 0.0, Counter[str]()
            path = sorted(world.glob(kind.file))[0]
            good = path.read_bytes()
            for seed in range(times):
                path.write_bytes(kind.damage(good, Random(seed)))
                began = time.process_time()
                ends[ending(kind, path)] += 1
                slowest = max(slowest, time.process_time() - began)
            path.write_bytes(good)
            row = (name, times, ends["read"], ends["refused"], f"{slowest:.2f}")
            print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()
