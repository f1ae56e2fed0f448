"""The Brian2 engine: a batch of copies of one chip, prepared once and stepped many times.

A chip of L layers, copied B times, is L Brian2 groups of `B * n` neurons; neuron i of copy b is
number `b * n + i`. All copies share the fixed pattern and nothing else. Each time step follows
Brian2's default schedule:

    groups       membranes advance by dt; membrane noise is added
    thresholds   neurons at or above threshold fire; lost events are dropped; recorders sample
    synapses     events move the membranes of the next layer (so they act from the next step on)
    resets       neurons that fired are reset
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from device_models.generators import Normals, generator, sequence
from device_models.stepping import Stepper, brian2
from device_models.temporal import Temporal, step_noise, survivors

if TYPE_CHECKING:
    from brian2 import Clock, NeuronGroup
    from scipy.sparse import csr_matrix

    from device_models.neurons import NeuronModel


@dataclass(frozen=True)
class Layer:
    """The neurons of one layer of one chip.

    Attributes:
        size: Number of neurons n.
        varied: Parameters that differ from neuron to neuron, each `(n,)` float32.
        gain: Input gain `(n,)` float32; 0 for a dead neuron.
    """

    size: int
    varied: Mapping[str, NDArray[np.float32]]
    gain: NDArray[np.float32]


@dataclass(frozen=True)
class Circuit:
    """The electronics of a chip with a network mapped on it.

    Attributes:
        model: The neuron model.
        reset: Which of its resets.
        dt: Step, in seconds.
        constants: Parameters that are the same for all neurons, by name.
        layers: The layers of neurons.
        temporal: Noise in time.
    """

    model: NeuronModel
    reset: str
    dt: float
    constants: Mapping[str, float]
    layers: tuple[Layer, ...]
    temporal: Temporal


class Recorder(Protocol):
    """Something that watches one layer, 0 being the first layer of neurons."""

    layer: int

    def sample(self, step: int, membrane: NDArray[np.float32], events: NDArray[np.int32]) -> None:
        """Take note of step `step` (from 0).

        Args:
            step: The step.
            membrane: `(B, n)` in volts, after the threshold test and before the reset.
            events: Sorted numbers `b * n + i` of the neurons whose spikes got through.
        """


class Engine:
    """B copies of a chip, ready to run."""

    def __init__(self, chip: Circuit, batch: int, current_input: bool) -> None:
        """Build and prepare the Brian2 network.

        Args:
            chip: The chip.
            batch: Number of copies B.
            current_input: Whether the first layer is driven by currents (else by events).
        """
        b2 = brian2()
        self._chip, self._batch = chip, batch
        clock = b2.Clock(dt=chip.dt * b2.second, name="spikeloop_clock*")
        self._groups = [
            _group(chip, layer, batch, current_input and i == 0, clock)
            for i, layer in enumerate(chip.layers)
        ]

        def operation(function: object, when: str, order: int = 0) -> object:
            return b2.NetworkOperation(function, clock=clock, when=when, order=order)

        objects = [*self._groups, operation(self._deliver, "synapses")]
        objects.append(operation(self._collect, "after_thresholds"))
        if current_input:
            objects.append(operation(self._inject, "before_groups"))
        if chip.temporal.membrane_noise:
            objects.append(operation(self._disturb, "after_groups"))
        self._stepper = Stepper(b2.Network(objects), clock)

        model = chip.model
        self._variables = [
            [
                group.variables[name].get_value()
                for name in (*group.equations.diff_eq_names, *(["i_in"] if i == 0 else []))
                if name in group.variables and group.variables[name].array
            ]
            for i, group in enumerate(self._groups)
        ]
        self._membranes = [self._view(g, model.membrane) for g in self._groups]
        self._receivers = [self._view(g, model.receives) for g in self._groups]
        self._spikes = [g.variables["_spikespace"].get_value() for g in self._groups]
        self._noise_sd = [
            step_noise(chip.temporal.membrane_noise, _time_constants(chip, layer), chip.dt)
            * (layer.gain > 0)
            for layer in chip.layers
        ]

    def run(
        self,
        drive: NDArray[np.float32] | csr_matrix,
        steps: int,
        weights: Sequence[NDArray[np.float32]],
        recorders: Sequence[Recorder],
        trial: tuple[int, ...],
    ) -> None:
        """Run all copies from reset.

        Args:
            drive: Currents `(B, n_in)` or `(T, B, n_in)`, or event counts `(T*B, n_in)` in CSR.
            steps: T.
            weights: What the synapses of each projection transmit, `(n_pre, n_post)`, in volts.
            recorders: What is to be observed.
            trial: Seed and names of what happens today.
        """
        for variables in self._variables:
            for values in variables:
                values[:] = 0
        for group in self._groups:
            if "lastspike" in group.variables:
                group.variables["lastspike"].get_value()[:] = -np.inf
        self._stepper.rewind()
        self._drive, self._weights, self._recorders = drive, weights, recorders
        self._normals = Normals(sequence(*trial, "membrane_noise"))
        self._losses = generator(*trial, "spike_loss")
        self._events: list[NDArray[np.int32]] = []
        self._stepper.step(steps)

    # -- what happens in a step ---------------------------------------------------------------

    def _inject(self) -> None:
        """Turn input currents into slopes of the first layer's membranes."""
        assert isinstance(self._drive, np.ndarray)
        step = self._stepper.step_index
        if self._drive.ndim == 2 and step > 0:
            return
        now = self._drive if self._drive.ndim == 2 else self._drive[step]
        slope = now @ self._weights[0]
        slope *= self._chip.layers[0].gain / np.float32(self._chip.dt)
        self._view(self._groups[0], "i_in")[...] = slope

    def _disturb(self) -> None:
        for membrane, sd in zip(self._membranes, self._noise_sd, strict=True):
            membrane += self._normals.draw(membrane.size).reshape(membrane.shape) * sd

    def _collect(self) -> None:
        loss = self._chip.temporal.spike_loss
        self._events = [space[: space[-1]] for space in self._spikes]
        if loss:
            self._events = [survivors(events, loss, self._losses) for events in self._events]
        for recorder in self._recorders:
            recorder.sample(
                self._stepper.step_index,
                self._membranes[recorder.layer],
                self._events[recorder.layer],
            )

    def _deliver(self) -> None:
        for i, receiver in enumerate(self._receivers):
            rows = self._input_events() if i == 0 else self._layer_events(i - 1)
            if rows is not None and rows.nnz:
                arriving = rows @ self._weights[i]
                arriving *= self._chip.layers[i].gain
                receiver += arriving

    def _input_events(self) -> csr_matrix | None:
        """Input events of this step, `(B, n_in)`, or None when the input is a current."""
        if isinstance(self._drive, np.ndarray):
            return None
        from scipy.sparse import csr_matrix

        first = self._stepper.step_index * self._batch
        start, stop = self._drive.indptr[first], self._drive.indptr[first + self._batch]
        counts = self._drive.data[start:stop]
        loss = self._chip.temporal.spike_loss
        if loss:
            counts = self._losses.binomial(counts.astype(np.int64), 1 - loss).astype(np.float32)
        return csr_matrix(
            (
                counts,
                self._drive.indices[start:stop],
                self._drive.indptr[first : first + self._batch + 1] - start,
            ),
            shape=(self._batch, self._drive.shape[1]),
        )

    def _layer_events(self, layer: int) -> csr_matrix:
        """Events of one layer in this step, `(B, n)`."""
        from scipy.sparse import csr_matrix

        size, events = self._chip.layers[layer].size, self._events[layer]
        edges = np.searchsorted(events, np.arange(self._batch + 1) * size)
        return csr_matrix(
            (np.ones(events.size, np.float32), events % size, edges), shape=(self._batch, size)
        )

    def _view(self, group: NeuronGroup, name: str) -> NDArray[np.float32]:
        values: NDArray[np.float32] = group.variables[name].get_value()
        return values.reshape(self._batch, -1)


