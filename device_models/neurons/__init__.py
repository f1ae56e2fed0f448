"""Neuron models as data: one file each, found by name."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from device_models.naming import nearest
from device_models.neurons.model import Mismatch, NeuronModel, Parameter
from device_models.neurons.reading import from_python, model_from_table, within

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
# Files of this package that are no models.
NO_MODELS = ("model", "reading")


def names() -> tuple[str, ...]:
    """Every neuron model of this package, e.g. `lif`, `adaptive-lif`."""
    found = (
        module.name for module in pkgutil.iter_modules(__path__) if module.name not in NO_MODELS
    )
    return tuple(sorted(name.replace("_", "-") for name in found))


def get(name: str) -> NeuronModel:
    """The neuron model of that name.

    Raises:
        ValueError: For an unknown name; the nearest valid one is named.
    """
    if name not in names():
        raise ValueError(f"neuron model {name!r} is unknown: {nearest(name, names())}")
    model: NeuronModel = import_module(f"{__name__}.{name.replace('-', '_')}").MODEL
    return model
