"""The `hil` command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="hil",
    help="Train spiking neural networks in the loop on devices that nobody can see inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


@app.command()
def train(
    task: Annotated[str | None, typer.Argument(help="Task, or npz:FILE. See hil tasks.")] = None,
    device: Annotated[str | None, typer.Option(help="Device address. See hil devices.")] = None,
    rule: Annotated[str | None, typer.Option(help="adfa, dfa, bp, bptt or output_only.")] = None,
    observe: Annotated[
        str | None, typer.Option(help="What of the hidden layers is read: membrane or spikes.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything on the host.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training samples.")] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Neurons of the hidden layers, e.g. 800 or 500,500.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file to start from.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to make.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Train a network on a device, test it, and write a report."""
    with refusals():
        from hil import config as configuration
        from hil.run import Run

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
        built = configuration.build(
            configuration.merged(
                configuration.read(config) if config else {},
                asked,
                configuration.assignments(assign or []),
            )
        )
        _check(built)
        _go(Run.create(out, built), json_output)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(help="Run folder.")], json_output: JsonOption = False
) -> None:
    """Go on with a run that was stopped."""
    with refusals():
        from hil.run import Run

        _go(Run.open(run), json_output)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    device: Annotated[
        str | None, typer.Option(help="Device to deploy on; the run's own when not given.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Deploy a run's weights on a device as they are, and test them."""
    with refusals():
        from hil import console, evaluation
        from hil.run import Run

        with console.progress() as watch:
            result = evaluation.evaluate(Run.open(run), device, watch)
        _print_result(result, json_output)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[
        Path | None, typer.Option(help="Page that compares several runs [comparison.html].")
    ] = None,
) -> None:
    """Write the page of a run, or one that compares several."""
    with refusals():
        from hil import report as reporting
        from hil.run import Run

        opened = [Run.open(path) for path in runs]
        if len(opened) == 1 and out is None:
            page = reporting.write_report(opened[0])
        else:
            page = reporting.write_comparison(opened, out or Path("comparison.html"))
        typer.echo(page)


@app.command()
def devices() -> None:
    """List the devices that can be opened by address. Opens none."""
    with refusals():
        import drivers
        from hil import console

        rows = []
        for scheme in drivers.schemes():
            try:
                rows += drivers.driver(scheme).catalogue() or [(f"{scheme}:", "")]
            except drivers.DeviceError as error:
                rows.append((f"{scheme}:", str(error)))
        console.table(("device", "what it is"), rows)


@app.command()
def tasks() -> None:
    """List the tasks."""
    with refusals():
        from hil import console
        from hil import tasks as known

        rows = [(name, known.get(name).description) for name in known.names()]
        rows.append(("npz:FILE", "your own arrays: x_train, y_train, x_test, y_test"))
        console.table(("task", "what it asks"), rows)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a user can mend into one line and exit code 2."""
    from drivers.errors import DeviceError

    try:
        yield
    except (ValueError, DeviceError, OSError) as error:
        message = str(error).strip() or type(error).__name__
        typer.echo(f"hil: {' '.join(message.split())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("hil: stopped", err=True)
        raise typer.Exit(130) from None


def _check(config: Any) -> None:
    """Refuse before a folder is made what would fail after."""
    import drivers
    from hil.controller import Controller
    from hil.training import load_data

    data = load_data(config)
    with drivers.open(config.device) as device:
        Controller(config, device, data.features, data.classes)


def _go(run: Any, json_output: bool) -> None:
    from hil import console, training

    try:
        with console.progress() as watch:
            result = training.train(run, watch)
    except training.Interrupted:
        typer.echo(f"hil: stopped; go on with: hil resume {run.path}", err=True)
        raise typer.Exit(130) from None
    except (ValueError, OSError) as error:
        raise type(error)(f"{error} (go on with: hil resume {run.path})") from None
    from hil.report import write_report

    page = write_report(run)
    _print_result(result, json_output)
    if not json_output:
        typer.echo(page)


def _print_result(result: dict[str, Any], json_output: bool) -> None:
    if json_output:
        typer.echo(json.dumps(result))
        return
    from hil import console

    console.table(("result", ""), console.result_rows(result))


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",") if size]
    except ValueError:
        raise ValueError(f"--hidden {text}: give sizes like 800 or 500,500") from None


def main() -> None:
    """Run the command line; a closed pipe ends it quietly."""
    try:
        app()
    except BrokenPipeError:
        sys.exit(1)
