"""Commands about runs: train, go on, test, write pages, export."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.errors import check_complete, print_message
from hil.cli.options import (
    DEVICES,
    RULES,
    TASKS,
    DataOption,
    JsonOption,
    RecordOption,
    RunArgument,
    TrustOption,
    argument,
    list_modules,
    option,
    parse_sizes,
)
from hil.cli.output import finish_run, print_choices, print_result, print_run, print_table

if TYPE_CHECKING:
    from hil.loop.progress import Watcher
    from hil.runs.folder import Run

_RULES = f"{list_modules('learning/rules')}. Or one of your own, FILE.py:NAME."
_TASKS = "Task, FILE.py:NAME, or a file such as csv:FILE. See hil tasks."
_START = "Run to start from, its weights and its settings; or a model, FILE.nir."
_SET = "Any setting that config.toml of a run has; may be repeated."


def train(
    task: Annotated[str | None, argument(_TASKS, "[TASK]", TASKS)] = None,
    device: Annotated[
        str | None, option("Device address. See hil devices.", "ADDRESS", catalogue=DEVICES)
    ] = None,
    rule: Annotated[str | None, option(_RULES, "NAME", catalogue=RULES)] = None,
    observe: Annotated[
        str | None, option("Read of hidden layers: output, last, mean, membrane or spikes.", "WHAT")
    ] = None,
    seed: Annotated[int | None, option("Seed of everything on the host.", "N")] = None,
    epochs: Annotated[int | None, option("Passes over the training samples.", "N")] = None,
    hidden: Annotated[
        str | None, option("Neurons of the hidden layers, e.g. 800 or 500,500.", "SIZES")
    ] = None,
    config: Annotated[Path | None, option("TOML file with settings.", "FILE")] = None,
    start: Annotated[Path | None, option(_START, "RUN", "--from")] = None,
    assign: Annotated[list[str] | None, option(_SET, "SECTION.KEY=VALUE", "--set")] = None,
    out: Annotated[Path | None, option("Run folder to make.", "FOLDER")] = None,
    record: RecordOption = None,
    live: Annotated[
        bool, option("Write the page after every epoch; a browser shows it anew.", None, "--live")
    ] = False,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Train a network on a device, test it, and write a report."""
    from hil.loop.progress import display_progress

    with display_progress() as watch, ExitStack() as stack:
        from hil import api  # takes a second or two, in which the display says so
        from hil import config as configuration
        from hil.cli.errors import check_places
        from hil.extensions import Trust

        check_places(task, rule)
        refusal = f"--hidden {hidden}: give sizes like 800 or 500,500"
        layer = api.as_layer(
            task=task,
            device=device,
            rule=rule,
            observe=observe,
            seed=seed,
            training=None if epochs is None else {"epochs": epochs},
            network=None if hidden is None else {"hidden": parse_sizes(hidden, refusal)},
        )
        settings = configuration.parse_assignments(assign or [])
        stack.enter_context(Trust.of(layer, settings, everything=trust).in_force())
        file = configuration.read(config) if config else {}
        given: dict[str, Any] = {"start": start, "out": out, "record": record}
        run, session = api.prepare(file, layer, settings, watch=watch, **given)
        print_choices(run.environment())
        if live:
            watch = _write_page_live(run, watch)
        result = finish_run(run, watch, session=session)
    print_run(result, json_output)


def _write_page_live(run: Run, watch: Watcher) -> Watcher:
    """Write the page of a run at every epoch, and say where it is."""
    from hil.loop.progress import also_call
    from hil.reports.run_page import write_report

    typer.echo(f"hil: {write_report(run, is_live=True)} shows it as it goes", err=True)
    return also_call(watch, lambda _: write_report(run, is_live=True))


