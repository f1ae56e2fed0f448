"""Neuron models as data: one file each, found by name."""

from __future__ import annotations

from device_models.naming import catalogue, find
from device_models.neuron_file import from_python, model_from_table, within
from device_models.neuron_model import Mismatch, NeuronModel, Parameter

__all__ = [
    "Mismatch",
    "NeuronModel",
    "Parameter",
    "from_python",
    "get",
    "model_from_table",
    "names",
    "within",
]


def names() -> tuple[str, ...]:
    """Every neuron model of this package, e.g. `lif`, `adaptive-lif`."""
    return catalogue(__name__)


def get(name: str) -> NeuronModel:
    """The neuron model of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    model: NeuronModel = find(__name__, "neuron model", name, "MODEL")
    return model
