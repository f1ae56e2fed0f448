"""Begin a driver."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new_driver(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Scheme of its addresses.")],
    input_kind: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="KIND",
            help="What the device takes: current (constant), current_trace (changing as well) "
            "or spikes.",
        ),
    ] = "current_trace",
) -> None:
    """Make a folder with a driver to start from, and its tests."""
    from drivers import template

    typer.echo(template.write(name, Path(), input_kind=input_kind))
