"""From a trace of a whole layer to what a probe asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.contract.messages import Probe


def answer(probe: Probe, trace: NDArray[np.generic]) -> NDArray[np.generic]:
    """Pick and reduce what one probe asked for.

    Args:
        probe: The probe.
        trace: Its quantity in every neuron of its layer after every step, `(T, B, n_l)`.

    Returns:
        `(T // every, B, k)`, or `(B, k)` where the probe reduces.
    """
    samples = trace[probe.every - 1 :: probe.every]
    if probe.neurons is not None:
        samples = samples[:, :, list(probe.neurons)]
    if probe.reduce == "mean":
        return np.asarray(samples.mean(axis=0, dtype=np.float32))
    return samples[-1] if probe.reduce == "last" else samples
