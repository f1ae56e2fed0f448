"""Commands for who has a device of their own: boards and their firmware, and a driver to begin."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import argument, option

board = typer.Typer(help="Boards on a serial line.", no_args_is_help=True)
_INPUT = "What the device takes: current (constant), current_trace (changing as well) or spikes."


@board.command()
def demo(
    seed: Annotated[int, option("Chip seed: which fixed pattern it has; 0 is ideal.", "N")] = 1,
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


def new_driver(
    name: Annotated[str, argument("Scheme of its addresses.", "NAME")],
    input_kind: Annotated[str, option(_INPUT, "KIND", "--input")] = "current_trace",
) -> None:
    """Make a folder with a driver to start from, and its tests."""
    from drivers import template

    folder = template.write(name, Path(), input_kind=input_kind)
    typer.echo(folder)
    typer.echo(f"hil: next: pip install -e {folder} && hil check {name}:", err=True)
