"""List emulated chips, or tell about one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.options import JsonOption


def chips(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A chip, or FILE.toml of your own.",
            autocompletion=completion.chips,
        ),
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
    if report and (name is None or json_output):
        raise ValueError("--report: name one chip, without --json")
    if not report and (page is not None or seed is not None):
        raise ValueError("a page or a seed goes with --report: add it, or leave them out")
    if name is None:
        _list(json_output)
    elif report:
        from hil.reports import chip_page

        typer.echo(chip_page.write_page(name, seed or 0, page))
    else:
        _datasheet(name, json_output)


def _list(json_output: bool) -> None:
    from hil.cli import console
    from hil.reports import chip_page

    rows = [(each.name, each.neuron.name, each.description) for each in chip_page.datasheets()]
    if json_output:
        keys = ("name", "neuron", "description")
        typer.echo(json.dumps({"chips": [dict(zip(keys, row, strict=True)) for row in rows]}))
    else:
        console.table(("chip", "neuron", "what it is"), rows)


def _datasheet(name: str, json_output: bool) -> None:
    from dataclasses import asdict

    from hil.cli import console
    from hil.reports import chip_page

    sheet = chip_page.datasheet(name)
    if json_output:
        typer.echo(json.dumps(asdict(sheet)))
    else:
        header = ("tier", "name", "value", "unit", "allowed", "source")
        console.table(header, chip_page.rows(sheet))
