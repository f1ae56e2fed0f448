"""Test the weights of a run, or of a model, on a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.options import DataOption, JsonOption, RecordOption, TrustOption
from hil.cli.runs import print_resolved, print_result


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or a model: FILE.nir.")],
    device: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Device to deploy on; the run's own when not given.",
            autocompletion=completion.devices,
        ),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="FORMAT:FILE", help="Other labelled samples, such as csv:FILE."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="What a model is tested with. See hil tasks.")
    ] = None,
    data: DataOption = None,
    record: RecordOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Deploy the weights of a run or a model on a device as they are, and test them."""
    from hil.extensions import Trust
    from hil.loop import evaluation
    from hil.loop.progress import displayed

    with displayed() as watch, Trust.of(task, everything=trust).in_force():
        result = evaluation.evaluate(run, device, watch, record, data, on, task)
    print_resolved(result)
    print_result(result, json_output)
