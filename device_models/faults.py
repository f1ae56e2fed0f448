"""Faults of a chip: what they do to its neurons, their lines and its synapses, step by step.

They are arrays that a run is given, so that they come and go without anything being built anew.
Kinds as in fault injection for spiking networks: Raptis, Kapoor & Stratigopoulos 2024, SpikeFI
(arXiv 2412.06795); Saha et al. 2024, SpikingJET (arXiv 2404.00383).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from device_models.crossbar import Crossbar
from device_models.engine.circuit import Circuit, Phase
from device_models.generators import generator
from device_models.mismatch import LayerMismatch
from device_models.neurons import NeuronModel
from device_models.nonidealities import NonIdealities

LINES = {"dead_neuron": 0.0, "saturated_neuron": 1.0, "stuck_neuron": None}
SYNAPSES = ("dead_synapse", "saturated_synapse", "stuck_synapse", "perturbed_synapse")
BIT = "flipped_bit"


class Fault(Protocol):
    """Faulty neurons of a layer, or synapses of a projection.

    Attributes:
        kind: One of `offered_kinds`.
        place: Layer of neurons, counted from 1, or projection, from 0.
        where: Numbers of the neurons, or of the synapses among the weights, `(k,)`.
        value: What the kind needs.
        bit: Bit that is flipped, 0 being the least.
        steps: First step since reset in which they are faulty, and the first in which no more.
        chance: Chance that each is faulty in a run.
    """

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def place(self) -> int | None: ...  # noqa: D102
    @property
    def where(self) -> ArrayLike: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def bit(self) -> int: ...  # noqa: D102
    @property
    def steps(self) -> tuple[int, int] | None: ...  # noqa: D102
    @property
    def chance(self) -> float: ...  # noqa: D102


def offered_kinds(
    model: NeuronModel, nonidealities: NonIdealities, parameters: Mapping[str, float]
) -> tuple[str, ...]:
    """List the kinds that a chip can have.

    Args:
        model: Its neurons. A parameter that is the same for all of them cannot be off in some.
        nonidealities: How it stores weights.
        parameters: Its nominal parameters.
    """
    own = {name for name, parameter in model.parameters.items() if parameter.mismatch is not None}
    refractory = model.refractory
    return (
        *LINES,
        *(["threshold_off"] if model.silent in own else []),
        *(["leak_off"] if model.time_constant in own else []),
        *(["refractory_off"] if refractory in own and parameters[refractory or ""] > 0 else []),
        "integration_off",
        *SYNAPSES,
        *([BIT] if nonidealities.programming.levels and not model.weight_unit else []),
    )


def plan_phases(
    faults: Sequence[Fault],
    circuit: Circuit,
    crossbars: Sequence[Crossbar],
    trial: tuple[int, ...],
    run: tuple[int, int],
    kept: dict[tuple[int, ...], tuple[Circuit, NDArray[np.float64]]],
) -> list[Phase]:
    """Divide a run where faults come or go.

    Args:
        faults: Faults of the chip.
        circuit: The chip without them.
        crossbars: What stores its weights, aged.
        trial: Seed and names of what decides which of the intermittent ones are there.
        run: Steps since reset before the run, and steps of the run.
        kept: What neurons are with those of these faults that act, by their numbers; added to.
    """
    begun, steps = run
    if not faults:
        if () not in kept:
            kept[()] = _fail_neurons((), circuit)
        return [Phase(steps, *kept[()])]
    present = _draw_present(faults, trial)
    windows = [fault.steps for fault in faults if fault.steps is not None]
    edges = {min(max(edge - begun, 0), steps) for window in windows for edge in window}
    phases = []
    for first, last in pairwise(sorted({0, steps, *edges})):
        acting = tuple(
            number
            for number, fault in enumerate(faults)
            if fault.steps is None or fault.steps[0] <= begun + first < fault.steps[1]
        )
        pairs = [(faults[number], present[number]) for number in acting]
        if acting not in kept or any(fault.chance < 1 for fault, _ in pairs):
            kept[acting] = _fail_neurons(pairs, circuit)
        phases.append(Phase(last - first, *kept[acting], _fail_synapses(pairs, crossbars)))
    return phases


def _draw_present(faults: Sequence[Fault], trial: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Draw where each fault is there in a trial."""
    draw, places = generator(*trial, "faults"), [np.asarray(fault.where) for fault in faults]
    return [
        where if fault.chance >= 1 else where[draw.random(where.size) < fault.chance]
        for fault, where in zip(faults, places, strict=True)
    ]


