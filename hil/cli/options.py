"""Options and arguments of commands: what each says of itself, and what a shell completes."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any

import typer

# What a shell completes a word with: the function that lists it, imported when it is asked for.
TASKS, DEVICES = "hil.cli.options:task_names", "drivers.registry:addresses"
RULES, STUDIES = "hil.learning.rules:names", "hil.studies.loader:names"
CHIPS = "hil.reports.chip_page:names"


def argument(help: str, metavar: str, catalogue: str = "") -> Any:
    """Describe an argument of a command.

    Args:
        help: What it is.
        metavar: What stands for it in the help.
        catalogue: What a shell offers to complete it with, `MODULE:FUNCTION`.
    """
    return typer.Argument(metavar=metavar, help=help, autocompletion=_completion(catalogue))


def option(help: str, metavar: str | None, *spellings: str, catalogue: str = "") -> Any:
    """Describe an option of a command.

    Args:
        help: What it is.
        metavar: What stands for its value in the help; None for a switch.
        spellings: `--NAME` where it is not the parameter's, and `-N`.
        catalogue: What a shell offers to complete it with, `MODULE:FUNCTION`.
    """
    return typer.Option(
        *spellings, metavar=metavar, help=help, autocompletion=_completion(catalogue)
    )


def _completion(catalogue: str) -> Callable[[str], list[str]] | None:
    if not catalogue:
        return None
    module, _, function = catalogue.partition(":")

    def complete(incomplete: str) -> list[str]:
        names = getattr(import_module(module), function)()
        return [name for name in names if name.startswith(incomplete)]

    return complete


def task_names() -> list[str]:
    """Name the tasks, and the formats of files that are tasks."""
    from hil import tasks
    from hil.tasks import formats

    return [*tasks.names(), *(f"{name}:" for name in formats.names())]


def list_modules(folder: str) -> str:
    """Name the modules in a folder of `hil`, for a help text; none of them is imported.

    Args:
        folder: The folder below `hil`, e.g. `learning/rules`.
    """
    root = Path(__file__).parents[1]
    *others, last = sorted(module.name for module in iter_modules([str(root / folder)]))
    return f"{', '.join(others)} or {last}"


RunArgument = Annotated[Path, argument("Run folder.", "RUN")]
DeviceArgument = Annotated[str, argument("Device address.", "ADDRESS", DEVICES)]
LayersOption = Annotated[
    str, option("Network to map: inputs, layers of neurons, e.g. 64,200,10.", "SIZES")
]
JsonOption = Annotated[bool, option("Print the result as one JSON object.", None, "--json")]
DataOption = Annotated[Path | None, option("File of the run's data, where it has moved.", "FILE")]
RecordOption = Annotated[
    Path | None, option("File to record the session with the device to.", "FILE")
]
TrustOption = Annotated[
    bool,
    option("Run Python code that files name, such as a chip, a rule or a task.", None, "--trust"),
]


def parse_sizes(text: str, refusal: str) -> list[int]:
    """Read whole numbers with commas between them.

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


def parse_layers(text: str) -> list[int]:
    """Read the sizes of a network, the input first, from what was given for `--layers`.

    Raises:
        ValueError: For fewer than two sizes, or something else.
    """
    refusal = f"--layers {text}: give inputs and layers of neurons, e.g. 64,200,10"
    layers = parse_sizes(text, refusal)
    if len(layers) < 2 or min(layers) < 1:
        raise ValueError(refusal)
    return layers
