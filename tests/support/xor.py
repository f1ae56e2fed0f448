"""A small task of which no input alone tells the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write(folder: Path) -> str:
    """Write 320 samples to train with and 160 to test, of 16 inputs and 2 classes.

    Returns:
        The task, `npz:FILE`.
    """
    bits = np.random.default_rng(0).integers(0, 2, (480, 2))
    x = np.repeat(np.hstack([bits, 1 - bits]), 4, axis=1).astype(np.float32)
    y = bits[:, 0] ^ bits[:, 1]
    parts = {"x_train": x[:320], "y_train": y[:320], "x_test": x[320:], "y_test": y[320:]}
    np.savez(folder / "xor.npz", **parts)
    return f"npz:{folder / 'xor.npz'}"
