"""Test the weights of a run on a device."""

from __future__ import annotations

from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.options import DataOption, JsonOption, RecordOption, RunArgument, TrustOption
from hil.cli.runs import print_result


def evaluate(
    run: RunArgument,
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
    data: DataOption = None,
    record: RecordOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Deploy a run's weights on a device as they are, and test them."""
    from hil.loop import evaluation
    from hil.loop.progress import displayed
    from hil.runs.folder import Run
    from hil.trust import Trust

    with displayed() as watch:
        result = evaluation.evaluate(
            Run.open(run), device, watch, record, data, Trust(everything=trust), on
        )
    print_result(result, json_output)
