"""Handwritten digits of 8x8 pixels, which come with scikit-learn: 1797 samples, no download.

Which samples are the test part is drawn once and for all, from the generator of seed 1797: 359 of
them, in the same mix of digits as the rest, and not the last 359 of scikit-learn's list.
`hil.tasks.load("digits")` gives the three parts, and `hil.tasks.save("digits", "digits.npz")`
writes them to a file for other programs.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), its test part.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from hil.tasks.task import Data, Task, stratified_split

_TEST_FRACTION = 0.2
_TEST_SEED = 1797


def load(rng: Generator, validation_fraction: float) -> Data:
    """Load the digits.

    Args:
        rng: Draws the validation part; the test part is always the same.
        validation_fraction: Share of the training samples set aside for validation.

    Returns:
        1438 samples to train and validate with and 359 to test, float32.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = (bunch.data / 16).astype(np.float32)  # pixels are counts of 0 to 16
    y = bunch.target.astype(np.int64)
    known, test = stratified_split(y, _TEST_FRACTION, np.random.default_rng(_TEST_SEED))
    rest, validation = stratified_split(y[known], validation_fraction, rng)
    return Data(
        x_train=x[known][rest],
        y_train=y[known][rest],
        x_validation=x[known][validation],
        y_validation=y[known][validation],
        x_test=x[test],
        y_test=y[test],
        classes=10,
        image_shape=(8, 8),
    )


TASK = Task(
    "digits",
    "handwritten digits of 8x8 pixels (scikit-learn), 10 classes",
    load,
    {"network": {"hidden": [200]}, "training": {"epochs": 30, "batch": 50}},
)
