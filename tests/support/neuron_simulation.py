"""Neuron models in plain Brian2, without the engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import brian2 as b2
import numpy as np
from numpy.typing import NDArray

from device_models.neurons import NeuronModel

Values = NDArray[np.float64]


def simulate(
    model: NeuronModel,
    steps: int,
    dt: float,
    *,
    current: object = 0.0,
    events: Mapping[int, object] | None = None,
    start: Mapping[str, object] | None = None,
    dtype: type = np.float64,
    **parameters: object,
) -> tuple[list[Values], Values]:
    """Run independent neurons in plain Brian2.

    Args:
        model: The neuron model.
        steps: T.
        dt: Step, in seconds.
        current: Constant input in swings per second, a number or `(n,)`.
        events: Weights that arrive at a step, a number or `(n,)`, by step.
        start: State to start from, by name, where it is not the model's own.
        dtype: Of the state.
        parameters: Parameters that differ from their defaults, a number or `(n,)`.

    Returns:
        Spike times of each neuron in seconds, and membranes `(T, n)` after the threshold test.
    """
    given = [current, *(events or {}).values(), *(start or {}).values(), *parameters.values()]
    size = max(np.size(value) for value in given)
    clock = b2.Clock(dt=dt * b2.second)
    group = neurons(model, size, clock, dtype)
    for name, parameter in model.parameters.items():
        setattr(group, f"{name}_", parameters.get(name, parameter.value))
    for name, expression in model.initial.items():
        setattr(group, name, expression)
    for name, value in (start or {}).items():
        setattr(group, f"{name}_", value)
    group.i_in_ = np.asarray(current) * model.swing
    pair = (model.receives,) * 2 if isinstance(model.receives, str) else model.receives

    def deliver() -> None:
        weights = np.asarray((events or {}).get(int(clock.timestep[:]), 0.0)) * model.swing
        signed = weights if pair[0] == pair[1] else np.maximum(weights, 0)
        group.variables[pair[0]].get_value()[:] += signed
        if pair[0] != pair[1]:
            group.variables[pair[1]].get_value()[:] += np.maximum(-weights, 0)

    spikes = b2.SpikeMonitor(group)
    trace = b2.StateMonitor(
        group, model.membrane, record=True, when="after_thresholds", clock=clock
    )
    delivery = b2.NetworkOperation(deliver, clock=clock, when="synapses")
    b2.Network(group, spikes, trace, delivery).run(steps * dt * b2.second, namespace={})
    times, who = np.array(spikes.t_), np.array(spikes.i)  # the group frees what it lent
    membrane = np.array(getattr(trace, f"{model.membrane}_")).T
    return [times[who == neuron] for neuron in range(size)], membrane


def neurons(model: NeuronModel, size: int, clock: Any, dtype: type) -> Any:
    """A Brian2 group of the model, without values of its parameters."""
    clamped = rf"^(\s*d{model.membrane}/dt =.*)$"
    group = b2.NeuronGroup(
        size,
        "\n".join(
            [
                re.sub(clamped, r"\1 (unless refractory)", model.equations, flags=re.MULTILINE),
                *(f"{name} : {p.unit} (constant)" for name, p in model.parameters.items()),
                f"i_in : {model.unit}/second",
            ]
        ),
        threshold=model.threshold,
        reset=next(iter(model.resets.values())),
        refractory=model.refractory or False,
        method=model.method,
        clock=clock,
        dtype=dtype,
        namespace={},
    )
    if model.update:
        group.run_regularly(model.update, clock=clock, when="groups")
    return group
