"""From what a device recorded of a layer to what a probe asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.contract.messages import Probe


def answer(
    probe: Probe, trace: NDArray[np.generic], lengths: NDArray[np.int64] | None = None
) -> NDArray[np.generic]:
    """Answer a probe from a trace of every step.

    Args:
        probe: The probe.
        trace: Its quantity in every neuron of its layer at the end of every step, `(T, B, n_l)`.
        lengths: `Stimulus.lengths`.

    Returns:
        `(T // every, B, k)`, or `(B, k)` where the probe reduces; float32 for a mean.
    """
    return reduce_samples(probe, trace[probe.every - 1 :: probe.every], lengths)


def reduce_samples(
    probe: Probe, samples: NDArray[np.generic], lengths: NDArray[np.int64] | None = None
) -> NDArray[np.generic]:
    """Answer a probe from samples that were taken at its interval: pick neurons, and reduce.

    Args:
        probe: The probe.
        samples: Its quantity in every neuron of its layer, `(T // every, B, n_l)`.
        lengths: `Stimulus.lengths`.

    Returns:
        `(T // every, B, k)`, or `(B, k)` where the probe reduces; float32 for a mean.
    """
    if probe.neurons is not None:
        samples = samples[:, :, list(probe.neurons)]
    if lengths is None:
        if probe.reduce == "mean":
            return np.asarray(samples.mean(axis=0, dtype=np.float32))
        return samples[-1] if probe.reduce == "last" else samples
    counts = lengths // probe.every
    own = np.arange(len(samples))[:, np.newaxis, np.newaxis] < counts[:, np.newaxis]
    if probe.reduce == "mean":
        return np.asarray(samples.mean(axis=0, dtype=np.float32, where=own))
    if probe.reduce == "last":
        return np.asarray(samples[counts - 1, np.arange(len(counts))])
    return np.where(own, samples, np.zeros((), samples.dtype))
