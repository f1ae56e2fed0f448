"""The `hil` command: the commands of the folder, put together.

Each public function of a module in `commands/` is a command of its name, and so is each public
`typer.Typer` there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FunctionType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hil.cli import commands
from hil.cli.errors import (
    drop_output,
    end_process,
    explain,
    one_line_errors,
    prepare_process,
    print_message,
)

FIRST = ("train", "resume", "predict", "evaluate", "report", "study")
HELP = {"help_option_names": ["-h", "--help"]}


class CommandGroup(TyperGroup):
    """The group of all commands: those used most stand first in its help, the rest by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands in the order of the help."""
        others = sorted(set(self.commands) - set(FIRST))
        return [*(name for name in FIRST if name in self.commands), *others]

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command line; refuse a wrong one in one line."""
        with one_line_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; say in one line what a user can mend."""
        with one_line_errors():
            return super().invoke(ctx)


def build_app() -> typer.Typer:
    """Put the command line together, of every command of the folder.

    Raises:
        AttributeError: For a module there that defines no command.
    """
    app = typer.Typer(
        name="hil",
        cls=CommandGroup,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=HELP,
    )
    app.callback()(version_option)
    for module in iter_modules(commands.__path__, f"{commands.__name__}."):
        for name, command in _commands_of(module.name):
            if isinstance(command, typer.Typer):
                app.add_typer(command, name=name, context_settings=HELP)
            else:
                app.command(name)(command)
    return app


def _commands_of(module: str) -> Iterator[tuple[str, Any]]:
    """Commands that a module defines itself, by name."""
    defined = {
        name.replace("_", "-"): value
        for name, value in vars(import_module(module)).items()
        if not name.startswith("_")
        and (
            isinstance(value, typer.Typer)
            or (isinstance(value, FunctionType) and value.__module__ == module)
        )
    }
    if not defined:
        raise AttributeError(f"{module} defines no public function, which would be a command")
    for group in [each for each in defined.values() if isinstance(each, typer.Typer)]:
        own = [each.callback for each in group.registered_commands]
        defined = {name: value for name, value in defined.items() if value not in own}
    yield from defined.items()


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"hil {version('spikeloop')}")
        raise typer.Exit


def version_option(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say the version and exit."
        ),
    ] = False,
    lab: Annotated[
        Path | None,
        typer.Option("--lab", metavar="FILE", help="Names of devices. See hil lab."),
    ] = None,
) -> None:
    """Train spiking neural networks in the loop on devices that nobody can see inside."""
    if lab is not None:
        from drivers.lab import VARIABLE

        os.environ[VARIABLE] = str(lab.absolute())  # for processes that are started, too


app = build_app()


def main() -> None:
    """Run the command line. SIGTERM stops it as Ctrl-C does."""
    prepare_process()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code: Any = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends already, with a code
    # Python notes a Ctrl-C that leaves code run from a string (that of a dataclass, say), and would
    # end by the signal in place of the code; the next such code that runs clears the note.
    exec("")
    try:
        sys.stdout.flush()
    except OSError as error:
        drop_output()
        if not code:
            line, code = explain(error)
            if line is not None:
                print_message(line)
    end_process(code)
