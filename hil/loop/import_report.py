"""What became of a model on a device: what it says, what the device can do, and what is lost."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers import Device
from hil.exchange.graph import Layer
from hil.exchange.model import Model
from hil.loop import mapping

Matrix = NDArray[np.float32]


class Row(NamedTuple):
    """One parameter of one layer, in words; `loss` is a number, by `cost`.

    Attributes:
        layer: Name of the neurons in the file.
        parameter: What it is.
        model: What the model says.
        device: What the device can do.
        became: What it became.
        cost: What that costs.
        loss: The cost as a share, 0 for none; None where it is no number.
    """

    layer: str
    parameter: str
    model: str
    device: str
    became: str
    cost: str
    loss: float | None


def report_import(
    model: Model, device: Device, asked: list[Matrix], stored: list[Matrix]
) -> list[dict[str, Any]]:
    """Compare a model with what a configured device holds of it.

    Args:
        model: The model, without delays where these were left out.
        device: The device, the network on it.
        asked: Weights of each projection as they follow from the model.
        stored: The same as the device says that it stores them.

    Returns:
        One table for each parameter of each layer, by the names of `Row`.
    """
    rows = []
    for number, layer in enumerate(model.layers):
        rows += [
            _compare_weights(layer, device, number, asked[number], stored[number]),
            *_compare_times(layer, device, model.dt),
            _compare_reset(layer, device),
            _compare_scale(layer),
        ]
        if layer.synapses.bias is not None:
            source = "an input that is always on" if number == 0 else "a neuron more, always firing"
            late = "none" if number == 0 else f"they begin {number} steps late"
            rows.append(Row(layer.name, "biases", "of each neuron", "none", source, late, None))
        if layer.synapses.longest:
            off = layer.synapses.delays / model.dt
            most = float(abs(off - np.rint(off)).max())
            cost = f"off by up to {most:.2g} steps"
            has = f"up to {device.info.capacity.delay} steps"
            said = f"up to {layer.synapses.longest:g} s"
            rows.append(Row(layer.name, "delays", said, has, "whole steps", cost, most))
    return [row._asdict() for row in rows]


def _compare_weights(
    layer: Layer, device: Device, number: int, asked: Matrix, stored: Matrix
) -> Row:
    form, scale = device.info.weight_format(number), device.network.full_scale[number]
    levels = "any value" if form.levels is None else f"{form.levels} levels"
    low = "0" if form.signs == "positive" else f"-{scale:.3g}"
    size = float(np.linalg.norm(asked))
    error = float(np.linalg.norm(stored - asked)) / size if size else 0.0
    cut = int((abs(asked) > scale * (1 + 1e-6)).sum())
    model = layer.synapses.weights
    return Row(
        layer.name,
        "weights",
        f"{model.min():.3g} to {model.max():.3g}",
        f"{levels}, {low} to {scale:.3g} thresholds",
        f"{stored.min():.3g} to {stored.max():.3g} thresholds",
        f"{error:.2%} of their norm" + (f", {cut} cut" if cut else ""),
        error,
    )


def _compare_times(layer: Layer, device: Device, dt: float) -> list[Row]:
    neurons, rows = layer.neurons, []
    here = mapping.nominal_decay(device)
    synapse = mapping.setting_in_use(device, "synapse")
    wanted = [("leak", neurons.tau, here, device.info.neuron.setting("time_constant"))]
    if neurons.tau_synapse is not None and synapse is not None:
        own = math.exp(-device.info.timing.dt / synapse)
        setting = device.info.neuron.setting("synapse")
        wanted.append(("synaptic current", neurons.tau_synapse, own, setting))
    for name, tau, kept, setting in wanted:
        there = np.exp(-dt / tau)
        off = float(abs(there - kept).max())
        if setting is None:
            has = "its own"
        else:
            has = f"{setting.minimum:g} to {setting.maximum:g} {setting.unit}, one for all"
        said = f"{tau.min():g}" + (f" to {tau.max():g}" if tau.max() > tau.min() else "")
        rows.append(
            Row(
                layer.name,
                name,
                f"{said} s: {there.min():.4g} left after a step",
                has,
                f"{kept:.4g} left after a step",
                f"off by up to {off:.2g}",
                off,
            )
        )
    return rows


def _compare_reset(layer: Layer, device: Device) -> Row:
    reset = device.info.neuron.reset
    words = {
        "hard": ("to rest", "none"),
        "soft": ("by the threshold", "what exceeds the threshold is kept, which the model loses"),
        None: ("not stated", "not known"),
    }
    has, cost = words[reset]
    return Row(layer.name, "reset", "to rest", has, has, cost, 0.0 if reset == "hard" else None)


def _compare_scale(layer: Layer) -> Row:
    slope = layer.neurons.slope
    said = "one for all" if np.ptp(slope) <= 1e-6 * slope.max() else "of each neuron"
    return Row(
        layer.name, "threshold and resistance", said, "one threshold", "in the weights", "none", 0.0
    )
