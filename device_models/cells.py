"""Tier 1 of the synapses, drawn once per chip: gains, cells that no write reaches, delays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.generators import generator
from device_models.nonidealities.fixed_pattern import FixedPattern, chosen, factors, offsets


@dataclass(frozen=True)
class Cells:
    """The synapses of one projection.

    Attributes:
        gain: Gain of each synapse `(n_pre, n_post)` float32; None when all are 1.
        frozen: Flat positions `(k,)` int64 of cells that no write changes, ascending.
        value: What those hold, `(k,)` float32, in full scales.
        late: Seconds that each synapse adds to its delay, where it has one, `(n_pre, n_post)`
            float32; None when none does.
    """

    gain: NDArray[np.float32] | None
    frozen: NDArray[np.int64]
    value: NDArray[np.float32]
    late: NDArray[np.float32] | None = None


def draw_cells(chip: int, projection: int, shape: tuple[int, int], spread: FixedPattern) -> Cells:
    """Draw the synapses of one projection of a chip.

    A higher fraction of a defect keeps the cells of a lower one, with their values. A cell drawn
    for several defects has the first of dead, on and stuck.

    Args:
        chip: Chip seed.
        projection: Which projection, from 0.
        shape: `(n_pre, n_post)`.
        spread: The non-idealities `weight_cv`, `delay_sd`, `dead_cells`, `on_cells` and
            `stuck_cells`.
    """
    gain = late = None
    if spread.weight_cv:
        gain = factors(chip, "weight_cv", projection, shape, spread.weight_cv)
    if spread.delay_sd:
        late = offsets(chip, "delay_sd", projection, shape, spread.delay_sd)
    if not (spread.dead_cells or spread.on_cells or spread.stuck_cells):
        return Cells(gain, np.empty(0, np.int64), np.empty(0, np.float32), late)

    size = shape[0] * shape[1]
    # Every cell has a value of its own, so that it does not depend on how many are defective.
    own = generator(chip, "cell_value", projection).uniform(-1, 1, size).astype(np.float32)
    held = np.full(size, np.nan, np.float32)
    for name, values in (
        ("stuck_cells", own),
        ("on_cells", np.copysign(np.float32(1), own)),
        ("dead_cells", np.zeros_like(own)),
    ):
        fraction: float = getattr(spread, name)
        if fraction:
            np.copyto(held, values, where=chosen(chip, name, projection, size, fraction))
    frozen = np.flatnonzero(~np.isnan(held))
    return Cells(gain, frozen, held[frozen], late)
