"""The `hil` command: the commands that are found in the folder, put together.

A module `NAME.py` in `commands/`, or in a folder there, is a command: it defines a function or a
`typer.Typer` of its own name.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from importlib import import_module
from pkgutil import walk_packages
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hil.cli import commands
from hil.cli.errors import one_line_errors, one_line_usage

FIRST = ("train", "resume", "evaluate", "report", "study")
HELP = {"help_option_names": ["-h", "--help"]}


class Ordered(TyperGroup):
    """What is used most stands first in the help, the rest by its name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands in the order of the help."""
        others = sorted(set(self.commands) - set(FIRST))
        return [*(name for name in FIRST if name in self.commands), *others]

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse a wrong command line in one line."""
        with one_line_usage():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Refuse a wrong command line of a command in one line."""
        with one_line_usage():
            return super().invoke(ctx)


def collected() -> typer.Typer:
    """The command line with every command of the folder.

    Raises:
        AttributeError: For a module there that does not define its command.
    """
    app = typer.Typer(
        name="hil",
        cls=Ordered,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=HELP,
    )
    app.callback()(version_alone)
    for module in walk_packages(commands.__path__, f"{commands.__name__}."):
        if module.ispkg:
            continue
        own = module.name.rpartition(".")[2]
        command, name = getattr(import_module(module.name), own), own.replace("_", "-")
        if isinstance(command, typer.Typer):
            for part in command.registered_commands:
                part.callback = _guarded(part.callback)
            app.add_typer(command, name=name, context_settings=HELP)
        else:
            app.command(name)(_guarded(command))
    return app


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"hil {version('spikeloop')}")
        raise typer.Exit


def version_alone(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Say the version and exit."
        ),
    ] = False,
) -> None:
    """Train spiking neural networks in the loop on devices that nobody can see inside."""


def _guarded(command: Callable[..., Any] | None) -> Callable[..., Any]:
    """A command that says in one line what a user can mend."""
    if command is None:
        raise TypeError("a command of a group has no function")
    return one_line_errors()(command)


app = collected()


def main() -> None:
    """Run the command line. SIGTERM stops it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
