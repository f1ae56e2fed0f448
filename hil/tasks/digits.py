"""Handwritten digits of 8x8 pixels, which come with scikit-learn: 1797 samples, no download.

Which samples are the test part is drawn once and for all, from the generator of seed 1797: 359 of
them, in the same mix of digits as the rest, and not the last 359 of scikit-learn's list.
`hil.tasks.load("digits")` gives the three parts, and `hil.tasks.save("digits", "digits.npz")`
writes them to a file for other programs. `digits_rows` are the same as signals: row by row from top
to bottom, 8 steps of 8 channels.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), its test part.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.tasks.samples import Samples, Signals
from hil.tasks.task import IN_TIME, IN_TIME_BY_RULE, PARTS, Data, Task, split_off, stratified_split

_TEST_FRACTION = 0.2
_TEST_SEED = 1797
_TEST_PART = (
    "359 samples of the same mix of digits, drawn once and for all: not the last 359 of "
    "scikit-learn's list, on which others test"
)


def load(rng: Generator, validation_fraction: float) -> Data:
    """Load the digits.

    Args:
        rng: Draws the validation part; the test part is always the same.
        validation_fraction: Share of the training samples set aside for validation.

    Returns:
        1438 samples to train and validate with and 359 to test, float32.
    """
    table = _read_table()
    x = (table[:, :-1] / 16).astype(np.float32)  # pixels are counts of 0 to 16
    y = table[:, -1].astype(np.int64)
    learned, test = stratified_split(y, _TEST_FRACTION, np.random.default_rng(_TEST_SEED))
    return Data(
        **split_off(x[learned], y[learned], validation_fraction, rng),
        x_test=x[test],
        y_test=y[test],
        classes=10,
        image_shape=(8, 8),
    )


def load_rows(rng: Generator, validation_fraction: float) -> Data:
    """Load the digits row by row.

    Args:
        rng: Draws the validation part; the test part is always the same.
        validation_fraction: Share of the training samples set aside for validation.

    Returns:
        1438 signals to train and validate with and 359 to test, float32.
    """
    data = load(rng, validation_fraction)
    x: dict[str, Any] = {f"x_{part}": _to_rows(getattr(data, f"x_{part}")) for part in PARTS}
    return replace(data, image_shape=None, **x)


def _read_table() -> NDArray[np.float64]:
    """Read the file of scikit-learn, `(1797, 65)`: its import would take a second."""
    spec = find_spec("sklearn")
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin).with_name("datasets") / "data" / "digits.csv.gz"
    return np.loadtxt(file, delimiter=",")


def _to_rows(x: Samples) -> Signals:
    assert not isinstance(x, Signals)
    return Signals.of_equal_length(x.reshape(len(x), 8, 8))


DIGITS = Task(
    "digits",
    "handwritten digits of 8x8 pixels (scikit-learn), 10 classes",
    load,
    {
        "network": {"hidden": [200]},
        "optimiser": {"learning_rate": 1e-2},
        "training": {"epochs": 30, "batch": 50},
    },
    parts=_TEST_PART,
)
ROWS = Task(
    "digits_rows",
    "handwritten digits row by row (scikit-learn), 8 steps of 8 channels, 10 classes",
    load_rows,
    {
        **IN_TIME,
        "network": {**IN_TIME["network"], "hidden": [300], "time_constant": "device"},
        "encoding": {"name": "current", "hold": 4, "gain": 3.0, "bias": 0.1},
        "training": {"epochs": 30, "batch": 50},
    },
    IN_TIME_BY_RULE,
    parts=_TEST_PART,
)
TASKS = {task.name: task for task in (DIGITS, ROWS)}