def _time_constants(chip: Circuit, layer: Layer) -> NDArray[np.float32]:
    name = chip.model.time_constant
    if name in layer.varied:
        return layer.varied[name]
    return np.full(layer.size, chip.constants[name], np.float32)


def _group(
    chip: Circuit, layer: Layer, batch: int, current_input: bool, clock: Clock
) -> NeuronGroup:
    """One Brian2 group: all copies of one layer, in float32, with numpy code."""
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

    b2, model = brian2(), chip.model
    units = {name: getattr(b2, parameter.unit) for name, parameter in model.parameters.items()}
    declarations = [f"{name} : {model.parameters[name].unit} (constant)" for name in layer.varied]
    namespace = {name: value * units[name] for name, value in chip.constants.items()}
    if current_input:
        declarations.append("i_in : volt/second")
    else:
        namespace["i_in"] = 0 * b2.volt / b2.second
    group = b2.NeuronGroup(
        batch * layer.size,
        "\n".join([model.equations, *declarations]),
        threshold=model.threshold,
        reset=model.resets[chip.reset],
        method=model.method,
        namespace=namespace,
        clock=clock,
        dtype=np.float32,
        codeobj_class=NumpyCodeObject,
        name="spikeloop_layer*",
    )
    for name, values in layer.varied.items():
        group.variables[name].get_value()[:] = np.tile(values, batch)
    return group
