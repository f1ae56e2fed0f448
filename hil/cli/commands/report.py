"""Write the pages of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.errors import raise_incomplete
from hil.cli.options import TrustOption


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Page that compares several runs [comparison.html]."),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Write the page of a run, or one that compares several."""
    from hil.extensions import Trust
    from hil.reports.comparison import write_comparison
    from hil.reports.rendering import Attempts
    from hil.reports.run_page import write_report
    from hil.runs.folder import Run

    opened = [Run.open(path) for path in runs]
    attempts = Attempts()
    if len(opened) == 1 and out is None:
        with Trust(everything=trust).in_force():
            page = write_report(opened[0], attempts)
    else:
        page = write_comparison(opened, out or Path("comparison.html"), attempts)
    typer.echo(page)
    raise_incomplete(page, attempts.failed, "hil report")
