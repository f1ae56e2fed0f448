"""The command `hil study`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hil.studies.coordinator import Progress
    from hil.studies.schema import Study


def study(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A study, FILE.toml of your own, or its folder."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Task of every trial. See hil tasks.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Device of every trial. See hil devices.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="small, default, large, or another of the study's own."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Processes; as many as cores, unless the device is there once."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler to use, e.g. tcp://host:8786."),
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of every trial, or of the study such as repeat.times.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder to make, or to go on with.")
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Run a study of many trainings, or list those that there are; goes on where it was stopped."""
    from hil.cli.errors import refusals

    with refusals():
        from hil import config as configuration
        from hil.cli import console
        from hil.studies import folder, loader

        if name is None:
            rows = [(n, loader.read(n).get("title", "")) for n in loader.names()]
            console.table(("study", "what it is about"), rows)
            return
        source: str | Path = name
        if (Path(name) / folder.STUDY).is_file():
            if any(given is not None for given in (task, device, budget, assign, out)):
                raise ValueError(
                    f"{name} is the folder of a study: it goes on as it began, with --workers or "
                    "--scheduler alone"
                )
            source, out = Path(name) / folder.STUDY, Path(name)
        size = budget or loader.BUDGET
        found = loader.build(
            loader.read(source),
            budget=size,
            task=task,
            device=device,
            changes=configuration.assignments(assign or []),
        )
        path = out or folder.STUDIES / f"{found.name}-{_task(found)}-{size}"
        with progress() as watch:
            result = _finished(found, path, _workers(found, workers, scheduler), scheduler, watch)
        if json_output:
            typer.echo(json.dumps(result, default=str))
            return
        for claim in result["claims"] or ["no difference is larger than chance explains"]:
            typer.echo(claim)
        typer.echo(result["table"])
        typer.echo(result["page"])


def _finished(
    found: Study,
    path: Path,
    workers: int,
    scheduler: str | None,
    watch: Callable[[Progress], None],
) -> dict[str, Any]:
    """Run a study to its end; when that is stopped, say how to go on."""
    from drivers.contract.errors import DeviceError
    from hil import studies

    again = f"go on with: hil study {quote(str(path))}"
    try:
        return studies.run(found, path, workers=workers, scheduler=scheduler, watch=watch)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(again) from None
    except (DeviceError, OSError) as error:
        if isinstance(error, ValueError):
            raise
        raise ValueError(f"{error}; {again}") from None


def _task(found: Study) -> str:
    name = str(found.base.get("task", "digits"))
    return name.split("/")[-1].replace(":", "-")


def _workers(found: Study, asked: int | None, scheduler: str | None) -> int:
    """How many processes, as far as there are devices for them."""
    from drivers import driver_of
    from hil.config import Config
    from hil.studies.pool import cores

    if asked is not None and asked < 1:
        raise ValueError(f"--workers {asked}: give at least 1")
    if asked is not None and scheduler is not None:
        raise ValueError("--workers and --scheduler: give one of them")
    device = str(found.base.get("device", Config.model_fields["device"].default))
    independent = driver_of(device).independent
    if not independent and ((asked or 1) > 1 or scheduler is not None):
        raise ValueError(f"{device} is one device: use --workers 1, without --scheduler")
    return asked or (cores() if independent else 1)


@contextmanager
def progress() -> Iterator[Callable[[Progress], None]]:
    """Show on standard error, in a terminal, how many trials are done, how fast, and what is left.

    Yields:
        A watcher for `hil.studies.run`.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        TextColumn("{task.fields[pace]}", markup=False),
    )
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        shown = bars.add_task("preparing", total=None, pace="")

        def watch(now: Progress) -> None:
            bars.update(
                shown, description=now.stage, total=now.total, completed=now.done, pace=pace(now)
            )

        yield watch


def pace(now: Progress) -> str:
    """Trials done, their rate, and the time that the rest takes at that rate."""
    text = f"{now.done}/{now.total} trials"
    if now.evaluated:
        rate = now.evaluated / now.seconds
        left = timedelta(seconds=ceil((now.total - now.done) / rate))
        text += f", {60 * rate:.0f}/min, {left} left"
    return text
