"""Neurons that stand for the biases of a model: relays, on a device whose neurons have none.

A relay fires as evenly as it can; through synapses of its own it brings a bias to the layer after.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, vstack

from drivers import DeviceInfo
from hil.learning.nominal_neuron import Arrival, NominalNeuron, simulate

Array = NDArray[Any]
DRIVE = 1.5  # thresholds in a step, by which a relay fires as it can
LEAST_DRIVE = 0.75  # by which it fires at a rate that is still sure
MOST_RELAYS = 16  # of a layer
RELAY_STEPS = 200  # in which it is seen how often these fire
USUAL = 3.0  # root mean squares of weights, up to which levels of a device are of use


def find_usual_weight(weights: Array | csr_array) -> float:
    """Find the weight up to which levels of a device are of use: few are beyond."""
    own = weights.data if isinstance(weights, csr_array) else weights[weights != 0]
    if not own.size or not own.any():
        return DRIVE
    return float(min(abs(own).max(), USUAL * np.sqrt(np.square(own).mean())))


def add_relays(full: Array | csr_array, row: Array, used: int, corner: Array) -> Array | csr_array:
    """Add what leads from neurons that stand for biases, and to those after that do.

    Args:
        full: Synapses of the model, `(n_pre, n_post)`.
        row: What each of the first ones brings to the model's neurons, `(n_post,)`.
        used: How many they are.
        corner: From all of them to those after, `(relays, more)`.

    Returns:
        The synapses together, `(n_pre + relays, n_post + more)`.
    """
    relays, more = corner.shape
    if isinstance(full, np.ndarray):
        rows = np.zeros((relays, row.size))
        rows[:used] = row
        return np.block([[full, np.zeros((len(full), more))], [rows, corner]])
    places = np.indices((used, row.size)).reshape(2, -1)  # zeros are synapses as well
    own = csr_array((np.tile(row, used), places), (relays, row.size))
    stacked = vstack([full, own], "csr")
    if not more:
        return stacked
    empty = csr_array((full.shape[0], more))
    return hstack([stacked, vstack([empty, csr_array(corner)])], "csr")


def simulate_relays(
    info: DeviceInfo, decay: float, arrival: Arrival | None, charge: Array
) -> Array:
    """Let a nominal neuron that stands for a bias run.

    Args:
        info: Statement of the device.
        decay: What is left of a membrane after a step.
        arrival: When an event acts; None for a current, which acts in its own step.
        charge: What comes in each step, in thresholds, `(T,)`.

    Returns:
        Spikes in each step, `(T,)`.
    """
    neuron = NominalNeuron(
        decay,
        info.neuron.assumed_reset,
        arrival or "same_step",
        # What a synapse holds outlasts a reset.
        clears_events=info.timing.hard_reset_clears_events is not False
        and info.neuron.setting("synapse") is None,
        most=info.neuron.spikes_per_step,
        refractory=info.neuron.refractory or 0,
    )
    return simulate(neuron, charge).spikes
