"""Commands about boards."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Annotated

import typer

board = typer.Typer(help="Boards on a serial line.", no_args_is_help=True)


@board.command()
def demo(
    seed: Annotated[
        int, typer.Option(metavar="N", help="Chip seed: which fixed pattern it has; 0 is ideal.")
    ] = 1,
) -> None:
    """Build the firmware, run it as a process of this machine, and print its address."""
    from drivers import firmware

    with firmware.start("native", seed) as running, suppress(KeyboardInterrupt):
        typer.echo(f"board:{running.url}")
        typer.echo("hil: a board listens there until Ctrl-C", err=True)
        signal.pause()


@board.command()
def firmware(
    port: Annotated[str, typer.Argument(help="native, mps2 or stm32f405.")] = "stm32f405",
) -> None:
    """Build the firmware that this host speaks to, and print where the image is."""
    from drivers.firmware import build

    typer.echo(build(port))
