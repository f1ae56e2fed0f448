"""NRMSE of real targets on `mixed-signal`: aDFA beside frozen hidden weights and a linear model.

    python benchmarks/regression.py [TASK...] [--pairs N]

Of a series value by value, online: of the first and of the last pass over it, each value answered
before it is learned from, and of the test; by a device that runs on, and by one that is reset
before each value.

Pairs are chips 1 to N with the seed of the same number. The linear model is ridge regression on the
same window, its penalty chosen on the validation part. docs/library.md quotes five pairs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import hil
from hil import tasks

PARTS = ("train", "validation", "test")
SERIES = "mackey-glass-series"
PENALTIES = 10.0 ** np.arange(-8, 3)


def measure_linear(task: str) -> float:
    """Fit ridge regression to the training part, and give its NRMSE on the test part."""
    data = tasks.load(task)
    parts = {part: getattr(data, f"x_{part}") for part in PARTS}
    x = {part: np.c_[rows, np.ones(len(rows))] for part, rows in parts.items()}

    def fit(penalty: float) -> tuple[float, float]:
        square = x["train"].T @ x["train"] + penalty * np.eye(data.features + 1)
        weights = np.linalg.solve(square, x["train"].T @ data.y_train)
        errors = [
            float(np.sqrt(np.square(x[p] @ weights - y).mean() / y.var()))
            for p, y in (("validation", data.y_validation), ("test", data.y_test))
        ]
        return errors[0], errors[1]

    return min(map(fit, PENALTIES))[1]


def measure(task: str, rule: str, number: int) -> float:
    """Train on a chip, and give the NRMSE on the test part."""
    with tempfile.TemporaryDirectory() as folder:
        chip = f"emulator:mixed-signal?chip={number}"
        run = hil.train(task, device=chip, rule=rule, seed=number, out=Path(folder) / "run")
        return run.test_nrmse


def measure_online(task: str, carry: bool, number: int) -> list[float]:
    """Train on a chip, and give the NRMSE of the first and the last pass, and of the test part."""
    with tempfile.TemporaryDirectory() as folder:
        chip, out = f"emulator:mixed-signal?chip={number}", Path(folder) / "run"
        run = hil.train(task, device=chip, seed=number, training={"carry": carry}, out=out)
        return [*(run.metrics[n]["train_nrmse"] for n in (0, -1)), run.test_nrmse]


def compare_online(task: str, pairs: int) -> None:
    """Measure a series with and without reset, and print a line for each figure."""
    numbers = range(1, pairs + 1)
    errors = np.array(
        [[measure_online(task, carry, n) for carry in (True, False)] for n in numbers]
    )
    for name, (on, reset) in zip(("first", "last", "test"), errors.transpose(2, 1, 0), strict=True):
        print(f"{task}, {name}: running on {describe(on)}, with reset {describe(reset)}; ", end="")
        print(f"reset less running on {describe(reset - on)}", flush=True)


def describe(values: NDArray[np.float64]) -> str:
    """Give a mean and its 95 % interval by Student's t."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Measure the tasks and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=["narma10", "mackey-glass", SERIES])
    parser.add_argument("--pairs", type=int, default=5)
    asked = parser.parse_args()
    for task in asked.tasks:
        if task == SERIES:
            compare_online(task, asked.pairs)
            continue
        linear = measure_linear(task)
        print(f"{task}: linear {linear:.3f}", flush=True)
        pairs = []
        for number in range(1, asked.pairs + 1):
            pairs.append([measure(task, rule, number) for rule in ("adfa", "output_only")])
            print("chip {}: adfa {:.3f}, frozen {:.3f}".format(number, *pairs[-1]), flush=True)
        adfa, frozen = np.transpose(pairs)
        print(f"adfa {describe(adfa)}; frozen less adfa {describe(frozen - adfa)}; ", end="")
        print(f"linear less adfa {describe(linear - adfa)}")


if __name__ == "__main__":
    main()
