"""Two Japanese vowels said by nine men: who speaks? 12 channels, 7 to 29 steps.

M. Kudo, J. Toyama and M. Shimbo, Pattern Recognition Letters 20, 1103 (1999): coefficients of a
linear prediction of the sound. 270 samples to learn from and 370 to test, which the package `aeon`
brings with it; no download.
"""

from __future__ import annotations

from numpy.random import Generator

from hil.tasks import arrays
from hil.tasks.samples import CHANNELS_FIRST
from hil.tasks.task import IN_TIME, IN_TIME_BY_RULE, Data, Task


def load(rng: Generator, validation_fraction: float) -> Data:
    """Load the data set.

    Args:
        rng: Draws the validation part; the test part is always the same.
        validation_fraction: Share of the training samples set aside for validation.

    Returns:
        270 signals to train and validate with and 370 to test, float32.

    Raises:
        ValueError: When the package that brings them is not installed.
    """
    try:
        from aeon.datasets import load_japanese_vowels
    except ImportError:
        raise ValueError(
            "task japanese_vowels comes with the package aeon, which is missing: "
            'pip install "spikeloop[aeon]"'
        ) from None
    x, y = load_japanese_vowels(split="TRAIN")
    test = load_japanese_vowels(split="TEST")
    given = arrays.collect_arrays(x, y, test=test, layout=CHANNELS_FIRST)
    return arrays.build_data(given, rng, validation_fraction)


TASK = Task(
    "japanese_vowels",
    "two vowels by who says them (with the package aeon), 12 channels of 7 to 29 steps, 9 classes",
    load,
    {
        **IN_TIME,
        "network": {**IN_TIME["network"], "time_constant": "device"},
        "encoding": {"name": "receptive_fields", "fields": 5, "gain": 2.0, "hold": 2},
        "training": {"epochs": 60, "batch": 15},
    },
    IN_TIME_BY_RULE,
)
