"""What tests of tasks share: raw arrays of a data set, and the multiset of their rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rows(x: NDArray[np.generic]) -> Counter[bytes]:
    return Counter(row.tobytes() for row in x)


def one_line(error: pytest.ExceptionInfo[ValueError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def images(seed: int = 0, shape: tuple[int, int] = (5, 7)) -> dict[str, NDArray[np.uint8]]:
    rng = generator(seed)
    return {
        "x_train": rng.integers(0, 256, (40, *shape), dtype=np.uint8),
        "y_train": np.tile(np.arange(10, dtype=np.uint8), 4),
        "x_test": rng.integers(0, 256, (20, *shape), dtype=np.uint8),
        "y_test": np.tile(np.arange(10, dtype=np.uint8), 2),
    }
