"""snnTorch: `Leaky` as it comes. A spike takes the threshold off one step later."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from league.network import DECAY
from league.torch_training import Layer, entrant


def _layer(size: int) -> Layer:
    torch: Any = import_module("torch")
    neurons = import_module("snntorch").Leaky(beta=DECAY)

    def spikes(current: Any) -> Any:
        membrane, found = neurons.reset_mem(), []
        for now in current:
            fired, membrane = neurons(now, membrane)
            found.append(fired)
        return torch.stack(found)

    return spikes


ENTRANTS = (entrant("snnTorch", "snntorch", "Leaky, reset a step later", _layer, gain=1.0),)
