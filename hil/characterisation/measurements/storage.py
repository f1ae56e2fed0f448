"""Stored weights: their resolution, and what the synapses make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.characterisation.bench import Bench
from hil.characterisation.measurements.synapses import MembraneMeasurement, amplitudes_of

# Stored values that are compared with what synapses transmit.
VALUES = 8
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
    """

    grid: tuple[float, ...]
    asked: tuple[float, ...]
    stored: tuple[float, ...]
    realised: tuple[float, ...] | None

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
    kept = bench.device.write_weights(0, np.repeat(column[:, None] * weight, size, axis=1))
    stored = [float(np.mean(kept[k::VALUES]) / weight) for k in range(min(VALUES, n_pre))]
    realised = None
    if membranes is not None:
        transmitted = amplitudes_of(bench, membranes) / membranes.gain.value[: bench.batch] / weight
        transmitted[:, membranes.dead | membranes.tonic] = np.nan
        realised = tuple(float(np.nanmedian(transmitted[k::VALUES])) for k in range(len(stored)))
    return Storage(
        grid=grid,
        asked=tuple(float(v) for v in asked[: len(stored)]),
        stored=tuple(stored),
        realised=realised,
    )


def _grid(bench: Bench) -> tuple[float, ...]:
    """The values that a ramp of weights is stored as, in full scales; none where it is kept."""
    shape = bench.layers[:2]
    weight = bench.scale(0, USUAL / np.sqrt(shape[0]))
    bench.map([bench.scale(p, weight if p == 0 else 1.0) for p in range(bench.depth)])
    ramp = np.linspace(-weight, weight, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    found = np.unique(bench.device.write_weights(0, ramp).round(7)) / weight
    return () if found.size > 0.5 * ramp.size else tuple(float(v) for v in np.clip(found, -1, 1))
