"""Norse: `LIFBoxCell`, its leaky neuron without a synaptic current, by one step of Euler."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from league.network import DECAY
from league.torch_training import Layer, entrant

DT = 1e-3


def _layer(size: int) -> Layer:
    torch: Any = import_module("torch")
    norse: Any = import_module("norse.torch")
    constants = import_module("norse.torch.functional.lif_box").LIFBoxParameters(
        tau_mem_inv=torch.as_tensor((1 - DECAY) / DT),  # the step of Euler that leaks as much
        reset_method=import_module("norse.torch.functional.reset").reset_subtract,
    )
    neurons = norse.LIFBoxCell(constants, dt=DT)

    def spikes(current: Any) -> Any:
        state, found = None, []
        for now in current:
            fired, state = neurons(now, state)
            found.append(fired)
        return torch.stack(found)

    return spikes


# A step of Euler weights the input with what leaks.
ENTRANTS = (entrant("Norse", "norse", "LIFBoxCell", _layer, gain=1 / (1 - DECAY)),)
