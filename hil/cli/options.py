"""Options and arguments that several commands share, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated

import typer

from hil.cli import completion

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
DeviceArgument = Annotated[
    str,
    typer.Argument(metavar="ADDRESS", help="Device address.", autocompletion=completion.devices),
]
LayersOption = Annotated[
    str,
    typer.Option(
        metavar="SIZES", help="Network to map: inputs, layers of neurons, e.g. 64,200,10."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
DataOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File of the run's data, where it has moved."),
]
RecordOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File to record the session with the device to."),
]

TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run Python code that files name, such as a chip, a rule or a task.",
    ),
]


def names_in(folder: str) -> str:
    """Names of the modules in a folder of `hil`, for a help text; none of them is imported.

    Args:
        folder: The folder below `hil`, e.g. `learning/rules`.
    """
    root = Path(__file__).parents[1]
    *others, last = sorted(module.name for module in iter_modules([str(root / folder)]))
    return f"{', '.join(others)} or {last}"


def sizes(text: str, refusal: str) -> list[int]:
    """Whole numbers with commas between them.

    Args:
        text: What was given.
        refusal: What to say about anything else.

    Raises:
        ValueError: With the refusal.
    """
    try:
        return [int(size) for size in text.split(",")]
    except ValueError:
        raise ValueError(refusal) from None


def layers_of(text: str) -> list[int]:
    """Sizes of a network, the input first, from what was given for `--layers`.

    Raises:
        ValueError: For fewer than two sizes, or something else.
    """
    refusal = f"--layers {text}: give inputs and layers of neurons, e.g. 64,200,10"
    layers = sizes(text, refusal)
    if len(layers) < 2 or min(layers) < 1:
        raise ValueError(refusal)
    return layers
