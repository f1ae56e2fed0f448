"""The `hil` command."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.studies.command import study

if TYPE_CHECKING:
    from hil.run import Run
    from hil.training import Watcher

app = typer.Typer(
    name="hil",
    help="Train spiking neural networks in the loop on devices that nobody can see inside.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
LayersOption = Annotated[
    str,
    typer.Option(
        metavar="SIZES", help="Network to map: inputs, layers of neurons, e.g. 64,200,10."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
RecordOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File to record the session with the device to."),
]


@app.command()
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
        from hil import console, starting, training
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
        with console.progress() as watch:
            layers = [
                configuration.read(config) if config else {},
                asked,
                configuration.assignments(assign or []),
            ]
            base = starting.base(start, *layers) if start else {}
            built = configuration.build(base, *layers)
            training.check(built, record)
            made = Run.create(out, built)
            result, page = _finish(made, watch, record)
        _print_result(result, json_output, page)


@app.command()
def resume(run: RunArgument, record: RecordOption = None, json_output: JsonOption = False) -> None:
    """Go on with a run that was stopped."""
    with refusals():
        from hil import console
        from hil.run import Run

        with console.progress() as watch:
            result, page = _finish(Run.open(run), watch, record)
        _print_result(result, json_output, page)


@app.command()
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
        from hil import console, evaluation
        from hil.run import Run

        with console.progress() as watch:
            result = evaluation.evaluate(Run.open(run), device, watch, record)
        _print_result(result, json_output)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Page that compares several runs [comparison.html]."),
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
def devices(
    scan: Annotated[
        bool, typer.Option("--scan", help="Open every serial port and list which board answers.")
    ] = False,
) -> None:
    """List the devices that can be opened by address. Opens none, unless asked to scan."""
    with refusals():
        import drivers
        from hil import console

        if scan:
            from drivers.board.scan import scan as ports

            found = [(f"board:{p.address}", p.description, p.answer) for p in ports()]
            console.table(("port", "what is plugged in", "who answers"), found)
            if not found:
                typer.echo("hil: no serial ports: plug a board in, or try hil board demo", err=True)
            return
        rows = []
        for scheme in drivers.schemes():
            try:
                rows += drivers.driver(scheme).catalogue() or [(f"{scheme}:", "")]
            except drivers.DeviceError as error:
                rows.append((f"{scheme}:", str(error)))
        console.table(("device", "what it is"), rows)


board = typer.Typer(
    name="board",
    help="Boards on a serial line.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(board)


@board.command()
def demo(
    seed: Annotated[
        int, typer.Option(metavar="N", help="Chip seed: which fixed pattern it has; 0 is ideal.")
    ] = 1,
) -> None:
    """Build the firmware, run it as a process of this machine, and print its address."""
    with refusals():
        from drivers import firmware

        with firmware.start("native", seed) as running:
            typer.echo(f"board:{running.url}")
            typer.echo("hil: a board listens there until Ctrl-C", err=True)
            with suppress(KeyboardInterrupt):
                signal.pause()


@app.command()
def tasks() -> None:
    """List the tasks."""
    with refusals():
        from hil import console
        from hil import tasks as known

        rows = [(name, known.get(name).description) for name in known.names()]
        rows.append(("npz:FILE", "your own arrays: x_train, y_train, x_test, y_test"))
        console.table(("task", "what it asks"), rows)


@app.command()
def chips(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A chip, or FILE.toml of your own.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Argument(metavar="PAGE", help="With --report: the page to write [NAME.html]."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Measure one such chip and write a page about it.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="With --report: which chip of its kind [0].")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the chips that can be emulated, or the figures of one with their sources."""
    with refusals():
        from dataclasses import asdict

        from drivers import datasheet
        from hil import chips as known
        from hil import console

        if report and (name is None or json_output):
            raise ValueError("--report: name one chip, without --json")
        if not report and (page is not None or seed is not None):
            raise ValueError("a page or a seed goes with --report: add it, or leave them out")
        if name is None:
            sheets = [datasheet.datasheet(each) for each in datasheet.names()]
            listed = [(s.name, s.neuron.name, s.description) for s in sheets]
            if json_output:
                keys = ("name", "neuron", "description")
                typer.echo(json.dumps({"chips": [dict(zip(keys, r, strict=True)) for r in listed]}))
            else:
                console.table(("chip", "neuron", "what it is"), listed)
        elif report:
            typer.echo(known.write_page(name, seed or 0, page))
        elif json_output:
            typer.echo(json.dumps(asdict(datasheet.datasheet(name))))
        else:
            header = ("tier", "figure", "value", "unit", "allowed", "source")
            console.table(header, known.rows(datasheet.datasheet(name)))


