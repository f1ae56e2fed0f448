"""Stored weights: their resolution, and what the synapses make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.characterisation import estimators
from hil.characterisation.bench import LayerBench, Matrix
from hil.characterisation.estimators import Array
from hil.characterisation.measurements.membranes import WRITES, MembraneMeasurement

# Stored values that are compared with what synapses transmit, and how often each write is read.
VALUES = 8
READS = 2
# Synapses that transmit less of the largest weight than this, or more by as much, tell nothing.
TRANSMITTED = 0.5
# Full scale of a usual projection, times the root of its fan-in.
USUAL = 4.0


@dataclass(frozen=True)
class MeasuredStorage:
    """Storage of the weights of one projection.

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
        is_even = np.allclose(self.grid, np.linspace(-1, 1, len(self.grid)), atol=1e-3)
        return bits if 2**bits - 1 == len(self.grid) and is_even else None


def measure(layer: LayerBench, membranes: MembraneMeasurement | None) -> MeasuredStorage:
    """Measure how the first projection stores weights.

    Args:
        layer: The first layer.
        membranes: What was measured of it.
    """
    n_pre, size = layer.shape
    grid = _measure_grid(layer)
    weight = layer.bench.scale(0, 1.0 if membranes is None else membranes.weight)
    layer.map([], weight)
    asked = -np.linspace(1, VALUES, VALUES) / VALUES
    column = np.resize(asked, n_pre).astype(np.float32)
    matrix = np.repeat(column[:, None] * weight, size, axis=1)
    kept = layer.write(matrix)
    stored = [float(np.mean(kept[k::VALUES]) / weight) for k in range(min(VALUES, n_pre))]
    realised, noise = None, None
    if membranes is not None:
        transmitted = _measure_transmission(layer, membranes, matrix) / weight
        transmitted[..., membranes.dead | membranes.tonic] = np.nan
        levels = [transmitted[:, :, k::VALUES] for k in range(len(stored))]
        realised = tuple(float(np.nanmedian(level)) for level in levels)
        if abs(realised[-1] / stored[-1] - 1) < TRANSMITTED:
            noise = _fit_noise(np.array(stored), np.array([_scatter(level) for level in levels]))
    return MeasuredStorage(
        grid=grid,
        asked=tuple(float(v) for v in asked[: len(stored)]),
        stored=tuple(stored),
        realised=realised,
        noise=noise,
    )


def _measure_transmission(
    layer: LayerBench, membranes: MembraneMeasurement, matrix: Matrix
) -> Array:
    """Weights as synapses transmit them, by write and by read of it, `(W, R, B, n)`."""
    gain = membranes.gain.value[: layer.bench.batch]
    writes = []
    for _ in range(WRITES):
        layer.write(np.zeros_like(matrix))  # programs every cell anew
        layer.write(matrix)
        writes.append([_measure_moves(layer, membranes) / gain for _ in range(READS)])
    return np.array(writes)


def _measure_moves(layer: LayerBench, membranes: MembraneMeasurement) -> Array:
    """Move of the layer by each of the first B inputs, as read, for each event, `(B, n)`."""
    steps = layer.bench.settling_steps(layer.bench.decay)
    sampling = layer.sampling(steps)
    assert sampling is not None
    active = np.eye(layer.bench.layers[0], dtype=bool)[: layer.bench.batch]
    samples = layer.record(active, steps).membrane
    assert samples is not None
    charged = sampling @ estimators.charging_curve(membranes.decay, steps)
    base = membranes.offset.value + charged * membranes.bias.value
    shape = sampling @ estimators.response(membranes.decay, steps, layer.charge_timing)
    return estimators.fit_amplitudes(samples - base[:, None].astype(np.float32), None, shape)


def _scatter(transmitted: Array) -> float:
    """Variance from write to write `(W, R, ...)`, beside what varies between reads of one."""
    reads = np.nanmean(transmitted.var(axis=1, ddof=1))
    return float(np.nanmean(transmitted.mean(axis=1).var(axis=0, ddof=1)) - reads / READS)


def _fit_noise(stored: Array, variances: Array) -> tuple[float, float]:
    """Noise near 0, and in proportion, by least squares: variances are `a^2 + (b w)^2`."""
    from scipy.optimize import nnls

    parts, _ = nnls(np.stack([np.ones_like(stored), stored**2], axis=1), np.maximum(variances, 0))
    absolute, relative = np.sqrt(parts)
    return float(absolute), float(relative)


def _measure_grid(layer: LayerBench) -> tuple[float, ...]:
    """The values that a ramp of weights is stored as, in full scales; none where it is kept."""
    n_pre, size = layer.shape
    weight = layer.bench.scale(0, USUAL / np.sqrt(n_pre))
    layer.map([], weight)
    ramp = np.linspace(-weight, weight, n_pre * size, dtype=np.float32).reshape(n_pre, size)
    values = np.unique(layer.write(ramp).round(7)) / weight
    return () if values.size > 0.5 * ramp.size else tuple(float(v) for v in np.clip(values, -1, 1))