def resume(
    run: RunArgument,
    epochs: Annotated[int | None, option("Epochs in all, to go on longer.", "N")] = None,
    data: DataOption = None,
    record: RecordOption = None,
    other_device: Annotated[
        bool, option("Go on with another device than it began on.", None, "--other-device")
    ] = False,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Go on with a run that was stopped, or for longer."""
    from hil.extensions import Trust
    from hil.loop.progress import display_progress
    from hil.runs.folder import Run

    opened = Run.open(run)
    if epochs is not None:
        opened.lengthen(epochs)
    with display_progress() as watch, Trust(everything=trust).in_force():
        result = finish_run(opened, watch, record, data, other_device=other_device)
    print_run(result, json_output)


def evaluate(
    run: Annotated[Path, argument("Run folder, or a model: FILE.nir.", "RUN")],
    device: Annotated[
        str | None,
        option("Device to deploy on; the run's own when not given.", "ADDRESS", catalogue=DEVICES),
    ] = None,
    on: Annotated[
        str | None, option("Other labelled samples, such as csv:FILE.", "FORMAT:FILE")
    ] = None,
    task: Annotated[
        str | None, option("What a model is tested with. See hil tasks.", "TASK")
    ] = None,
    data: DataOption = None,
    record: RecordOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Deploy the weights of a run or a model on a device as they are, and test them."""
    from hil.extensions import Trust
    from hil.loop import evaluation
    from hil.loop.progress import display_progress

    with display_progress() as watch, Trust.of(task, everything=trust).in_force():
        result = evaluation.evaluate(run, device, watch, record, data, on, task)
    print_choices(result)
    if "import" in result and not json_output:
        columns = ("layer", "parameter", "model", "device", "became", "cost")
        print_table(columns, [[row[name] for name in columns] for row in result["import"]])
    print_result(result, json_output)


def predict(
    run: RunArgument,
    file: Annotated[str, argument("Samples, such as new.csv or npz:new.npz.", "FILE")],
    out: Annotated[
        Path | None, option("CSV or Parquet file to write, by its ending [CSV to stdout].", "FILE")
    ] = None,
    device: Annotated[
        str | None,
        option("Device to deploy on; the run's own when not given.", "ADDRESS", catalogue=DEVICES),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Classify the samples of a file; says where no output fired."""
    from drivers.files.writing import replace_file
    from hil import api
    from hil.loop.progress import TrainingProgress, display_progress

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--out {out}: give a name that ends in .csv or .parquet")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")
    if out is not None and out.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ValueError('parquet is written by pyarrow: pip install "spikeloop[parquet]"')
    with display_progress() as watch:
        watch(TrainingProgress("reading the samples"))
        result = api.load(run, trust=trust)
        table = result.predict_file(
            file, device, lambda done, total: watch(TrainingProgress("predict", done, total))
        )
    silent = int((~table["fired"]).sum())
    typer.echo(f"hil: {len(table)} samples; no output fired for {silent}", err=True)
    if out is None:
        typer.echo(table.to_csv(index=False), nl=False)
        return
    with replace_file(out) as handle:
        if out.suffix == ".csv":
            table.to_csv(handle, index=False)
        else:
            table.to_parquet(handle)
    typer.echo(out)


def runs(
    folder: Annotated[Path, argument("Folder with run folders.", "[FOLDER]")] = Path("runs"),
) -> None:
    """List the runs of a folder, and in what they differ."""
    from hil.plain_text import describe_score
    from hil.reports.comparison import ComparedRun, find_differing_settings, group_runs
    from hil.runs.folder import Run

    folders = sorted(path.parent for path in folder.glob("*/environment.json"))
    if not folders:
        raise ValueError(f"{folder} holds no runs: make one with hil train, or name their folder")
    opened = []
    for path in folders:
        try:
            opened.append(ComparedRun(Run.open(path)))
        except ValueError as error:  # a damaged one hides no other
            print_message(str(error))
    groups = group_runs(opened) if opened else []
    differing = find_differing_settings(groups)
    usual = [_find_usual_settings(group[0].run) for group in groups]
    others = [key for key in differing if key not in ("task", "device")]
    rows = []
    for number, group in enumerate(groups):
        for run in group:
            begun = run.run.environment()["made"][:16].replace("T", " ")
            done = f"epoch {len(run.metrics)} of {run.config.training.epochs}"
            if run.result is not None:
                done = describe_score(run.result, "test")
            values = {key: differing[key][number] for key in others}
            own = [
                f"{key}={value}"
                for key, value in values.items()
                if value is not None and usual[number].get(key) != value
            ]
            seed = f"seed={run.config.seed}"
            where = (run.config.task, run.config.device_url)
            rows.append((str(run.path), begun, *where, done, ", ".join([seed, *own])))
    header = ("run", "made", "task", "device", "test", "settings that differ")
    print_table(header, sorted(rows, key=lambda row: row[1]))


def _find_usual_settings(run: Run) -> dict[str, str]:
    """Find what settings would be if nobody had set any but task, rule and device."""
    from hil import config as configuration
    from hil.reports.run_facts import format_setting, settings_as_text

    own, chosen = run.config(), run.environment()["chosen"]
    asked = {"task": own.task, "device": own.device, "rule": {"name": own.rule["name"]}}
    try:
        texts = settings_as_text(configuration.build(asked))
    except ValueError:  # a file that has gone, or code that nobody trusts
        texts = {}
    usual = {f"{section}.{key}": text for (section, key), text in texts.items()}
    usual |= {choice["setting"]: format_setting(choice["value"]) for choice in chosen}
    return {key: text for key, text in usual.items() if key != "rule.name"}


def report(
    runs: Annotated[
        list[Path], argument("Run folders, or the file of a hil board accept.", "RUN...")
    ],
    out: Annotated[
        Path | None, option("Page that compares several runs [comparison.html].", "FILE")
    ] = None,
    figures: Annotated[
        Path | None, option("Folder for a run's figures and tables: SVG, PDF, CSV, LaTeX.", "DIR")
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Write the page of a run, or one that compares several."""
    from hil import acceptance
    from hil.extensions import Trust
    from hil.reports.comparison import write_comparison
    from hil.reports.figure_files import write_run_figures
    from hil.reports.rendering import Attempts
    from hil.reports.run_page import write_report
    from hil.runs.folder import Run

    if len(runs) == 1 and runs[0].suffix == ".json":
        typer.echo(acceptance.write_page(runs[0]))
        return
    opened = [Run.open(path) for path in runs]
    attempts = Attempts()
    if figures is not None and len(opened) != 1:
        raise ValueError(f"--figures is for one run, and {len(opened)} are given: give it one")
    if len(opened) == 1 and out is None:
        with Trust(everything=trust).in_force():
            page = write_report(opened[0], attempts)
            if figures is not None:
                paths = write_run_figures(opened[0], figures, attempts)
                typer.echo(f"{len(paths)} files in {figures}")
    else:
        page = write_comparison(opened, out or Path("comparison.html"), attempts)
    typer.echo(page)
    check_complete(page, attempts.failed, "hil report")


def export(
    run: RunArgument,
    out: Annotated[Path, option("File of NIR to write.", "FILE", "--out", "-o")] = Path(
        "model.nir"
    ),
    stored: Annotated[
        bool, option("The weights that the device stored, not those asked for.", None, "--stored")
    ] = False,
    dt: Annotated[
        float | None,
        option("Length of a step; of the model that it began with, or the device.", "SECONDS"),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Write the network of a run as a model of NIR, with the chip's nominal neurons."""
    from hil import api

    def say(line: str) -> None:
        typer.echo(line, err=True)

    typer.echo(api.export(run, out, stored=stored, dt=dt, say=say, trust=trust))
