"""Crossbars to test, and weights to write to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device_models.crossbar import Crossbar
from device_models.mismatch import draw_cells
from device_models.nonidealities import FixedPattern, Programming
from device_models.places import Places

SHAPE = (120, 100)
FULL_SCALE = 0.5
EVERYTHING = Programming(
    weight_bits=6,
    programming_noise=0.02,
    programming_noise_relative=0.1,
    update_nonlinearity=0.6,
    update_asymmetry=0.2,
    differential=1,
    drift=0.05,
    drift_cv=0.3,
    retention=1e-4,
    run_seconds=1.0,
)
DEFECTIVE = FixedPattern(weight_cv=0.2, dead_cells=0.02, on_cells=0.02, stuck_cells=0.02)


def crossbar(
    programming: Programming,
    pattern: FixedPattern | None = None,
    chip: int = 3,
    projection: int = 0,
    full_scale: float = FULL_SCALE,
) -> Crossbar:
    cells = draw_cells(chip, projection, Places(SHAPE), pattern or FixedPattern())
    return Crossbar(Places(SHAPE), full_scale, programming, cells, chip, projection)


def weights(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.2, SHAPE).astype(np.float32)
