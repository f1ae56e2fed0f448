"""The `hil` command: its commands, put together."""

from __future__ import annotations

import signal
from collections.abc import Callable

import typer

from hil.cli.commands.chips import calibrate, characterise, chips
from hil.cli.commands.devices import check, demo, devices, new_driver
from hil.cli.commands.runs import evaluate, report, resume, train
from hil.cli.commands.study import study
from hil.cli.commands.tasks import tasks

HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="hil",
    help="Train spiking neural networks in the loop on devices that nobody can see inside.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
board = typer.Typer(
    name="board", help="Boards on a serial line.", no_args_is_help=True, context_settings=HELP
)
board.command()(demo)

COMMANDS: tuple[Callable[..., None], ...] = (
    train,
    resume,
    evaluate,
    report,
    devices,
    tasks,
    chips,
    characterise,
    calibrate,
    check,
)
for command in COMMANDS:
    app.command()(command)
app.command("new-driver")(new_driver)
app.command()(study)
app.add_typer(board)


def main() -> None:
    """Run the command line. SIGTERM stops it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
