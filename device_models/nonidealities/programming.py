"""Tier 2, drawn at each write: what a synapse stores of the weight that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from device_models.nonidealities.nonideality import nonideality


@dataclass(frozen=True)
class Programming:
    """How weights are stored. Every non-ideality is 0 on an ideal chip, but for conditions.

    Attributes:
        weight_grid: The storable values, in full scales, ascending within [-1, 1]; empty for an
            even grid (`weight_bits`) or none. A severity of 0 removes it, no other acts on it.

    Raises:
        ValueError: For a grid that is not ascending, out of range or next to `weight_bits`.
    """

    weight_bits: int = nonideality(
        0,
        "bit",
        0,
        16,
        "Resolution of stored weights, sign included: 2^bits - 1 values; 0 is exact.",
        severity="bits",
    )
    programming_noise: float = nonideality(
        0.0, "full scale", 0.0, 0.5, "Standard deviation of a programmed weight about its target."
    )
    programming_noise_relative: float = nonideality(
        0.0, "target", 0.0, 1.0, "Further such noise, in proportion to the size of the target."
    )
    update_nonlinearity: float = nonideality(
        0.0, "", 0.0, 1.0, "Share of an update step that is lost at the bound it goes towards."
    )
    update_asymmetry: float = nonideality(
        0.0, "", 0.0, 1.0, "Share of an update step that is lost when it goes down."
    )
    differential: int = nonideality(
        0, "", 0, 1, "Whether a weight is a difference of two cells, one at its least.", "fixed"
    )
    drift: float = nonideality(
        0.0, "", 0.0, 1.0, "Exponent of the power law by which a cell drifts after a write."
    )
    drift_cv: float = nonideality(
        0.0, "", 0.0, 2.0, "Coefficient of variation of that exponent over cells."
    )
    drift_start: float = nonideality(
        20.0,
        "s",
        1e-6,
        1e9,
        "Age of a cell, after a write, that drift counts from.",
        severity="fixed",
    )
    retention: float = nonideality(
        0.0, "1/s", 0.0, 1e6, "Rate at which what a cell stores decays to 0 after a write."
    )
    run_seconds: float = nonideality(
        1.0, "s", 0.0, 1e9, "Time that passes on the chip with each run.", severity="fixed"
    )
    weight_grid: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a grid that is none."""
        grid = self.weight_grid
        if grid and self.weight_bits:
            raise ValueError(
                f"weight_bits = {self.weight_bits} on a chip with {len(grid)} given weights: "
                "set weight_bits to 0, or give no weight_grid"
            )
        ascending = all(low < high for low, high in pairwise(grid))
        if grid and not (len(grid) > 1 and ascending and grid[0] >= -1 and grid[-1] <= 1):
            raise ValueError(
                f"weight_grid of {len(grid)} values from {grid[0]:g} to {grid[-1]:g}: "
                "give two or more, each above the one before, from -1 to 1"
            )

    @property
    def levels(self) -> int | None:
        """Number of stored values, even and symmetric about zero; None when they are not."""
        return None if self.weight_bits == 0 else max(3, 2**self.weight_bits - 1)
