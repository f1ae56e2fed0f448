"""Go on with a run."""

from __future__ import annotations

from hil.cli.options import DataOption, JsonOption, RecordOption, RunArgument, TrustOption
from hil.cli.runs import finished, print_run


def resume(
    run: RunArgument,
    data: DataOption = None,
    record: RecordOption = None,
    trust: TrustOption = False,
    json_output: JsonOption = False,
) -> None:
    """Go on with a run that was stopped."""
    from hil.extensions import Trust
    from hil.loop.progress import displayed
    from hil.runs.folder import Run

    with displayed() as watch, Trust(everything=trust).in_force():
        result = finished(Run.open(run), watch, record, data)
    print_run(result, json_output)
