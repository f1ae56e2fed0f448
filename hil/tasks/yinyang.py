"""The Yin-Yang task: 4 features, 3 classes, hard for a network without a hidden layer.

L. Kriener, J. Goeltz and M. A. Petrovici, The Yin-Yang dataset, arXiv:2102.08211 (2021). Points
of a disc are told apart by the part of the yin-yang sign that they lie in; the three parts are
drawn equally often. The samples are the published ones, point for point.
"""

from __future__ import annotations

from math import hypot

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hil.tasks.labels import Labels
from hil.tasks.task import Data, Task

_R_BIG = 0.5  # radius of the sign, whose centre is (0.5, 0.5)
_R_SMALL = 0.1  # radius of the two dots
_DOT = 2


def load(rng: Generator, validation_fraction: float) -> Data:
    """Generate the published data set.

    Args:
        rng: Not used: all three parts are fixed, so that results compare.
        validation_fraction: Not used: the validation part is one of the three.

    Returns:
        5000 training, 1000 validation and 1000 test samples `(x, y, 1 - x, 1 - y)`, float32.
    """
    x_train, y_train = _sample(5000, seed=42)
    x_validation, y_validation = _sample(1000, seed=41)
    x_test, y_test = _sample(1000, seed=40)
    return Data(x_train, y_train, x_validation, y_validation, x_test, y_test, classes=3)


def _sample(size: int, seed: int) -> tuple[NDArray[np.float32], Labels]:
    # The published samples come from numpy's first generator, whose stream is frozen for good.
    rng = np.random.RandomState(seed)
    points = np.empty((size, 2))
    labels = np.empty(size, dtype=np.int64)
    for index in range(size):
        labels[index] = rng.randint(3)
        point = rng.random_sample(2)
        while _part(*point) != labels[index]:
            point = rng.random_sample(2)
        points[index] = point
    return np.hstack([points, 1 - points]).astype(np.float32), labels


def _part(x: float, y: float) -> int | None:
    """The part of the sign at a point: 0 or 1 (the two halves), 2 (a dot), None outside."""
    if hypot(x - _R_BIG, y - _R_BIG) > _R_BIG:
        return None
    to_left_dot = hypot(x - 0.5 * _R_BIG, y - _R_BIG)
    to_right_dot = hypot(x - 1.5 * _R_BIG, y - _R_BIG)
    if to_left_dot < _R_SMALL or to_right_dot < _R_SMALL:
        return _DOT
    in_left_lobe = to_left_dot <= 0.5 * _R_BIG
    in_upper_half = y > _R_BIG and to_right_dot > 0.5 * _R_BIG
    return int(in_left_lobe or in_upper_half)


TASK = Task(
    "yinyang",
    "points of a yin-yang sign by the part they lie in, 3 classes",
    load,
    {
        # Few synapses reach a neuron: the levels of a wide range would be too coarse for them.
        "network": {"hidden": [200], "steps": 50, "full_scale": 8.0},
        "encoding": {"name": "current", "gain": 3.0, "bias": 0.5},
        "homeostasis": {"weight": 0.003},
        "rule": {"name": "adfa", "feedback": "learned"},
        "optimiser": {"name": "adamw", "learning_rate": 1e-2, "weight_decay": 0.01},
        "training": {"epochs": 30, "batch": 50},
    },
    {
        "dfa": {"rule": {"name": "dfa", "feedback": "learned"}},
        "bptt": {"optimiser": {"learning_rate": 3e-3}},
    },
)
