"""The code of a layer, whichever chip it is on: what of it depends on the chip is an expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.engine.circuit import Circuit
from device_models.engine.constant_folding import PURE
from device_models.engine.kernel import NeuronCode
from device_models.mismatch import LayerMismatch


class Untranslatable(Exception):
    """Code that cannot be made into code for one neuron."""


def count_steps(t: Any, dt: Any) -> Any:
    """Count the steps in a time as Brian2's `timestep` does."""
    return np.asarray((t + 1e-3 * dt) / dt, np.int64)


# What may stand in an expression beside parameters and numbers.
WORDS: Mapping[str, Any] = {
    **{name: getattr(np, name) for name in PURE if hasattr(np, name)},
    **{name: getattr(np, name) for name in ("float32", "float64", "int32", "int64", "inf", "nan")},
    "timestep": count_steps,
    "__builtins__": {},
}


@dataclass(frozen=True)
class LayerCode:
    """The code of the neurons of a layer, whichever chip and however many they are.

    Attributes:
        code: The code.
        refractory: Whether a spike makes them refractory.
        states: Precision of what changes, by name.
        scalars: Numbers that the code refers to, in order.
        constants: What each neuron has, by name: expressions of its parameters.
        initial: Where what changes starts, by name: expressions of its parameters and `_bias`.
    """

    code: NeuronCode
    refractory: bool
    states: Mapping[str, str]
    scalars: list[float]
    constants: Mapping[str, str]
    initial: Mapping[str, str]

    def evaluate(
        self, chip: Circuit, layer: LayerMismatch
    ) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Evaluate the constants, and where all starts, `(n,)` each.

        Args:
            chip: The chip.
            layer: The layer on it.
        """
        kind = np.float64 if chip.model.precision == "double" else np.float32
        parameters = {name: values.astype(kind) for name, values in layer.varied.items()}
        parameters["_bias"] = chip.bias_slope(layer)
        constants = {n: eval(code, dict(WORDS), parameters) for n, code in self.constants.items()}
        initial = {
            name: np.full(layer.size, eval(self.initial[name], dict(WORDS), parameters), kind)
            for name, kind in self.states.items()
        }
        return constants, initial
