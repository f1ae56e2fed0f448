"""Initial weights by measured response: hidden layers begin neither silent nor saturated.

A layer that hardly fires, or nearly always does, shows a rule nothing to learn from. A few runs
with the initial weights tell the mean rate of each hidden layer, the first one first; the weights
into one outside the working range are scaled by a common factor until it is inside. That is
layer-wise data-dependent initialisation (D. Mishkin and J. Matas, All you need is a good init,
ICLR 2016) with the device in place of a model. A layer inside the range is left as it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hil import streams
from hil.loop.defaults import Choice

if TYPE_CHECKING:
    from hil.loop.controller import Controller

# Working range of the mean rate of a layer, spikes per step; runs to bring a layer into it.
LOWEST, HIGHEST = 0.02, 0.6
RUNS = 6


def adapt(controller: Controller, x: NDArray[np.float32]) -> list[Choice]:
    """Bring each hidden layer into its working range, before the first step of learning.

    The device holds the initial weights, and afterwards those that are kept.

    Args:
        controller: The controller, its weights written.
        x: Training samples, `(B, n_features)`, of which as many are shown as the device takes in
            a batch.

    Returns:
        What was chosen, a factor for each layer that was brought inside.
    """
    x = x[: min(len(x), controller.config.training.batch)]
    found = [_adapted(controller, x, layer) for layer in range(1, controller.depth)]
    return [choice for choice in found if choice is not None]


def _adapted(controller: Controller, x: NDArray[np.float32], layer: int) -> Choice | None:
    """Scale the weights into one layer; they stay as drawn where no factor helps."""
    projection = layer - 1
    drawn = controller.weights[projection]
    first = rate = _rate(controller, x, layer, 0)
    low, high, factor = 0.0, math.inf, 1.0
    for run in range(1, RUNS):
        if LOWEST <= rate <= HIGHEST:
            break
        low, high = (factor, high) if rate < LOWEST else (low, factor)
        factor = low * 4 if high == math.inf else high / 4 if low == 0 else math.sqrt(low * high)
        _replace(controller, projection, drawn * np.float32(factor))
        rate = _rate(controller, x, layer, run)
    if factor == 1.0:
        return None
    if not LOWEST <= rate <= HIGHEST:
        _replace(controller, projection, drawn)
        return None
    return Choice(
        f"initial weights into hidden layer {layer}",
        f"times {factor:g}",
        f"they gave {first:.3f} spikes a step, and now give {rate:.3f}",
    )


def _replace(controller: Controller, projection: int, weights: NDArray[np.float32]) -> None:
    limit = np.float32(controller.device.network.full_scale[projection])
    controller.weights[projection] = np.clip(weights, -limit, limit)
    controller.session.write(projection, controller.weights[projection])


def _rate(controller: Controller, x: NDArray[np.float32], layer: int, run: int) -> float:
    """Mean rate of a hidden layer, as the host sees it."""
    stimulus = controller.stimulus(x, "response", layer, run)
    trial = streams.trial(controller.config.seed, "response", layer, run)
    readout = controller.session.run(stimulus, controller.observer.probes, trial)
    decoded = controller.observer.decode(readout, stimulus, controller.session.stored)
    return float(decoded.hidden[layer - 1].mean())
