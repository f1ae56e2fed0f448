"""Count the trials a minute that one worker does, and two.

    python benchmarks/study_workers.py [ROUNDS]

The trials are trainings of the digits, 8 epochs with 60 hidden neurons, all of other seeds. Each
pool first does one for each of its workers, which imports what is needed; then it is timed. Rounds
alternate, so that what else runs on the machine hits both alike.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from statistics import median

from hil.config import build
from hil.studies.plan import Job
from hil.studies.pool import Pool, Request, open_pool

TRIALS = 24


def requests(first: int, count: int) -> Iterator[Request]:
    """Trainings of these seeds."""
    for seed in range(first, first + count):
        config = build(
            {"seed": seed, "training": {"epochs": 8}, "network": {"hidden": [60]}},
        )
        yield Job(json.dumps(config.model_dump(mode="json"))), None


def rate(evaluated: Pool, first: int) -> float:
    """Trials a minute."""
    began = time.perf_counter()
    done = sum(1 for _ in evaluated(requests(first, TRIALS)))
    return 60 * done / (time.perf_counter() - began)


def main() -> None:
    """Print the rates of each round and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    ratios = []
    with open_pool(1) as one, open_pool(2) as two:
        for evaluated in (one, two):
            list(evaluated(requests(0, 4)))
        for number in range(rounds):
            single, double = (rate(p, 1 + number * TRIALS) for p in (one, two))
            ratios.append(double / single)
            print(f"one worker {single:.1f}/min, two {double:.1f}/min: {ratios[-1]:.2f} times")
    print(f"median {median(ratios):.2f} times")


if __name__ == "__main__":
    main()
