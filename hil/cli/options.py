"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
LayersOption = Annotated[
    str,
    typer.Option(
        metavar="SIZES", help="Network to map: inputs, layers of neurons, e.g. 64,200,10."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
RecordOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File to record the session with the device to."),
]


def layers_of(text: str) -> list[int]:
    """Sizes of a network, the input first, from what was given for `--layers`.

    Raises:
        ValueError: For fewer than two sizes, or something else.
    """
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"--layers {text}: give inputs and layers of neurons, e.g. 64,200,10")
    return sizes
