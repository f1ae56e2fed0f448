"""List devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from drivers import Device


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
            found = drivers.driver(scheme)
            rows += found.catalogue() or [(f"{scheme}:", _first_line(found))]
        except drivers.DeviceError as error:
            rows.append((f"{scheme}:", str(error)))
    console.table(("device", "what it is"), rows)


def _first_line(driver: type[Device]) -> str:
    """What the docstring of a driver says first; empty where it has none."""
    lines = (driver.__doc__ or "").strip().splitlines()
    return lines[0].strip() if lines else ""


def _scan() -> None:
    from drivers.board.ports import scan_ports
    from hil.cli import console

    ports = [(f"board:{port.address}", port.description, port.answer) for port in scan_ports()]
    console.table(("port", "what is plugged in", "who answers"), ports)
    if not ports:
        typer.echo("hil: no serial ports: plug a board in, or try hil board demo", err=True)
