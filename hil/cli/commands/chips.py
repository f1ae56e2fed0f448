"""Commands about what chips are like: non-idealities, measurement, calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.errors import refusals
from hil.cli.options import JsonOption, LayersOption, RecordOption, layers_of


def chips(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A chip, or FILE.toml of your own.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Argument(metavar="PAGE", help="With --report: the page to write [NAME.html]."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Measure one such chip and write a page about it.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="With --report: which chip of its kind [0].")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the chips that can be emulated, or the non-idealities of one with their sources."""
    with refusals():
        from dataclasses import asdict

        from drivers.emulator import datasheet
        from hil.cli import console
        from hil.reports import chip_page as known

        if report and (name is None or json_output):
            raise ValueError("--report: name one chip, without --json")
        if not report and (page is not None or seed is not None):
            raise ValueError("a page or a seed goes with --report: add it, or leave them out")
        if name is None:
            sheets = [datasheet.datasheet(each) for each in datasheet.names()]
            listed = [(s.name, s.neuron.name, s.description) for s in sheets]
            if json_output:
                keys = ("name", "neuron", "description")
                typer.echo(json.dumps({"chips": [dict(zip(keys, r, strict=True)) for r in listed]}))
            else:
                console.table(("chip", "neuron", "what it is"), listed)
        elif report:
            typer.echo(known.write_page(name, seed or 0, page))
        elif json_output:
            typer.echo(json.dumps(asdict(datasheet.datasheet(name))))
        else:
            header = ("tier", "name", "value", "unit", "allowed", "source")
            console.table(header, known.rows(datasheet.datasheet(name)))


def characterise(
    device: Annotated[str, typer.Argument(metavar="ADDRESS", help="Device address.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Twin to write, a chip file.")
    ] = Path("twin.toml"),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Measure a device through its probes, and write its twin: an emulated chip like it."""
    with refusals():
        from hil import characterisation
        from hil.characterisation import table
        from hil.cli import console

        sizes = layers_of(layers)
        with console.stages(characterisation.stages(sizes)) as watch:
            found = characterisation.characterise(device, sizes, out, watch, record)
        if json_output:
            typer.echo(json.dumps(found))
            return
        console.table(table.HEADER, table.rows(found))
        console.table(table.ERRORS, table.errors(found))
        typer.echo(table.verdict(found))
        typer.echo(out)


def calibrate(
    device: Annotated[str, typer.Argument(metavar="ADDRESS", help="Device address.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Calibration to write.")
    ] = Path("calibration.toml"),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Bring a device's neurons to a common threshold and time constant by its settings."""
    with refusals():
        from hil.characterisation import calibration
        from hil.cli import console

        sizes = layers_of(layers)
        with console.stages(calibration.stages(sizes)) as watch:
            made = calibration.calibrate(device, sizes, watch, record)
        calibration.write(made, out)
        if json_output:
            typer.echo(json.dumps(calibration.record(made)))
            return
        console.table(calibration.HEADER, calibration.rows(made))
        typer.echo(out)
