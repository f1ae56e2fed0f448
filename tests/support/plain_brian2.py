"""A textbook Brian2 simulation of one sample on a mapped chip: the oracle of the engine."""

from __future__ import annotations

import brian2 as b2
import numpy as np
from numpy.typing import NDArray

from device_models import Chip


def simulate(
    chip: Chip, drive: NDArray[np.float64], steps: int, *, spikes: bool
) -> tuple[list[NDArray[np.bool_]], list[NDArray[np.float64]]]:
    """Run one sample with a `Synapses` object for each projection, in float64.

    Args:
        chip: A configured chip; its noise is left out, its fixed pattern is used.
        drive: Constant currents `(n_in,)`, or input spikes `(T, n_in)`.
        steps: T.
        spikes: Which of the two the drive is.

    Returns:
        For each layer, rasters `(T, n)` and membranes before the reset `(T, n)`.
    """
    b2.prefs.codegen.target = "numpy"
    circuit, model = chip.circuit, chip.model
    assert circuit is not None
    dt = circuit.dt * b2.second
    clock = b2.Clock(dt=dt)
    unit = 1 if model.unit == "1" else getattr(b2, model.unit)
    receivers = [model.receives] if isinstance(model.receives, str) else [*model.receives]
    groups, monitors, rasters, objects = [], [], [], []
    for index, layer in enumerate(circuit.layers):
        names = [*layer.varied, *circuit.constants]
        lines = [f"{n} : {model.parameters[n].unit} (constant)" for n in names]
        equations = model.equations
        clamp = ""
        if circuit.refractory(layer):
            head = f"d{model.membrane}/dt"
            equations = "\n".join(
                line + " (unless refractory)" if line.strip().startswith(head) else line
                for line in equations.splitlines()
            )
            if model.receives == model.membrane:
                clamp = " * int(not_refractory_post)"
        group = b2.NeuronGroup(
            layer.size,
            "\n".join([equations, *lines, f"i_in : {model.unit}/second", "gain : 1"]),
            threshold=model.threshold,
            reset=model.resets[circuit.reset],
            refractory=model.refractory if circuit.refractory(layer) else False,
            method=model.method,
            clock=clock,
        )
        if model.update:
            group.run_regularly(model.update, clock=clock, when="groups")
        for name in names:
            values = layer.varied.get(name, circuit.constants.get(name))
            setattr(group, f"{name}_", np.asarray(values, np.float64))
        for name, expression in model.initial.items():
            setattr(group, name, expression)
        group.gain = layer.gain.astype(np.float64)
        tau = np.asarray(circuit.values(model.time_constant, layer), np.float64)
        slope = layer.bias.astype(np.float64) * model.swing / tau
        if index == 0 and not spikes:
            drop = drive @ chip.crossbars[0].effective.astype(np.float64) * model.swing
            slope = slope + drop * layer.gain / circuit.dt
        group.i_in = slope * unit / b2.second
        groups.append(group)
        monitors.append(
            b2.StateMonitor(group, model.membrane, record=True, when="after_thresholds")
        )
        rasters.append(b2.SpikeMonitor(group))
    sources = list(groups)
    if spikes:
        times, neurons = np.nonzero(drive)
        sources.insert(0, b2.SpikeGeneratorGroup(drive.shape[1], neurons, times * dt, clock=clock))
        objects.append(sources[0])
    for p in range(len(circuit.layers)):
        if p == 0 and not spikes:
            continue
        source, target = sources[p if spikes else p - 1], groups[p]
        weights = chip.crossbars[p].effective.astype(np.float64) * model.swing
        if model.update:
            weights = np.rint(weights)
        for receiver, sign in zip(receivers, (1, -1), strict=False):
            part = weights if len(receivers) == 1 else np.maximum(sign * weights, 0)
            synapses = b2.Synapses(
                source,
                target,
                f"weight : {model.unit}",
                on_pre=f"{receiver}_post += gain_post * weight{clamp}",
            )
            synapses.connect()
            synapses.weight = part[synapses.i[:], synapses.j[:]] * unit
            objects.append(synapses)
    b2.Network([*groups, *monitors, *rasters, *objects]).run(steps * dt, namespace={})
    found = []
    for layer, monitor in zip(circuit.layers, rasters, strict=True):
        raster = np.zeros((steps, layer.size), bool)
        raster[np.rint(np.asarray(monitor.t) / circuit.dt).astype(int), np.asarray(monitor.i)] = (
            True
        )
        found.append(raster)
    return found, [np.array(getattr(m, model.membrane)).T for m in monitors]
