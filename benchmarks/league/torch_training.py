"""The training step of those who build on PyTorch: what they share, all but their neurons."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from league.entrant import Entrant, Ready
from league.network import DECAY, KAPPA, LEARNING_RATE, Network

WEIGHT_DECAY = 0.1  # as in ours

Layer = Callable[[Any], Any]
"""Neurons of a layer over time: from input `(T, B, n)` to spikes of that shape, from reset."""


def entrant(
    name: str, package: str, neurons: str, build: Callable[[int], Layer], gain: float
) -> Entrant:
    """Someone who trains by backpropagation through time with autograd.

    Args:
        name: What the table calls it.
        package: Its distribution.
        neurons: Which of its neurons, in a few words.
        build: Makes a layer of so many of them.
        gain: What a weight of 1 is to them. They leak, add the input and fire; the network of the
            league adds, leaks and fires, so that an input counts for one leak less here.
    """

    def prepare(network: Network) -> Ready:
        return _trained(network, build, gain * DECAY)

    return Entrant(
        name, "training step", f"bptt by autograd, {neurons}", (package, "torch"), prepare
    )


def without_samna() -> None:
    """Keep samna, the driver of SynSense's boards, from being imported.

    Sinabs and Rockpool look for it, and it then installs itself anew from an index of its own.
    """
    sys.modules.setdefault("samna", None)  # type: ignore[arg-type]


def _trained(network: Network, build: Callable[[int], Layer], gain: float) -> Ready:
    """Forward, loss, backward, optimiser. A layer is multiplied for all steps at once."""
    torch: Any = import_module("torch")
    torch.set_num_threads(network.threads)
    weights = [torch.nn.Parameter(torch.from_numpy(w * np.float32(gain))) for w in network.weights]
    layers = [build(size) for size in network.layers[1:]]
    x = torch.from_numpy(network.raster.astype(np.float32))
    labels = torch.from_numpy(network.labels)
    optimiser = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

    def forward() -> Any:
        spikes = x
        for matrix, layer in zip(weights, layers, strict=True):
            spikes = layer(spikes @ matrix)
        return spikes

    def step() -> None:
        optimiser.zero_grad()
        logits = KAPPA * forward().mean(0)
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimiser.step()

    def spikes() -> NDArray[np.bool_]:
        with torch.no_grad():
            found: NDArray[np.bool_] = forward().numpy() > 0
        return found

    return Ready(work=step, samples=network.batch, spikes=spikes)
