"""A chip's model as code for one neuron at a time, made of what Brian2 makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.kernel_source import NeuronCode, Shape
from device_models.neuron_group import Circuit, Layerwise
from device_models.scalar_code import Collected, Refused, Scalar
from device_models.stepping import Stepper, brian2


class Translated:
    """The code of all layers of a chip, for one neuron at a time."""

    def __init__(self, chip: Circuit, currents: bool) -> None:
        """Translate what Brian2 makes of the model.

        Raises:
            Refused: When there is no translation that is equal bit by bit.
        """
        b2, model = brian2(), chip.model
        clock = b2.Clock(dt=chip.dt * b2.second, name="spikeloop_clock*")
        driven = {w.target for w in chip.wires if w.source == 0} if currents else set()
        wired = [
            Layerwise(chip, layer, 1, number in driven, clock)
            for number, layer in enumerate(chip.layers, start=1)
        ]
        stepper = Stepper(b2.Network([layer.group for layer in wired]), clock)
        changing = model.silent if chip.temporal.trial_threshold_sd else ""
        self.collected = [Collected() for _ in wired]
        codes, refractory = [], set()
        for layer, collected in zip(wired, self.collected, strict=True):
            # Objects know their group by a proxy.
            owned = [o for o in stepper.objects if getattr(o, "group", o).name == layer.group.name]
            code, found = _code(owned, changing, collected)
            codes.append(code)
            refractory |= found
        if len(refractory) != 1:
            raise Refused("some layers are refractory and some are not")
        self.kinds = np.array([sorted(set(codes), key=repr).index(c) for c in codes])
        states = {n: d for c in self.collected for n, d in c.states.items()}
        states |= {model.membrane: wired[0].membrane.dtype}
        if refractory == {True}:
            states |= {"not_refractory": np.dtype(bool), "lastspike": np.dtype(float)}
        receivers = (model.receives,) if isinstance(model.receives, str) else tuple(model.receives)
        states |= dict.fromkeys(receivers, wired[0].membrane.dtype)
        states.setdefault("i_in", wired[0].membrane.dtype)
        self.states = dict(sorted(states.items()))
        self.initial = {n: self._initial(n, wired) for n in self.states}
        self.constants = self._constants(chip)
        width = max(len(c.scalars) for c in self.collected)
        self.scalars = np.zeros((len(wired), max(width, 1)))
        for row, collected in zip(self.scalars, self.collected, strict=True):
            row[: len(collected.scalars)] = collected.scalars
        single = model.precision == "single"
        self.shape = Shape(
            codes=tuple(sorted(set(codes), key=repr)),
            states=tuple(self.states),
            constants=tuple(self.constants),
            membrane=model.membrane,
            receivers=receivers,
            precision="float32" if single else "float64",
            refractory=refractory == {True},
            clamped=refractory == {True} and model.receives == model.membrane,
            whole=model.update is not None,
        )

    def _initial(self, name: str, wired: Sequence[Layerwise]) -> NDArray[Any]:
        """Where a variable starts, over all neurons."""
        dtype = self.states[name]
        return np.concatenate(
            [
                layer.view(name)[0].astype(dtype)
                if name in layer.group.variables
                else np.zeros(layer.membrane.shape[1], dtype)
                for layer in wired
            ]
        )

    def _constants(self, chip: Circuit) -> dict[str, NDArray[Any]]:
        """Constants over all neurons; zeros in layers whose code has none of that name."""
        dtypes = {n: v.dtype for c in self.collected for n, v in c.constants.items()}
        return {
            name: np.concatenate(
                [
                    c.constants.get(name, np.zeros(layer.size, dtype)).astype(dtype)
                    for c, layer in zip(self.collected, chip.layers, strict=True)
                ]
            )
            for name, dtype in sorted(dtypes.items())
        }


def _code(
    objects: Sequence[Any], changing: str, collected: Collected
) -> tuple[NeuronCode, set[bool]]:
    """The code of a layer, and whether a spike makes its neurons refractory.

    Args:
        objects: Objects of Brian2 that act on the layer, in order.
        changing: The constant of neurons that a trial may shift; empty for none.
        collected: What the code refers to.
    """
    parts: dict[str, list[str]] = {"update": [], "test": [], "reset": []}
    refractory = set()
    for k, item in enumerate(objects):
        for code in getattr(item, "_code_objects", ()):
            found = Scalar(code, changing, collected, f"l{k}")
            lines = found.lines
            if found.condition:
                refractory.add(found.sets_refractory)
                lines = [*lines, f"fires = {found.condition}"]
            when = {"thresholds": "test", "resets": "reset"}.get(item.when, "update")
            parts[when] += lines
    return NeuronCode(*("\n".join(lines) for lines in parts.values())), refractory
