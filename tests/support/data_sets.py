"""What tests of tasks share: raw arrays of a data set, and the multiset of their rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

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


def write_xor(folder: Path, train: int = 320, test: int = 160) -> str:
    """Write samples to train and to test with, of 16 inputs and 2 classes.

    Returns:
        The task, `npz:FILE`.
    """
    bits = np.random.default_rng(0).integers(0, 2, (train + test, 2))
    x = np.repeat(np.hstack([bits, 1 - bits]), 4, axis=1).astype(np.float32)
    y = bits[:, 0] ^ bits[:, 1]
    parts = {"x_train": x[:train], "y_train": y[:train], "x_test": x[train:], "y_test": y[train:]}
    np.savez(folder / "xor.npz", **parts)
    return f"npz:{folder / 'xor.npz'}"
