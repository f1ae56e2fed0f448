"""Results of commands: tables in a terminal or a pipe, JSON, and the way to go on with a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hil.cli.errors import check_complete, name_way_on

if TYPE_CHECKING:
    from hil.loop.progress import Watcher
    from hil.loop.session import Session
    from hil.result import Result
    from hil.runs.folder import Run


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, where it has rows: drawn in a terminal, tab-separated when piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    console = Console()
    if not console.is_terminal:
        for row in (header, *rows):
            print("\t".join(row))
        return
    table = Table(*header, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def print_result(result: dict[str, Any], json_output: bool, page: Path | None = None) -> None:
    """Print a result as a table and the name of its page, or as JSON."""
    if json_output:
        typer.echo(json.dumps(result))
        return
    from hil.reports.run_facts import summarise

    print_table(("result", "value"), summarise(result))
    if page is not None:
        typer.echo(page)


def print_choices(resolved: Mapping[str, Any]) -> None:
    """Say on standard error what was measured of a device, and chosen by what it states.

    Args:
        resolved: Has them as `measured` and `chosen`, as the record of a run does.
    """
    for name, value in resolved.get("measured", {}).items():
        typer.echo(f"hil: {name} = {value}: measured, since the device does not state it", err=True)
    for reason, choices in groupby(resolved.get("chosen", ()), lambda choice: choice["reason"]):
        settings = ", ".join("{setting} = {value}".format(**choice) for choice in choices)
        typer.echo(f"hil: {settings}: {reason}", err=True)


def finish_run(
    run: Run,
    watch: Watcher,
    record: Path | None = None,
    data: Path | None = None,
    session: Session | None = None,
    other_device: bool = False,
) -> Result:
    """Train a run to its end and write its page; whatever stops that, say how to go on."""
    from hil.api import finish
    from hil.loop.epochs import Interrupted

    with name_way_on(run.spell_command("resume")):
        try:
            return finish(run, watch, record, data, session, other_device)
        except Interrupted:
            raise KeyboardInterrupt from None


def print_run(result: Result, json_output: bool) -> None:
    """Print a finished run; say so where its page lacks parts."""
    places = {"run": str(result.path), "page": str(result.report)}
    print_result({**places, **result.figures}, json_output, result.report)
    if result.not_shown:
        from hil.runs.folder import Run

        again = Run.open(result.path).spell_command("report")
        check_complete(result.report, result.not_shown, again)
