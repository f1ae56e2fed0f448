"""From a neuron model to a Brian2 group: B copies of one layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from device_models.neurons import NeuronModel
from device_models.nonidealities.temporal import Temporal, step_noise
from device_models.sampled_mismatch import LayerMismatch
from device_models.stepping import brian2, quiet
from device_models.wiring import Wire

if TYPE_CHECKING:
    from brian2 import Clock, NeuronGroup


@dataclass(frozen=True)
class Circuit:
    """The electronics of a chip with a network mapped on it.

    Attributes:
        model: The neuron model.
        reset: Which of its resets.
        dt: Step, in seconds.
        constants: Parameters that are the same for all neurons, by name.
        layers: The layers of neurons.
        wires: The projections.
        temporal: Noise in time.
    """

    model: NeuronModel
    reset: str
    dt: float
    constants: Mapping[str, float]
    layers: tuple[LayerMismatch, ...]
    wires: tuple[Wire, ...]
    temporal: Temporal

    def values(self, name: str, layer: LayerMismatch) -> NDArray[np.float32]:
        """A parameter of each neuron of a layer, `(n,)`."""
        if name in layer.varied:
            return layer.varied[name]
        return np.full(layer.size, self.constants[name], np.float32)

    def bias_slope(self, layer: LayerMismatch) -> NDArray[np.float32]:
        """What each neuron's bias current adds to its membrane's slope, `(n,)` in unit/second."""
        held = layer.bias * np.float32(self.model.swing)
        return held / self.values(self.model.time_constant, layer)

    def gains(self, supply: float) -> list[NDArray[Any]]:
        """Input gain of each neuron of each layer, in the membrane's unit for a swing, `(n,)`.

        Args:
            supply: Factor of all of them now.
        """
        kind = np.float64 if self.model.precision == "double" else np.float32
        return [layer.gain * kind(supply * self.model.swing) for layer in self.layers]

    def noise_sd(self, layer: LayerMismatch) -> NDArray[np.float32]:
        """Standard deviation of the noise that a step adds to each membrane, `(n,)`."""
        tau = self.values(self.model.time_constant, layer)
        noise = step_noise(self.temporal.membrane_noise * self.model.swing, tau, self.dt)
        return noise * (layer.gain > 0)

    def refractory(self, layer: LayerMismatch) -> bool:
        """Whether any neuron of a layer has a refractory time."""
        name = self.model.refractory
        return name is not None and bool(np.any(self.values(name, layer) > 0))


def equations(model: NeuronModel, refractory: bool) -> str:
    """A model's equations, with the membrane clamped while refractory where asked for."""
    if not refractory:
        return model.equations
    return re.sub(
        rf"^(\s*d{model.membrane}/dt\s*=.*?)\s*$",
        r"\1 (unless refractory)",
        model.equations,
        flags=re.MULTILINE,
    )


class Layerwise:
    """The Brian2 group of one layer, and views `(B, n)` on its state.

    Attributes:
        group: The group, neuron i of copy b being number `b * n + i`.
        membrane: `(B, n)`, in the model's unit.
        receivers: The variables that events add to, `(B, n)` each.
        current: `i_in`, `(B, n)` in unit/second; None where nothing ever flows.
        spikes: Brian2's spike space.
        free: Which neurons are not refractory, `(B, n)`; None where none ever is.
    """

    def __init__(
        self, chip: Circuit, layer: LayerMismatch, batch: int, current_input: bool, clock: Clock
    ) -> None:
        """Build the group, with numpy code.

        Args:
            chip: The chip.
            layer: Which of its layers.
            batch: Number of copies B.
            current_input: Whether `i_in` changes from trial to trial.
            clock: The clock.
        """
        from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

        b2, model = brian2(), chip.model
        unit = getattr(b2, model.unit) if model.unit != "1" else 1
        clamped = chip.refractory(layer)
        # Without a refractory time the model is simpler and faster without the parameter.
        unused = set() if clamped else {model.refractory}
        varied = {n: v for n, v in layer.varied.items() if n not in unused}
        units = {n: getattr(b2, p.unit, 1) for n, p in model.parameters.items()}
        namespace = {n: v * units[n] for n, v in chip.constants.items() if n not in unused}
        lines = [equations(model, clamped)]
        lines += [f"{name} : {model.parameters[name].unit} (constant)" for name in varied]
        flows = current_input or bool(np.any(layer.bias))
        if flows:
            lines.append(f"i_in : {model.unit}/second")
        else:
            namespace["i_in"] = 0 * unit / b2.second
        self.group: NeuronGroup = quiet(b2.NeuronGroup)(
            batch * layer.size,
            "\n".join(lines),
            threshold=model.threshold,
            reset=model.resets[chip.reset],
            refractory=model.refractory if clamped else False,
            method=model.method,
            namespace=namespace,
            clock=clock,
            dtype=np.float64 if model.precision == "double" else np.float32,
            codeobj_class=NumpyCodeObject,
            name="spikeloop_layer*",
        )
        if model.update:
            self.group.run_regularly(
                model.update, clock=clock, when="groups", codeobj_class=NumpyCodeObject
            )
        for name, values in varied.items():
            self._values(name)[:] = np.tile(values, batch)
        self._batch = batch
        self.membrane = self.view(model.membrane)
        names = (model.receives,) if isinstance(model.receives, str) else model.receives
        self.receivers = tuple(self.view(name) for name in names)
        self.current = self.view("i_in") if flows else None
        self.spikes: NDArray[np.int32] = self.group.variables["_spikespace"].get_value()
        self.free = self.view("not_refractory") if clamped else None
        if self.current is not None:
            self.current[...] = chip.bias_slope(layer)
        for name, expression in model.initial.items():
            self.group.state(name).set_item(slice(None), expression, namespace={})
        self._state = {n: (self._values(n), self._values(n).copy()) for n in self._changing()}

    def start(self) -> None:
        """Bring all state to where a trial starts."""
        for values, initial in self._state.values():
            values[:] = initial

    def go_on(self, other: Layerwise, shifted: str) -> None:
        """Take over the state of the same layer in another group, but for its input current.

        Args:
            other: The other group.
            shifted: The parameter that a trial may have shifted.
        """
        for name in [*(self._state.keys() & other._state.keys() - {"i_in"}), shifted]:
            self._values(name)[:] = other._values(name)

    def view(self, name: str) -> NDArray[np.float32]:
        """A variable as `(B, n)`; writing to it writes to the neurons."""
        return self._values(name).reshape(self._batch, -1)

    def _values(self, name: str) -> NDArray[np.float32]:
        values: NDArray[np.float32] = self.group.variables[name].get_value()
        return values

    def _changing(self) -> list[str]:
        names = [
            name
            for name, equation in self.group.equations.items()
            if equation.type == "differential equation"
            or (equation.type == "parameter" and "constant" not in equation.flags)
        ]
        return [*names, *(n for n in ("lastspike", "not_refractory") if n in self.group.variables)]
