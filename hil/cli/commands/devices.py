"""Commands about devices: list, look for, try, check and write drivers of them."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.errors import refusals
from hil.cli.options import JsonOption, RecordOption


def devices(
    scan: Annotated[
        bool, typer.Option("--scan", help="Open every serial port and list which board answers.")
    ] = False,
) -> None:
    """List the devices that can be opened by address. Opens none, unless asked to scan."""
    with refusals():
        import drivers
        from hil.cli import console

        if scan:
            from drivers.board.scan import scan as ports

            found = [(f"board:{p.address}", p.description, p.answer) for p in ports()]
            console.table(("port", "what is plugged in", "who answers"), found)
            if not found:
                typer.echo("hil: no serial ports: plug a board in, or try hil board demo", err=True)
            return
        rows = []
        for scheme in drivers.schemes():
            try:
                rows += drivers.driver(scheme).catalogue() or [(f"{scheme}:", "")]
            except drivers.DeviceError as error:
                rows.append((f"{scheme}:", str(error)))
        console.table(("device", "what it is"), rows)


def demo(
    seed: Annotated[
        int, typer.Option(metavar="N", help="Chip seed: which fixed pattern it has; 0 is ideal.")
    ] = 1,
) -> None:
    """Build the firmware, run it as a process of this machine, and print its address."""
    with refusals():
        from drivers import firmware

        with firmware.start("native", seed) as running, suppress(KeyboardInterrupt):
            typer.echo(f"board:{running.url}")
            typer.echo("hil: a board listens there until Ctrl-C", err=True)
            signal.pause()


def check(
    device: Annotated[str, typer.Argument(metavar="ADDRESS", help="Device address.")],
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Hold a device and its driver to the contract. Exit code 1 where they break it."""
    with refusals():
        from hil.cli import checking, console

        with console.stages(checking.stages()) as watch:
            found = checking.check(device, record, watch)
        if json_output:
            typer.echo(json.dumps(checking.result(device, found)))
        else:
            console.table(checking.HEADER, checking.rows(found))
            typer.echo(checking.summary(found))
        if checking.broken(found):
            raise typer.Exit(1)


def new_driver(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Scheme of its addresses.")],
) -> None:
    """Make a folder with a driver to start from, and its tests."""
    with refusals():
        from drivers import template

        typer.echo(template.write(name, Path()))
