"""Sinabs: `LIF` with at most one spike a step."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from league.torch_training import Layer, entrant, without_samna


def _layer(size: int) -> Layer:
    without_samna()
    neurons: Any = (
        import_module("sinabs.layers")
        .LIF(
            tau_mem=10.0,  # in steps
            spike_fn=import_module("sinabs.activation").SingleSpike,
            norm_input=False,
        )
        .requires_grad_(False)
    )

    def spikes(current: Any) -> Any:
        neurons.reset_states()
        return neurons(current.transpose(0, 1)).transpose(0, 1)

    return spikes


ENTRANTS = (entrant("Sinabs", "sinabs", "LIF", _layer, gain=1.0),)
