"""The share of spikes that are lost between a layer and the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hil.characterisation.bench import MARGIN, DrivableLayer, LayerBench
from hil.statistics import proportion

STEPS = 100
SAMPLES = 32
# A neuron that misses more than this cannot fire whenever an event reaches it.
MISSED = 0.25


@dataclass(frozen=True)
class SpikeLoss:
    """A share of lost spikes, with its exact 95 % interval.

    Attributes:
        share: In [0, 1].
        low: Lower bound.
        high: Upper bound.
    """

    share: float
    low: float
    high: float


def measure(layer: LayerBench, measured: DrivableLayer) -> SpikeLoss | None:
    """Measure the share of spikes lost on the way to the host, where neurons fire at every event.

    Args:
        layer: The layer.
        measured: What was measured of it.

    Returns:
        The share; None where the device does not show spikes of the layer, or its neurons cannot
        fire in every step.
    """
    bench, live = layer.bench, measured.live
    _drive_all(layer, measured)
    steps = min(STEPS, bench.device.info.capacity.steps)
    active = np.ones((min(SAMPLES, bench.batch), bench.layers[0]), bool)
    counts = layer.record(active, steps).counts
    if counts is None:
        return None
    fired = counts[:, live].round().astype(np.int64).sum(axis=0)
    # A neuron that cannot fire in every step says nothing about lost spikes.
    possible = int(bench.driven_spikes(layer.number)[:steps].sum()) * len(counts)
    is_steady = fired > (1 - MISSED) * possible
    if not is_steady.any() or is_steady.mean() < 0.5:
        return None
    trials = possible * int(is_steady.sum())
    lost = max(trials - int(fired[is_steady].sum()), 0)
    low, high = proportion(lost, trials)
    return SpikeLoss(share=lost / trials, low=low, high=high)


def _drive_all(layer: LayerBench, measured: DrivableLayer) -> None:
    """Write weights by which every live neuron of the layer fires at each event."""
    needed, live = measured.needed, measured.live
    is_driven = np.zeros(needed.shape[0], bool)
    is_driven[layer.sources] = True
    drive = np.nansum(np.where(is_driven[:, None] & (needed > 0), 1 / needed, 0.0), axis=0)[live]
    weights = np.zeros(needed.shape, np.float32)
    weights[np.ix_(is_driven, live)] = (MARGIN / np.maximum(drive, 1e-6)).astype(np.float32)
    # What the full scale cuts must not keep others from firing.
    largest = MARGIN / max(float(np.quantile(drive, 0.02)), 1e-6) if live.size else 1.0
    layer.map(layer.relays_to_all(), largest)
    layer.write(weights)
