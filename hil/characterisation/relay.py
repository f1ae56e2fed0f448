"""Relays: chains of single, strong synapses that drive neurons behind the first layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.characterisation.bench import MARGIN, Bench
from hil.characterisation.estimators import Array

# Share of that which a device may store of it.
ENOUGH = 0.6
# Largest weight of a relay beside the usual one; a synapse that needs more is left out.
LARGEST = 20.0


@dataclass(frozen=True)
class MeasuredLayer:
    """What driving the next layer needs to know of a layer of n neurons that was measured.

    Attributes:
        needed: `(n_pre, n)`, weight whose event brings the neuron from rest to its threshold; NaN
            for a synapse that cannot.
        live: Indices of the neurons that fire when driven, and only then.
    """

    needed: Array
    live: NDArray[np.int64]


def capacity(bench: Bench, measured: Sequence[MeasuredLayer]) -> int:
    """How many neurons of the next measured layer's input can be driven one by one at once."""
    return min([bench.layers[0], bench.batch, *(layer.live.size for layer in measured[:-1])])


def relays(
    bench: Bench, measured: Sequence[MeasuredLayer], targets: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.float32]]:
    """Weights by which input channel i alone makes the neurons `targets[i]` fire in every step.

    Args:
        bench: The bench.
        measured: The layers measured so far, the last one holding the targets.
        targets: Neurons of the last of them for each channel, at most `capacity` of them.

    Returns:
        One matrix for each projection up to the last measured layer; empty for none.
    """
    weights = []
    for p, layer in enumerate(measured):
        matrix = np.zeros(layer.needed.shape, np.float32)
        usual = float(np.nanmedian(layer.needed)) if np.isfinite(layer.needed).any() else 1.0
        for channel, last in enumerate(targets):
            pre = channel if p == 0 else int(measured[p - 1].live[channel])
            post = last if p == len(measured) - 1 else layer.live[channel : channel + 1]
            needed = layer.needed[pre, post]
            with np.errstate(invalid="ignore"):
                usable = (needed > 0) & (needed < LARGEST * usual)
            matrix[pre, post] = np.where(usable, MARGIN * needed, 0.0)
        weights.append(matrix)
    return weights


def reach(chains: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Which neurons of the last measured layer each input makes fire, `(n_in, n)`."""
    reached = np.asarray(chains[0] != 0)
    for matrix in chains[1:]:
        reached = reached @ (matrix != 0)
    return reached


def write_relays(bench: Bench, weights: Sequence[NDArray[np.float32]], largest: float) -> None:
    """Map the network anew, with relays written and room for a projection behind them.

    Args:
        bench: The bench.
        weights: The relays.
        largest: Largest |weight| that the projection behind them will hold.
    """
    scales = [float(np.abs(matrix).max(initial=0)) or 1.0 for matrix in weights]
    scales += [largest] + [1.0] * (bench.depth - len(weights) - 1)
    bench.map([bench.scale(p, scale) for p, scale in enumerate(scales)])
    for p, matrix in enumerate(weights):
        stored = bench.device.write_weights(p, matrix)
        weak = stored < ENOUGH * matrix
        if weak.any():
            # No storable value is close enough: a stronger weight also works, a weaker one fails.
            bench.device.write_weights(p, np.where(weak, np.float32(scales[p]), matrix))
