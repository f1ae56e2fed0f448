"""The share of spikes that are lost between a layer and the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.characterisation.bench import MARGIN, Bench
from hil.characterisation.estimators import Array
from hil.characterisation.relay import MeasuredLayer, capacity, relays, write_relays
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


def measure(bench: Bench, layer: int, measured: Sequence[MeasuredLayer]) -> SpikeLoss | None:
    """Share of spikes lost between a layer and the host, where neurons fire at every event.

    Args:
        bench: The bench.
        layer: Layer of neurons, 1 to L.
        measured: The layers up to and with this one.

    Returns:
        The share; None where the device does not show spikes of the layer, or its neurons cannot
        fire in every step.
    """
    _drive_all(bench, layer, measured)
    steps = min(STEPS, bench.device.info.capacity.steps)
    active = np.ones((min(SAMPLES, bench.batch), bench.layers[0]), bool)
    recording = bench.record(layer, active, steps)
    live, fires = measured[-1].live, bench.fired(layer)[:steps]
    if recording.raster is not None:
        counts = recording.raster[:, :, live].sum(axis=0, dtype=np.int64)
    elif recording.counts is not None:
        counts = recording.counts[:, live].round().astype(np.int64)
    else:
        return None
    # A neuron that cannot fire in every step says nothing about lost spikes.
    possible = int(fires.sum()) * len(counts)
    fired = counts.sum(axis=0)
    steady = fired > (1 - MISSED) * possible
    if not steady.any() or steady.mean() < 0.5:
        return None
    trials = possible * int(steady.sum())
    lost = max(trials - int(fired[steady].sum()), 0)
    low, high = proportion(lost, trials)
    return SpikeLoss(share=lost / trials, low=low, high=high)


def _drive_all(bench: Bench, layer: int, measured: Sequence[MeasuredLayer]) -> None:
    """Write weights by which every live neuron of the layer fires at each event."""
    before, own = measured[:-1], measured[-1]
    needed: Array = own.needed
    n_pre = needed.shape[0]
    channels = capacity(bench, before)
    pre: NDArray[np.int64] = before[-1].live if before else np.arange(n_pre)
    chains = relays(bench, before, [pre[i::channels] for i in range(channels)]) if before else []
    driven = np.zeros(n_pre, bool)
    driven[pre] = True
    drive = np.nansum(np.where(driven[:, None] & (needed > 0), 1 / needed, 0.0), axis=0)
    weights = np.zeros(needed.shape, np.float32)
    weights[np.ix_(driven, own.live)] = (MARGIN / np.maximum(drive[own.live], 1e-6)).astype(
        np.float32
    )
    # What the full scale cuts must not keep others from firing.
    largest = (
        MARGIN / max(float(np.quantile(drive[own.live], 0.02)), 1e-6) if own.live.size else 1.0
    )
    write_relays(bench, chains, largest)
    bench.device.write_weights(layer - 1, weights)
