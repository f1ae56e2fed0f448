"""SuperNeuroMAT, the matrix simulator of Oak Ridge National Laboratory, one sample a run.

Its neuron leaks by a constant and is reset to 0, so its spikes are others.
"""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from league.entrant import Entrant, Ready
from league.network import Network

LEAK = 0.02  # of a threshold, in each step


def _prepared(network: Network) -> Ready:
    snn: Any = import_module("superneuromat").SNN()
    snn.backend, snn.stdp = "cpu", False
    ends = np.cumsum([0, *network.layers]).tolist()
    layers = [slice(first, end) for first, end in pairwise(ends)]
    for layer, size in enumerate(network.layers):
        for _ in range(size):
            snn.create_neuron(threshold=1.0 if layer else 0.0, leak=LEAK if layer else 0.0)
    for (sources, targets), weights in zip(pairwise(layers), network.weights, strict=True):
        for (pre, post), weight in np.ndenumerate(weights):
            snn.create_synapse(sources.start + pre, targets.start + post, weight=float(weight))

    def run(sample: int = 0) -> None:
        snn.reset()
        for tick, channel in np.argwhere(network.raster[:, sample]).tolist():
            snn.add_spike(tick, channel)
        snn.simulate(network.steps)

    def spikes() -> NDArray[np.bool_]:
        run()
        found: NDArray[np.bool_] = snn.ispikes[:, layers[-1]][:, np.newaxis]
        return found > 0

    return Ready(work=run, samples=1, spikes=spikes)


ENTRANTS = (
    Entrant(
        "SuperNeuroMAT",
        "emulation",
        "a matrix of all neurons, a run for each sample",
        ("superneuromat",),
        _prepared,
        other="linear leak, hard reset",
    ),
)
