"""Rockpool: `LIFTorch` with at most one spike a step, its synapse as short as it can be.

Its neuron has a synaptic current, which a time constant of a tenth of a step all but takes away.
"""

from __future__ import annotations

from importlib import import_module
from math import exp
from typing import Any

from league.torch_training import Layer, entrant, without_samna

DT, TAU_MEM, TAU_SYN = 1e-3, 10e-3, 1e-4


def _layer(size: int) -> Layer:
    without_samna()
    torch: Any = import_module("torch")
    constant: Any = import_module("rockpool.parameters").Constant
    neurons = import_module("rockpool.nn.modules").LIFTorch(
        size,
        tau_mem=constant(TAU_MEM),
        tau_syn=constant(TAU_SYN),
        threshold=constant(1.0),
        bias=constant(0.0),
        max_spikes_per_dt=torch.tensor(1.0),
        dt=DT,
    )

    def spikes(current: Any) -> Any:
        neurons.reset_state()
        found, _, _ = neurons(current.transpose(0, 1))
        return found.transpose(0, 1)

    return spikes


# What arrives decays once before it counts.
_GAIN = exp(DT / TAU_SYN)
ENTRANTS = (entrant("Rockpool", "rockpool", "LIFTorch, synapse of 0.1 ms", _layer, gain=_GAIN),)
