"""Measure a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import DeviceArgument, JsonOption, LayersOption, RecordOption, layers_of


def characterise(
    device: DeviceArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Twin to write, a chip file.")
    ] = Path("twin.toml"),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Measure a device through its probes, and write its twin: an emulated chip like it."""
    from hil import characterisation
    from hil.characterisation import table
    from hil.cli import console
    from hil.progress import stages

    sizes = layers_of(layers)
    with stages(characterisation.stages(sizes)) as watch:
        measured = characterisation.characterise(device, sizes, out, watch, record)
    if json_output:
        typer.echo(json.dumps(measured))
        return
    console.table(table.HEADER, table.rows(measured))
    console.table(table.MODELS, table.models(measured))
    console.table(table.ERRORS, table.errors(measured))
    typer.echo(table.verdict(measured))
    typer.echo(out)
