"""A trained network as a model of NIR, with the nominal neurons of its device; and the way back.

Of a model that was brought to a device a report says what the device can do, and what is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers import Device, DeviceInfo
from drivers.contract.arrays import select_prefix
from hil.characterisation import unstated
from hil.exchange import model, nir_writing, returning
from hil.exchange.graph import Layer
from hil.exchange.model import Model
from hil.loop import initialisation, mapping
from hil.runs import data as run_data
from hil.runs.folder import SOURCE_EULER
from hil.trust import open_device

if TYPE_CHECKING:
    from drivers import Device
    from hil.config import Config
    from hil.runs.folder import Run
    from hil.tasks.samples import SampleSpec


def export(
    run: Run,
    out: Path,
    *,
    stored: bool = False,
    dt: float | None = None,
    say: Callable[[str], object] | None = None,
) -> Path:
    """Write the network of a run to a file of NIR.

    The device is opened and given the network, since what is nominal of it follows from its own
    statement; nothing is written to it, and nothing is run.

    Args:
        run: The run.
        out: The file, replaced when it exists.
        stored: Whether to write what the device said that it stores, in place of what was asked.
        dt: Length of a step of the model, in seconds. None takes that of the model of NIR which the
            run began with, or else that of the device.
        say: Called with a line on what the step is for the library that reads the file.

    Returns:
        The path written.

    Raises:
        ValueError: When the run has no weights yet, a damaged checkpoint, or more delays than a
            file can tell apart.
        DeviceError: When its device cannot be opened.
        OSError: When the file cannot be written.
    """
    if out.suffix != initialisation.MODEL:
        raise ValueError(f"{out}: is written as a model of NIR: let its name end in .nir")
    why = "as asked for" if dt is not None else "as in the model that it began with"
    dt = run.source_step() if dt is None else model.check_step(dt, f"--dt {dt:g}")
    config, checkpoint = run.config(), run.load_trained()
    notes: dict[str, Any] = {"encoding": config.encoding, "steps": config.network.steps}
    notes["task"] = config.task
    by_number = select_prefix(checkpoint, "stored/" if stored else "weights/")
    matrices = [by_number[str(number)].astype(np.float32) for number in range(len(by_number))]
    layers = mapping.layers(config, run_data.preparation(run).spec)
    with unstated.complete_device(open_device(config), run.environment()["measured"]) as device:
        device.configure(mapping.network(config, device.info, layers, checkpoint))
        with run.blame_file():
            mapping.check_graph(checkpoint, config, device.network)
        wirings = mapping.find_wirings(device.network)
        nominal = _nominal(config, device, layers, run_data.preparation(run).spec, dt)
        source = run.source_model()
        returned = None
        if source is not None and nominal.dt == run.source_step():
            shown = model.NetworkInput(nominal.current, nominal.bias)
            euler = bool(run.load_start().get(SOURCE_EULER, False))
            returned = returning.return_graph(
                source,
                [each.operand(own) for each, own in zip(wirings, matrices, strict=True)],
                device.info,
                shown,
                nominal.decay,
                nominal.dt,
                nominal.threshold,
                euler,
            )
            if euler and returned is not None:
                notes["decay"] = model.EULER
        late: list[nir_writing.Delay] = []
        if returned is None:
            matrices = [each.as_matrix(own) for each, own in zip(wirings, matrices, strict=True)]
            late = [projection.delay for projection in device.network.as_dense().projections]
    if say is not None:
        if source is not None and returned is None:
            say(REBUILT)
        say(_describe_step(nominal.dt, "as on the device" if dt is None else why, device.info))
    notes["reset"] = device.info.neuron.assumed_reset
    return nir_writing.write_network(out, matrices, late, nominal, notes, returned)


REBUILT = (
    "nodes are not those of the model that it began with, whose weights do not follow from those "
    "of synapses: one matrix for each projection is written"
)


def _nominal(
    config: Config, device: Device, layers: tuple[int, ...], spec: SampleSpec, dt: float | None
) -> nir_writing.ExportedNeurons:
    """Describe the nominal neurons with the settings in use; a step of the device lasts `dt`."""
    info, threshold = device.info, mapping.nominal_threshold(device)
    membrane = info.neuron.membrane
    current, bias = mapping.find_input(config, info, spec)
    synapse = mapping.setting_in_use(device, "synapse")
    later = info.timing.layer == "end_of_step"
    return nir_writing.ExportedNeurons(
        dt=dt or info.timing.dt,
        decay=mapping.nominal_decay(device),
        threshold=float(membrane.in_thresholds(np.array(threshold, np.float64))),
        synapse=None if synapse is None else synapse * (dt or info.timing.dt) / info.timing.dt,
        leaks_first=[info.timing.input == "end_of_step", *[later] * (len(layers) - 2)],
        current=current,
        bias=bias,
    )


def _describe_step(dt: float, why: str, info: DeviceInfo) -> str:
    is_late = info.timing.layer in ("end_of_step", "next_step")
    fewer = ", one fewer for each hidden layer" if is_late else ""
    reset = info.neuron.assumed_reset
    others = "snnTorch's and Norse's hard" if reset == "soft" else "Sinabs's soft"
    return (
        f"a step of this model is {dt:g} s, {why}: simulate it in such steps{fewer}. Norse takes "
        f"dt={dt:g}; snnTorch takes 0.0001 s for every file: for it, export with --dt 0.0001. "
        f"Neurons reset {reset}; {others}"
    )


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
            source = "an input that is always on" if number == 0 else "neurons that always fire"
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