@app.command()
def characterise(
    device: Annotated[str, typer.Argument(metavar="ADDRESS", help="Device address.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Twin to write, a chip file.")
    ] = Path("twin.toml"),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Measure a device through its probes, and write its twin: an emulated chip like it."""
    with refusals():
        from hil import characterisation, console
        from hil.characterisation import table

        sizes = _layers(layers)
        with console.stages(characterisation.stages(sizes)) as watch:
            found = characterisation.characterise(device, sizes, out, watch, record)
        if json_output:
            typer.echo(json.dumps(found))
            return
        console.table(table.HEADER, table.rows(found))
        console.table(table.ERRORS, table.errors(found))
        typer.echo(table.verdict(found))
        typer.echo(out)


@app.command()
def calibrate(
    device: Annotated[str, typer.Argument(metavar="ADDRESS", help="Device address.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Calibration to write.")
    ] = Path("calibration.toml"),
    layers: LayersOption = "64,200,10",
    json_output: JsonOption = False,
) -> None:
    """Bring a device's neurons to a common threshold and time constant by its settings."""
    with refusals():
        from hil import calibration, calibration_file, console

        sizes = _layers(layers)
        with console.stages(calibration.stages(sizes)) as watch:
            made = calibration.calibrate(device, sizes, watch)
        calibration_file.write(made, out)
        if json_output:
            typer.echo(json.dumps(calibration_file.record(made)))
            return
        console.table(calibration_file.HEADER, calibration_file.rows(made))
        typer.echo(out)


@app.command()
def check(
    device: Annotated[str, typer.Argument(metavar="ADDRESS", help="Device address.")],
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Hold a device and its driver to the contract. Exit code 1 where they break it."""
    with refusals():
        from hil import checking, console

        with console.stages(checking.stages()) as watch:
            found = checking.check(device, record, watch)
        if json_output:
            typer.echo(json.dumps(checking.result(device, found)))
        else:
            console.table(checking.HEADER, checking.rows(found))
            typer.echo(checking.summary(found))
        if checking.broken(found):
            raise typer.Exit(1)


@app.command("new-driver")
def new_driver(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Scheme of its addresses.")],
) -> None:
    """Make a folder with a driver to start from, and its tests."""
    with refusals():
        from drivers import template

        typer.echo(template.write(name, Path()))


app.command()(study)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what a user can mend into one line and exit code 2, and Ctrl-C into 130."""
    try:
        yield
    except KeyboardInterrupt as how_to_go_on:
        _stop("; ".join(filter(None, ("stopped", str(how_to_go_on)))), 130)
    except MemoryError:
        _stop("this needs more memory than there is: ask for a smaller network or batch", 2)
    except Exception as error:
        from drivers.errors import DeviceError

        if _interrupted(error):
            _stop("stopped", 130)
        # Typer quietly ends what met a closed pipe.
        refusal = isinstance(error, ValueError | DeviceError | OSError)
        if not refusal or isinstance(error, BrokenPipeError):
            raise
        _stop(_line(error), 2)


def _stop(message: str, code: int) -> None:
    typer.echo(f"hil: {' '.join(message.split())}", err=True)
    raise typer.Exit(code) from None


def _interrupted(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C, or what an import that Ctrl-C hit has made of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return str(error) or type(error).__name__


def _finish(run: Run, watch: Watcher, record: Path | None) -> tuple[dict[str, Any], Path]:
    """Train a run to its end and write its page; whatever stops that, say how to go on."""
    from drivers.errors import DeviceError
    from hil import training

    again = f"go on with: hil resume {quote(str(run.path))}"
    try:
        result = training.train(run, watch, record)
        from hil.report import write_report

        return result, write_report(run)
    except training.Interrupted:
        raise KeyboardInterrupt(again) from None
    except BaseException as error:
        if _interrupted(error):
            raise KeyboardInterrupt(again) from None
        if isinstance(error, OSError | DeviceError) and not isinstance(error, ValueError):
            raise ValueError(f"{_line(error)}; {again}") from None
        raise  # a ValueError says itself what to mend


def _print_result(result: dict[str, Any], json_output: bool, page: Path | None = None) -> None:
    if json_output:
        typer.echo(json.dumps(result))
        return
    from hil import console

    console.table(("result", ""), console.result_rows(result))
    if page is not None:
        typer.echo(page)


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",")]
    except ValueError:
        raise ValueError(f"--hidden {text}: give sizes like 800 or 500,500") from None


def _layers(text: str) -> list[int]:
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"--layers {text}: give inputs and layers of neurons, e.g. 64,200,10")
    return sizes


def main() -> None:
    """Run the command line. SIGTERM stops it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
