"""The code of all layers of a chip, for one neuron at a time; what was translated is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.engine.circuit import Circuit
from device_models.engine.kernel import KernelSpec, NeuronCode
from device_models.engine.layer_code import LayerCode, Untranslatable
from device_models.mismatch import LayerMismatch
from machine_code.user_cache import find_folder, keep, read_kept, say_once


class ModelCode:
    """The code of all layers of a chip, for one neuron at a time, made of what Brian2 makes of it.

    Attributes:
        spec: What decides the source of the kernel.
        kinds: Which code each layer has.
        states: Precision of the variables of neurons, by name, sorted.
        initial: Where they start, over all neurons.
        scalars: Numbers of each layer, a row each.
    """

    def __init__(self, chip: Circuit, currents: bool) -> None:
        """Translate what Brian2 makes of the model, or take what was translated before.

        Args:
            chip: The chip.
            currents: Whether input currents flow.

        Raises:
            Untranslatable: When there is no translation that is equal bit by bit.
        """
        model, driven = chip.model, chip.input_targets() if currents else []
        layers = [
            find_layer_code(chip, layer, number in driven)
            for number, layer in enumerate(chip.layers, start=1)
        ]
        self._layers = layers
        if len({own.refractory for own in layers}) != 1:
            raise Untranslatable("some layers are refractory and some are not")
        distinct = sorted({own.code for own in layers}, key=repr)
        self.kinds = np.array([distinct.index(own.code) for own in layers])
        states = {n: np.dtype(d) for own in layers for n, d in own.states.items()}
        self.states = dict(sorted(states.items()))
        constants, self.initial = self.evaluate(chip)
        self.scalars = np.zeros((len(layers), max(1, *(len(own.scalars) for own in layers))))
        for row, own in zip(self.scalars, layers, strict=True):
            row[: len(own.scalars)] = own.scalars
        refractory = layers[0].refractory
        self.spec = KernelSpec(
            codes=tuple(distinct),
            states=tuple(self.states),
            constants=tuple(constants),
            membrane=model.membrane,
            receivers=model.receivers,
            precision="float32" if model.precision == "single" else "float64",
            refractory=refractory,
            clamped=refractory and model.receives == model.membrane,
            whole=model.update is not None,
        )

    def evaluate(self, chip: Circuit) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Evaluate what neurons have on a chip whose layers have this code.

        Returns:
            By name, sorted, constants over all neurons, with zeros in layers whose code has none
            of that name, and where what changes starts.
        """
        values = [own.evaluate(chip, n) for own, n in zip(self._layers, chip.layers, strict=True)]
        kinds = {n: v.dtype for constants, _ in values for n, v in constants.items()}
        constants = {
            name: _join(chip, [own.get(name) for own, _ in values], kind)
            for name, kind in sorted(kinds.items())
        }
        initial = {
            name: _join(chip, [own.get(name) for _, own in values], kind)
            for name, kind in self.states.items()
        }
        return constants, initial


def _join(
    chip: Circuit, values: Sequence[NDArray[Any] | None], kind: np.dtype[Any]
) -> NDArray[Any]:
    """Join what the neurons of each layer have; 0 where those of a layer have none."""
    pairs = zip(chip.layers, values, strict=True)
    parts = [np.zeros(layer.size) if own is None else own for layer, own in pairs]
    return np.concatenate([part.astype(kind) for part in parts])


def find_layer_code(chip: Circuit, layer: LayerMismatch, driven: bool) -> LayerCode:
    """Translate what Brian2 makes of the model in a layer, or take what was translated before.

    Args:
        chip: The chip.
        layer: The layer.
        driven: Whether input currents flow into it.

    Raises:
        Untranslatable: When there is no translation that is equal bit by bit.
    """
    flows = driven or bool(np.any(layer.bias))
    about = (chip.model, chip.reset, chip.dt, sorted(chip.constants.items()), sorted(layer.varied))
    shifted = chip.temporal.trial_threshold_sd > 0
    text = repr((about, chip.is_refractory(layer), flows, shifted, *_list_makers()))
    name = f"layer-{sha256(text.encode()).hexdigest()[:32]}.json"
    kept = read_kept(name)
    if kept is not None:
        fields = json.loads(kept)
        return LayerCode(**fields | {"code": NeuronCode(**fields["code"])})
    from device_models.engine.neuron_code import translate_layer

    made = translate_layer(chip, layer, driven)
    try:
        keep(name, json.dumps(asdict(made)).encode(), find_folder())
    except OSError as error:
        say_once(f"what is translated is not kept: {error.strerror}: {find_folder()}")
    return made


@cache
def _list_makers() -> tuple[str, ...]:
    """All that makes a translation: the code of this folder, and the packages that it calls."""
    sources = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    packages = [version(name) for name in ("brian2", "sympy", "numpy")]
    return (sources.hexdigest(), sys.version, *packages)
