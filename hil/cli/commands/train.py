"""Train a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.options import JsonOption, RecordOption, TrustOption, names_in, sizes
from hil.cli.runs import finished, print_resolved, print_run

TaskArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[TASK]",
        help="Task, FILE.py:NAME, or a file such as csv:FILE. See hil tasks.",
        autocompletion=completion.tasks,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Device address. See hil devices.",
        autocompletion=completion.devices,
    ),
]
RuleOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"{names_in('learning/rules')}. Or one of your own, FILE.py:NAME.",
        autocompletion=completion.rules,
    ),
]
ObserveOption = Annotated[
    str | None,
    typer.Option(metavar="WHAT", help="What of the hidden layers is read: membrane or spikes."),
]
SeedOption = Annotated[
    int | None, typer.Option(metavar="N", help="Seed of everything on the host.")
]
EpochsOption = Annotated[
    int | None, typer.Option(metavar="N", help="Passes over the training samples.")
]
HiddenOption = Annotated[
    str | None,
    typer.Option(metavar="SIZES", help="Neurons of the hidden layers, e.g. 800 or 500,500."),
]
ConfigOption = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file with settings.")]
StartOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Run to start from, its weights and its settings; or a model, FILE.nir.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Any setting that config.toml of a run has; may be repeated.",
    ),
]
OutOption = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Run folder to make.")]


def train(
    task: TaskArgument = None,
    device: DeviceOption = None,
    rule: RuleOption = None,
    observe: ObserveOption = None,
    seed: SeedOption = None,
    epochs: EpochsOption = None,
    hidden: HiddenOption = None,
    config: ConfigOption = None,
    start: StartOption = None,
    assign: SetOption = None,
    out: OutOption = None,
    record: RecordOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Train a network on a device, test it, and write a report."""
    from hil import api
    from hil import config as configuration
    from hil.cli import hints
    from hil.extensions import Trust
    from hil.loop.progress import displayed

    hints.check_places(task, rule)
    layer = api.as_layer(
        task=task,
        device=device,
        rule=rule,
        observe=observe,
        seed=seed,
        training=None if epochs is None else {"epochs": epochs},
        network=None if hidden is None else {"hidden": _hidden(hidden)},
    )
    settings = configuration.assignments(assign or [])
    trusted = Trust.of(layer, settings, everything=trust)
    with displayed() as watch, trusted.in_force():
        file = configuration.read(config) if config else {}
        run, session = api.prepare(file, layer, settings, start=start, out=out, record=record)
        print_resolved(run.environment())
        result = finished(run, watch, session=session)
    print_run(result, json_output)


def _hidden(text: str) -> list[int]:
    return sizes(text, f"--hidden {text}: give sizes like 800 or 500,500")
