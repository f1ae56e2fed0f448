"""A trained network as a model of NIR, with the nominal neurons of its device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers.contract.arrays import select_prefix
from hil.characterisation import unstated
from hil.exchange import model, nir_writing, returning
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
        matrices = [
            wiring.as_matrix(matrix)
            for wiring, matrix in zip(mapping.find_wirings(device.network), matrices, strict=True)
        ]
        late = [projection.delay for projection in device.network.as_dense().projections]
        nominal = _nominal(config, device, layers, run_data.preparation(run).spec, dt)
        source = run.source_model()
        returned = None
        if source is not None and nominal.dt == run.source_step():
            shown = model.NetworkInput(nominal.current, nominal.bias)
            euler = bool(run.load_start().get(SOURCE_EULER, False))
            returned = returning.return_graph(
                source,
                matrices,
                device.info,
                shown,
                nominal.decay,
                nominal.dt,
                nominal.threshold,
                euler,
            )
            if euler and returned is not None:
                notes["decay"] = model.EULER
    if say is not None:
        if source is not None and returned is None:
            say(REBUILT)
        say(_describe_step(nominal.dt, "as on the device" if dt is None else why))
    reset = device.info.neuron.assumed_reset
    notes["reset"] = reset
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


def _describe_step(dt: float, why: str) -> str:
    return (
        f"a step of this model is {dt:g} s, {why}: simulate it in such steps. Norse takes dt={dt:g}"
        "; snnTorch takes 0.0001 s for every file: for it, export with --dt 0.0001"
    )
