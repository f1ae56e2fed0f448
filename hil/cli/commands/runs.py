"""Commands about runs: train, resume, evaluate, report."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.errors import interrupted, line, refusals
from hil.cli.options import JsonOption, RecordOption, RunArgument

if TYPE_CHECKING:
    from hil.loop.training import Watcher
    from hil.runs.folder import Run


def train(
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="Task, or npz:FILE. See hil tasks.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Device address. See hil devices.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="NAME", help="adfa, dfa, bp, bptt, spsa or output_only.")
    ] = None,
    observe: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="What of the hidden layers is read: membrane or spikes."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of everything on the host.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Passes over the training samples.")
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(metavar="SIZES", help="Neurons of the hidden layers, e.g. 800 or 500,500."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with settings.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="RUN", help="Run to start from: its weights, and its settings."
        ),
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Any setting that config.toml of a run has; may be repeated.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Run folder to make.")] = None,
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Train a network on a device, test it, and write a report."""
    with refusals():
        from hil import config as configuration
        from hil.cli import console
        from hil.loop import training
        from hil.runs import warm_start
        from hil.runs.folder import Run

        asked: dict[str, Any] = {
            key: value
            for key, value in {
                "task": task,
                "device": device,
                "observe": observe,
                "seed": seed,
                "rule": None if rule is None else {"name": rule},
                "training": None if epochs is None else {"epochs": epochs},
                "network": None if hidden is None else {"hidden": _sizes(hidden)},
            }.items()
            if value is not None
        }
        with console.progress() as watch:
            layers = [
                configuration.read(config) if config else {},
                asked,
                configuration.assignments(assign or []),
            ]
            base = warm_start.base(start, *layers) if start else {}
            built = configuration.build(base, *layers)
            training.check(built, record)
            made = Run.create(out, built)
            result, page = _finish(made, watch, record)
        _print_result(result, json_output, page)


def resume(run: RunArgument, record: RecordOption = None, json_output: JsonOption = False) -> None:
    """Go on with a run that was stopped."""
    with refusals():
        from hil.cli import console
        from hil.runs.folder import Run

        with console.progress() as watch:
            result, page = _finish(Run.open(run), watch, record)
        _print_result(result, json_output, page)


def evaluate(
    run: RunArgument,
    device: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Device to deploy on; the run's own when not given."),
    ] = None,
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Deploy a run's weights on a device as they are, and test them."""
    with refusals():
        from hil.cli import console
        from hil.loop import evaluation
        from hil.runs.folder import Run

        with console.progress() as watch:
            result = evaluation.evaluate(Run.open(run), device, watch, record)
        _print_result(result, json_output)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Page that compares several runs [comparison.html]."),
    ] = None,
) -> None:
    """Write the page of a run, or one that compares several."""
    with refusals():
        from hil.reports.comparison_page import write_comparison
        from hil.reports.run_page import write_report
        from hil.runs.folder import Run

        opened = [Run.open(path) for path in runs]
        if len(opened) == 1 and out is None:
            page = write_report(opened[0])
        else:
            page = write_comparison(opened, out or Path("comparison.html"))
        typer.echo(page)


def _finish(run: Run, watch: Watcher, record: Path | None) -> tuple[dict[str, Any], Path]:
    """Train a run to its end and write its page; whatever stops that, say how to go on."""
    from drivers.contract.errors import DeviceError
    from hil.loop import training

    again = f"go on with: hil resume {quote(str(run.path))}"
    try:
        result = training.train(run, watch, record)
        from hil.reports.run_page import write_report

        return result, write_report(run)
    except training.Interrupted:
        raise KeyboardInterrupt(again) from None
    except BaseException as error:
        if interrupted(error):
            raise KeyboardInterrupt(again) from None
        if isinstance(error, OSError | DeviceError) and not isinstance(error, ValueError):
            raise ValueError(f"{line(error)}; {again}") from None
        raise  # a ValueError says itself what to mend


def _print_result(result: dict[str, Any], json_output: bool, page: Path | None = None) -> None:
    if json_output:
        typer.echo(json.dumps(result))
        return
    from hil.cli import console

    console.table(("result", ""), console.result_rows(result))
    if page is not None:
        typer.echo(page)


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",")]
    except ValueError:
        raise ValueError(f"--hidden {text}: give sizes like 800 or 500,500") from None
