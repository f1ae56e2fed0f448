"""Delays of a model in whole steps, as far as a device has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers import Capacity
from hil.exchange.model import Model
from hil.exchange.nir_file import Refused
from hil.exchange.synapses import Synapses

WHOLE = 1e-3  # of a step, by which a delay may be off a whole number of them without a word
WITHOUT = "network.delays=0 leaves delays out"


def in_steps(
    model: Model, weights: Sequence[NDArray[np.float32]], room: Capacity
) -> list[int | NDArray[np.int64]]:
    """Delays of each projection, one for all of it or `(n_pre, n_post)`.

    Args:
        model: The model.
        weights: Those of each projection as they are laid on the device, with what stands for
            biases in the last row and column.
        room: What the device has room for.

    Raises:
        Refused: Naming a node whose delay the device cannot have.
    """
    return [
        0 if synapses is None else _placed(model, synapses, matrix, room)
        for synapses, matrix in zip(model.projections, weights, strict=True)
    ]


def _placed(
    model: Model, synapses: Synapses, weights: NDArray[np.float32], room: Capacity
) -> int | NDArray[np.int64]:
    if not synapses.longest:
        return 0
    before, after = synapses.weights.shape
    found = np.zeros(weights.shape, np.int64)
    found[:before, :after] = model.in_steps(synapses.delays)
    found[before:, :after] = model.in_steps(synapses.bias_delays)
    one = np.unique(found if room.synapse_delays else found[weights != 0])
    told = f"{synapses.slowest[0]} (Delay): {synapses.longest:g} s"
    if len(one) and one[-1] > room.delay:
        most = f"has delays of up to {room.delay}" if room.delay else "has none"
        raise Refused(
            f"{told} are {one[-1]} steps of {model.dt:g} s, and this device {most}: {WITHOUT}"
        )
    if len(one) < 2:
        return int(one.sum())
    if not room.synapse_delays:
        raise Refused(
            f"{told}, and shorter delays of other synapses: this device takes one for all of a "
            f"projection: {WITHOUT}"
        )
    return found


def rounding(model: Model) -> list[str]:
    """What is lost of delays that are no whole numbers of steps, in a sentence; none otherwise."""
    off, name = 0.0, ""
    for each in model.projections:
        for seconds in () if each is None else (each.delays, each.bias_delays):
            most = float(abs(seconds / model.dt - model.in_steps(seconds)).max())
            if each is not None and most > off:
                off, name = most, each.slowest[0]
    if off <= WHOLE:
        return []
    return [f"{name} (Delay): rounded to whole steps of {model.dt:g} s, by up to {off:.2g} of one"]
