"""Stored weights: their resolution, and what the synapses make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.characterisation.bench import Bench
from hil.characterisation.estimators import Array
from hil.characterisation.measurements.synapses import (
    WRITES,
    MembraneMeasurement,
    amplitudes_of,
)

Matrix = NDArray[np.float32]

# Stored values that are compared with what synapses transmit, and how often each write is read.
VALUES = 8
READS = 2
# Synapses that transmit less of the largest weight than this, or more by as much, tell nothing.
TRANSMITTED = 0.5
# Full scale of a usual projection, times the root of its fan-in.
USUAL = 4.0


@dataclass(frozen=True)
class Storage:
    """How one projection stores weights.

    Attributes:
        grid: The storable values in full scales, ascending; empty when they are continuous.
        asked: Weights that were asked for, in full scales.
        stored: What the device said it stored, in full scales.
        realised: What its synapses transmit, in full scales, by the gain that they have at the
            largest weight; None where membranes are not shown.
        noise: Standard deviation of a programmed weight: of one near 0, in full scales, and what
            adds to it in proportion to the weight; None where membranes do not show it.
    """

    grid: tuple[float, ...]
    asked: tuple[float, ...]
    stored: tuple[float, ...]
    realised: tuple[float, ...] | None
    noise: tuple[float, float] | None

    @property
    def bits(self) -> int | None:
        """The resolution as `2^bits - 1` even values; 0 is continuous; None is another grid."""
        if not self.grid:
            return 0
        bits = int(np.log2(len(self.grid) + 1))
        even = np.allclose(self.grid, np.linspace(-1, 1, len(self.grid)), atol=1e-3)
        return bits if 2**bits - 1 == len(self.grid) and even else None


def measure(bench: Bench, membranes: MembraneMeasurement | None) -> Storage:
    """Measure how the first projection stores weights.

    Args:
        bench: The bench.
        membranes: What is known of the first layer.
    """
    n_pre, size = bench.layers[:2]
    grid = _grid(bench)
    weight = bench.scale(0, 1.0 if membranes is None else membranes.weight)
    bench.map([bench.scale(p, weight if p == 0 else 1.0) for p in range(bench.depth)])
    asked = -np.linspace(1, VALUES, VALUES) / VALUES
    column = np.resize(asked, n_pre).astype(np.float32)
    matrix = np.repeat(column[:, None] * weight, size, axis=1)
    kept = bench.device.write_weights(0, matrix)
    stored = [float(np.mean(kept[k::VALUES]) / weight) for k in range(min(VALUES, n_pre))]
    realised, noise = None, None
    if membranes is not None:
        transmitted = _transmitted(bench, membranes, matrix) / weight
        transmitted[..., membranes.dead | membranes.tonic] = np.nan
        levels = [transmitted[:, :, k::VALUES] for k in range(len(stored))]
        realised = tuple(float(np.nanmedian(level)) for level in levels)
        if abs(realised[-1] / stored[-1] - 1) < TRANSMITTED:
            noise = _noise(np.array(stored), np.array([_scatter(level) for level in levels]))
    return Storage(
        grid=grid,
        asked=tuple(float(v) for v in asked[: len(stored)]),
        stored=tuple(stored),
        realised=realised,
        noise=noise,
    )


def _transmitted(bench: Bench, membranes: MembraneMeasurement, matrix: Matrix) -> Array:
    """What synapses make of weights each time that they are written and read, `(W, R, B, n)`."""
    gain = membranes.gain.value[: bench.batch]
    writes = []
    for _ in range(WRITES):
        bench.device.write_weights(0, np.zeros_like(matrix))  # programs every cell anew
        bench.device.write_weights(0, matrix)
        writes.append([amplitudes_of(bench, membranes) / gain for _ in range(READS)])
    return np.array(writes)


def _scatter(transmitted: Array) -> float:
    """Variance from write to write `(W, R, ...)`, beside what varies between reads of one."""
    reads = np.nanmean(transmitted.var(axis=1, ddof=1))
    return float(np.nanmean(transmitted.mean(axis=1).var(axis=0, ddof=1)) - reads / READS)


def _noise(stored: Array, variances: Array) -> tuple[float, float]:
    """Noise near 0, and in proportion, by least squares: variances are `a^2 + (b w)^2`."""
    from scipy.optimize import nnls

    found, _ = nnls(np.stack([np.ones_like(stored), stored**2], axis=1), np.maximum(variances, 0))
    absolute, relative = np.sqrt(found)
    return float(absolute), float(relative)


def _grid(bench: Bench) -> tuple[float, ...]:
    """The values that a ramp of weights is stored as, in full scales; none where it is kept."""
    shape = bench.layers[:2]
    weight = bench.scale(0, USUAL / np.sqrt(shape[0]))
    bench.map([bench.scale(p, weight if p == 0 else 1.0) for p in range(bench.depth)])
    ramp = np.linspace(-weight, weight, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    found = np.unique(bench.device.write_weights(0, ramp).round(7)) / weight
    return () if found.size > 0.5 * ramp.size else tuple(float(v) for v in np.clip(found, -1, 1))
