"""Commands that list what there is: tasks, devices, chips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli.options import CHIPS, JsonOption, argument, option

if TYPE_CHECKING:
    from drivers import Device
    from drivers.board.scanning import ScannedPort


def tasks() -> None:
    """List the tasks, and the formats of files with samples of your own."""
    from hil import tasks as catalogue
    from hil.cli.output import print_table
    from hil.tasks import formats

    names = [*catalogue.names(), *sorted(catalogue.CATALOGUE.list_installed())]
    rows = [(name, catalogue.get(name).description) for name in names]
    rows.append(("FILE.py:NAME", "a task of your own, in Python"))
    for name in formats.names():
        rows.append((f"{name}:FILE", f"your own: {formats.get(name).description}"))
    print_table(("task", "what it asks"), rows)


def devices(
    scan: Annotated[
        bool,
        option("Also ask boards of ours, and those of the lab, who they are.", None, "--scan"),
    ] = False,
) -> None:
    """List the devices that can be opened by address. Opens none, unless asked to scan."""
    import drivers
    from drivers import lab
    from drivers.board import scanning
    from hil.cli.output import print_table

    if scan:
        ports = scanning.scan_ports(lab.list_boards().values())
        print_table(_PORTS, [(*_describe_port(port), port.answer) for port in ports])
        if not ports:
            typer.echo("hil: no serial ports: plug a board in, or try hil board demo", err=True)
        return
    rows = []
    for scheme in drivers.schemes():
        try:
            driver = drivers.driver(scheme)
            rows += driver.catalogue() or [(f"{scheme}:", _first_line(driver))]
        except drivers.DeviceError as error:
            rows.append((f"{scheme}:", str(error)))
    for port in scanning.list_usb_ports():
        address, *rest = _describe_port(port)
        rows.append((address, f"{' '.join(filter(None, rest))} at {port.port}"))
    print_table(("device", "what it is"), rows)


_PORTS = ("port", "vendor", "product", "serial number", "who answers")


def _describe_port(port: ScannedPort) -> tuple[str, str, str, str]:
    return f"board:{port.target}", port.vendor, port.product, port.serial


def _first_line(driver: type[Device]) -> str:
    """Take the first line of a driver's docstring; empty where it has none."""
    lines = (driver.__doc__ or "").strip().splitlines()
    return lines[0].strip() if lines else ""


def chips(
    name: Annotated[
        str | None, argument("A chip, or FILE.toml of your own.", "NAME", CHIPS)
    ] = None,
    page: Annotated[
        Path | None, argument("With --report: the page to write [NAME.html].", "PAGE")
    ] = None,
    report: Annotated[
        bool, option("Measure one such chip and write a page about it.", None, "--report")
    ] = False,
    seed: Annotated[int | None, option("With --report: which chip of its kind [0].", "N")] = None,
    json_output: JsonOption = False,
) -> None:
    """List the chips that can be emulated, or the non-idealities of one with their sources."""
    if report and (name is None or json_output):
        raise ValueError("--report: name one chip, without --json")
    if not report and (page is not None or seed is not None):
        raise ValueError("a page or a seed goes with --report: add it, or leave them out")
    from dataclasses import asdict

    from hil.cli.output import print_table
    from hil.reports import chip_page

    header: tuple[str, ...]
    if report and name is not None:
        typer.echo(chip_page.write_page(name, seed or 0, page))
    elif name is not None:
        sheet = chip_page.datasheet(name)
        if json_output:
            typer.echo(json.dumps(asdict(sheet)))
        else:
            header = ("tier", "name", "value", "unit", "allowed", "source")
            print_table(header, chip_page.rows(sheet))
    else:
        sheets = map(chip_page.datasheet, chip_page.names())
        rows = [(each.name, each.neuron.name, each.description) for each in sheets]
        if json_output:
            header = ("name", "neuron", "description")
            typer.echo(json.dumps({"chips": [dict(zip(header, r, strict=True)) for r in rows]}))
        else:
            print_table(("chip", "neuron", "what it is"), rows)
