"""Write the network of a run for other frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import RunArgument, TrustOption


def export(
    run: RunArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="File of NIR to write.")
    ] = Path("model.nir"),
    stored: Annotated[
        bool,
        typer.Option("--stored", help="The weights that the device stored, not those asked for."),
    ] = False,
    dt: Annotated[
        float | None,
        typer.Option(
            "--dt",
            metavar="SECONDS",
            help="Length of a step; that of the model which the run began with, or of the device.",
        ),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Write the network of a run as a model of NIR, with the chip's nominal neurons."""
    from hil import api

    def say(line: str) -> None:
        typer.echo(line, err=True)

    typer.echo(api.export(run, out, stored=stored, dt=dt, say=say, trust=trust))
