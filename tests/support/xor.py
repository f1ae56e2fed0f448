"""A small task of which no input alone tells the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write(folder: Path, train: int = 320, test: int = 160) -> str:
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
