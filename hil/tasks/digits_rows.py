"""The digits of `digits` as signals: row by row from top to bottom, 8 steps of 8 channels.

The split is that of `digits`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.random import Generator

from hil.tasks import digits
from hil.tasks.samples import Samples, Signals
from hil.tasks.task import IN_TIME, IN_TIME_BY_RULE, PARTS, Data, Task


def load(rng: Generator, validation_fraction: float) -> Data:
    """Load the digits row by row.

    Args:
        rng: Draws the validation part; the test part is always the same.
        validation_fraction: Share of the training samples set aside for validation.

    Returns:
        1438 signals to train and validate with and 359 to test, float32.
    """
    data = digits.load(rng, validation_fraction)
    x: dict[str, Any] = {f"x_{part}": _to_rows(getattr(data, f"x_{part}")) for part in PARTS}
    return replace(data, image_shape=None, **x)


def _to_rows(x: Samples) -> Signals:
    assert not isinstance(x, Signals)
    return Signals.of_equal_length(x.reshape(len(x), 8, 8))


TASK = Task(
    "digits_rows",
    "handwritten digits row by row (scikit-learn), 8 steps of 8 channels, 10 classes",
    load,
    {
        **IN_TIME,
        "network": {**IN_TIME["network"], "hidden": [300], "time_constant": "device"},
        "encoding": {"name": "current", "hold": 4, "gain": 3.0, "bias": 0.1},
        "training": {"epochs": 30, "batch": 50},
    },
    IN_TIME_BY_RULE,
)
