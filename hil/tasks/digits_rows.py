"""The digits of `digits` as signals: row by row from top to bottom, 8 steps of 8 channels.

The split is that of `digits`.
"""

from __future__ import annotations

from numpy.random import Generator

from hil.tasks import digits, suited
from hil.tasks.samples.preparation import Samples
from hil.tasks.samples.signals import Signals
from hil.tasks.task import Data, Task


def load(rng: Generator, validation_fraction: float) -> Data:
    """Load the digits row by row.

    Args:
        rng: Draws the validation part; the test part is always the same.
        validation_fraction: Share of the training samples set aside for validation.

    Returns:
        1438 signals to train and validate with and 359 to test, float32.
    """
    data = digits.load(rng, validation_fraction)
    return Data(
        x_train=_rows(data.x_train),
        y_train=data.y_train,
        x_validation=_rows(data.x_validation),
        y_validation=data.y_validation,
        x_test=_rows(data.x_test),
        y_test=data.y_test,
        classes=data.classes,
    )


def _rows(x: Samples) -> Signals:
    assert not isinstance(x, Signals)
    return Signals.whole(x.reshape(len(x), 8, 8))


TASK = Task(
    "digits_rows",
    "handwritten digits row by row (scikit-learn), 8 steps of 8 channels, 10 classes",
    load,
    {
        **suited.IN_TIME,
        "network": {**suited.IN_TIME["network"], "hidden": [300], "time_constant": "device"},
        "encoding": {"name": "current", "hold": 4, "gain": 3.0, "bias": 0.1},
        "training": {"epochs": 30, "batch": 50},
    },
    suited.IN_TIME_BY_RULE,
)