def _fail_neurons(
    acting: Sequence[tuple[Fault, NDArray[np.int64]]], circuit: Circuit
) -> tuple[Circuit, NDArray[np.float64]]:
    """Find what neurons are with faults, and the shares at which lines are held, as in `Phase`."""
    layers, lines = list(circuit.layers), [np.full(n.size, np.nan) for n in circuit.layers]
    own = [(fault, where) for fault, where in acting if fault.kind not in (*SYNAPSES, BIT)]
    for fault, where in own:
        n = (fault.place or 1) - 1
        if fault.kind in LINES:
            share = LINES[fault.kind]
            lines[n][where] = fault.value if share is None else share
        layers[n] = _change_neurons(circuit.model, layers[n], fault, where)
    if layers != list(circuit.layers):
        circuit = replace(circuit, layers=tuple(layers))
    return circuit, np.concatenate(lines)


def _fail_synapses(
    acting: Sequence[tuple[Fault, NDArray[np.int64]]], crossbars: Sequence[Crossbar]
) -> dict[int, NDArray[np.float32]]:
    """Find what the synapses of each projection transmit that has faulty ones, flat."""
    changed: dict[int, NDArray[np.float32]] = {}
    for fault, where in acting:
        if fault.kind in (*SYNAPSES, BIT):
            crossbar = crossbars[fault.place or 0]
            now = changed.setdefault(fault.place or 0, crossbar.effective.reshape(-1).copy())
            now[where] = _fail(crossbar, fault, where, now)
    return changed


def _fail(
    crossbar: Crossbar, fault: Fault, where: NDArray[np.int64], now: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Find what faulty synapses transmit, where they transmit `now` without this fault."""
    if fault.kind == "perturbed_synapse":
        return now[where] * np.float32(fault.value)
    if fault.kind == BIT:
        return now[where] + crossbar.flip_bit(where, fault.bit)
    levels = {"dead_synapse": 0.0, "saturated_synapse": float(np.copysign(1, fault.value))}
    return crossbar.scale_frozen(where, levels.get(fault.kind, fault.value))


def _change_neurons(
    model: NeuronModel, layer: LayerMismatch, fault: Fault, where: NDArray[np.int64]
) -> LayerMismatch:
    """A layer with some of its neurons as a fault leaves them."""

    def changed(values: NDArray[np.float32], factor: float, zero: float = 0) -> NDArray[np.float32]:
        values = values.copy()
        values[where] = zero + (values[where] - zero) * np.float32(factor)
        return values

    if fault.kind == "dead_neuron":
        return replace(layer, gain=changed(layer.gain, 0), bias=changed(layer.bias, 0))
    if fault.kind == "integration_off":
        return replace(layer, gain=changed(layer.gain, fault.value))
    name, factor, zero = "", fault.value, 0.0
    if fault.kind == "threshold_off":
        name = model.silent
        zero = model.rest if model.parameters[name].unit == model.unit else 0.0
    elif fault.kind == "leak_off":
        name, factor = model.time_constant, 1 / fault.value
    elif fault.kind == "refractory_off":
        name = model.refractory or ""
    if not name:
        return layer
    varied = {**layer.varied, name: changed(layer.varied[name], factor, zero)}
    return replace(layer, varied=varied)
