"""The lines that carry spikes: how many are lost on the way to the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hil.characterisation.bench import Bench
from hil.characterisation.estimators import Array
from hil.characterisation.relay import MARGIN, Stage, capacity, lay, relays
from hil.statistics import wilson

STEPS = 100
SAMPLES = 32
# A neuron that misses more than this cannot fire whenever an event reaches it.
MISSED = 0.25


def measure(bench: Bench, layer: int, stages: Sequence[Stage]) -> tuple[float, float, float] | None:
    """Share of spikes lost between a layer and the host, where neurons fire at every event.

    Args:
        bench: The bench.
        layer: Layer of neurons, 1 to L.
        stages: The layers up to and with this one.

    Returns:
        The share and its 95 % interval (Wilson); None where the device does not show spikes of the
        layer, or its neurons cannot fire in every step.
    """
    before, own = stages[:-1], stages[-1]
    needed: Array = own.needed
    n_pre = needed.shape[0]
    channels = capacity(bench, before)
    pre = before[-1].live if before else np.arange(n_pre)
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
    lay(bench, chains, largest)
    bench.device.write_weights(layer - 1, weights)
    steps = min(STEPS, bench.device.info.max_steps)
    active = np.ones((min(SAMPLES, bench.batch), bench.layers[0]), bool)
    view = bench.look(layer, active, steps)
    first = bench.first_spike(layer)
    if view.raster is not None:
        counts = view.raster[first:, :, own.live].sum(axis=0, dtype=np.int64)
    elif view.counts is not None:
        counts = view.counts[:, own.live].round().astype(np.int64)
    else:
        return None
    # A neuron that cannot fire in every step says nothing about lines.
    possible = -((first - steps) // bench.period(layer)) * len(counts)
    fired = counts.sum(axis=0)
    steady = fired > (1 - MISSED) * possible
    if not steady.any() or steady.mean() < 0.5:
        return None
    trials = possible * int(steady.sum())
    lost = max(trials - int(fired[steady].sum()), 0)
    low, high = wilson(lost, trials)
    return lost / trials, low, high
