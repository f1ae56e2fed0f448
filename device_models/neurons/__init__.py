"""Neuron models by name: every `NeuronModel` that a module of this package defines."""

from __future__ import annotations

from device_models.naming import collect_members, quote, suggest
from device_models.neuron_model import Mismatch, NeuronModel, Parameter

__all__ = ["Mismatch", "NeuronModel", "Parameter", "get", "names"]


def names() -> tuple[str, ...]:
    """Name every neuron model of this package, e.g. `lif`, `adaptive-lif`."""
    return tuple(collect_members(__name__, NeuronModel))


def get(name: str) -> NeuronModel:
    """Find the neuron model of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    models = collect_members(__name__, NeuronModel)
    if name not in models:
        raise ValueError(f"neuron model {quote(name)} is unknown: {suggest(name, models)}")
    return models[name]
