"""List devices."""

from __future__ import annotations

from typing import Annotated

import typer


def devices(
    scan: Annotated[
        bool, typer.Option("--scan", help="Open every serial port and list which board answers.")
    ] = False,
) -> None:
    """List the devices that can be opened by address. Opens none, unless asked to scan."""
    import drivers
    from hil.cli import console

    if scan:
        _scan()
        return
    rows = []
    for scheme in drivers.schemes():
        try:
            rows += drivers.driver(scheme).catalogue() or [(f"{scheme}:", "")]
        except drivers.DeviceError as error:
            rows.append((f"{scheme}:", str(error)))
    console.table(("device", "what it is"), rows)


def _scan() -> None:
    from drivers.board.scan import scan
    from hil.cli import console

    ports = [(f"board:{port.address}", port.description, port.answer) for port in scan()]
    console.table(("port", "what is plugged in", "who answers"), ports)
    if not ports:
        typer.echo("hil: no serial ports: plug a board in, or try hil board demo", err=True)
