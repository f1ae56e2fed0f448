"""What the commands about runs share: going on to the end, and printing the result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from hil.cli.errors import going_on_with, raise_incomplete

if TYPE_CHECKING:
    from hil.loop.progress import Watcher
    from hil.result import Result
    from hil.runs.folder import Run


def finished(run: Run, watch: Watcher, record: Path | None, data: Path | None = None) -> Result:
    """Train a run to its end and write its page; whatever stops that, say how to go on."""
    from hil.api import finish
    from hil.loop.epochs import Interrupted

    with going_on_with(f"hil resume {quote(str(run.path))}{_trusting(run)}"):
        try:
            return finish(run, watch, record, data)
        except Interrupted:
            raise KeyboardInterrupt from None


def print_chosen(chosen: Iterable[Mapping[str, Any]]) -> None:
    """Say on standard error what was chosen by what the device states."""
    for choice in chosen:
        typer.echo("hil: {setting} = {value}: {reason}".format(**choice), err=True)


def print_run(result: Result, json_output: bool) -> None:
    """Print a finished run; say so where its page lacks parts."""
    places = {"run": str(result.path), "page": str(result.report)}
    print_result({**places, **result.figures}, json_output, result.report)
    if result.not_shown:
        from hil.runs.folder import Run

        again = f"hil report {quote(str(result.path))}{_trusting(Run.open(result.path))}"
        raise_incomplete(result.report, result.not_shown, again)


def _trusting(run: Run) -> str:
    """The option that a command needs to go on with a run whose configuration names code."""
    from hil.trust import code_of

    return " --trust" if code_of(run.config()) else ""


def print_result(result: dict[str, Any], json_output: bool, page: Path | None = None) -> None:
    """Print a result as a table and the name of its page, or as JSON."""
    if json_output:
        typer.echo(json.dumps(result))
        return
    from hil.cli import console
    from hil.reports.run_facts import summarise

    console.table(("result", "value"), summarise(result))
    if page is not None:
        typer.echo(page)
