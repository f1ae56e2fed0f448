"""Calibrate a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import DeviceArgument, JsonOption, LayersOption, RecordOption, layers_of


def calibrate(
    device: DeviceArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Calibration to write.")
    ] = Path("calibration.toml"),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Bring a device's neurons to a common threshold and time constant by its settings."""
    from hil.characterisation import calibration
    from hil.cli import console
    from hil.progress import stages

    sizes = layers_of(layers)
    with stages(calibration.stages(sizes)) as watch:
        made = calibration.calibrate(device, sizes, watch, record)
    calibration.write(made, out)
    if json_output:
        typer.echo(json.dumps(calibration.record(made)))
        return
    console.table(calibration.HEADER, calibration.rows(made))
    typer.echo(out)
