"""Tier 1, drawn once per chip: what differs from neuron to neuron and from synapse to synapse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_models.generators import generator
from device_models.nonidealities.nonideality import nonideality


@dataclass(frozen=True)
class FixedPattern:
    """Mismatch that manufacturing left. Every non-ideality is 0 on an ideal chip.

    Factors are log-normal with mean 1, so that a gain never changes its sign; offsets are normal,
    cut at three standard deviations.
    """

    threshold_cv: float = nonideality(
        0.0, "", 0.0, 2.0, "Coefficient of variation of the firing threshold over neurons."
    )
    reset_sd: float = nonideality(
        0.0, "threshold", 0.0, 0.5, "Standard deviation of the reset potential over neurons."
    )
    leak_cv: float = nonideality(
        0.0, "", 0.0, 2.0, "Coefficient of variation of the leak conductance (1/tau) over neurons."
    )
    synapse_tau_cv: float = nonideality(
        0.0, "", 0.0, 2.0, "Coefficient of variation of synaptic time constants over neurons."
    )
    refractory_cv: float = nonideality(
        0.0, "", 0.0, 2.0, "Coefficient of variation of the refractory time over neurons."
    )
    bias_sd: float = nonideality(
        0.0,
        "threshold",
        0.0,
        1.0,
        "Standard deviation of where a bias current holds the membrane without input.",
    )
    gain_cv: float = nonideality(
        0.0, "", 0.0, 2.0, "Coefficient of variation of the input gain over neurons."
    )
    weight_cv: float = nonideality(
        0.0, "", 0.0, 2.0, "Coefficient of variation of the gain over synapses."
    )
    delay_sd: float = nonideality(
        0.0,
        "s",
        0.0,
        1.0,
        "Standard deviation of the delay over those synapses that have one, in whole steps.",
    )
    dead_fraction: float = nonideality(
        0.0,
        "",
        0.0,
        1.0,
        "Chance that a hidden neuron is dead: its membrane rests and it never fires.",
    )
    tonic_fraction: float = nonideality(
        0.0, "", 0.0, 1.0, "Chance that a hidden neuron fires all the time, by itself."
    )
    dead_cells: float = nonideality(
        0.0, "", 0.0, 1.0, "Chance that a synapse transmits nothing, whatever is written."
    )
    on_cells: float = nonideality(
        0.0, "", 0.0, 1.0, "Chance that a synapse is at plus or minus its full scale for good."
    )
    stuck_cells: float = nonideality(
        0.0, "", 0.0, 1.0, "Chance that a synapse keeps a value of its own for good."
    )
    trim_bits: int = nonideality(
        0,
        "bit",
        0,
        16,
        "Resolution of settings that a host may choose for each neuron; 0 offers none.",
        severity="fixed",
    )


def factors(
    chip: int, name: str, layer: int, size: int | tuple[int, int], cv: float
) -> NDArray[np.float32]:
    """Log-normal factors with mean 1 and the given coefficient of variation.

    Args:
        chip: Chip seed.
        name: What varies; each name has a pattern of its own.
        layer: Layer (or projection) it belongs to.
        size: How many, or a shape.
        cv: Standard deviation over mean.
    """
    if cv == 0.0:
        return np.ones(size, dtype=np.float32)
    sigma = np.sqrt(np.log1p(cv**2))
    normal = generator(chip, name, layer).standard_normal(size, dtype=np.float32)
    drawn: NDArray[np.float32] = np.exp(np.float32(sigma) * normal - np.float32(sigma**2 / 2))
    return drawn


def offsets(
    chip: int, name: str, layer: int, size: int | tuple[int, int], sd: float
) -> NDArray[np.float32]:
    """Normal offsets of mean 0 and the given standard deviation, cut at three of them."""
    normal = generator(chip, name, layer).standard_normal(size, dtype=np.float32)
    return np.clip(normal, -3, 3) * np.float32(sd)


def chosen(chip: int, name: str, layer: int, size: int, fraction: float) -> NDArray[np.bool_]:
    """Which of a layer have a defect, `(size,)`. A higher fraction keeps those of a lower."""
    return generator(chip, name, layer).random(size) < fraction
