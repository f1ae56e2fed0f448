"""Hold a device to the contract."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer

from hil.cli.options import DeviceArgument, JsonOption, RecordOption

if TYPE_CHECKING:
    from drivers.conformance import Outcome

HEADER = ("check", "verdict", "what it asks, or what was found")


def check(
    device: DeviceArgument, record: RecordOption = None, json_output: JsonOption = False
) -> None:
    """Hold a device and its driver to the contract. Exit code 1 where they break it."""
    from drivers.conformance import CHECKS
    from hil.cli import console
    from hil.progress import stages

    with stages(len(CHECKS)) as watch:
        outcomes = _outcomes(device, record, watch)
    if json_output:
        typer.echo(json.dumps(_as_json(device, outcomes)))
    else:
        rows = [(each.check, each.verdict, each.detail or each.reason) for each in outcomes]
        console.table(HEADER, rows)
        counts = _counts(outcomes)
        typer.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if any(each.verdict == "failed" for each in outcomes):
        raise typer.Exit(1)


def _outcomes(url: str, record: Path | None, watch: Callable[[str], None]) -> list[Outcome]:
    """Make every check on a device.

    Args:
        url: Address of the device.
        record: File to record the session with the device to. The session ends where the device
            is opened anew: after a check that failed, or for the last ones.
        watch: Is told which check is under way.

    Raises:
        DeviceError: When the device cannot be opened.
        ValueError: When the recording exists already.
    """
    import drivers
    from drivers.conformance import CHECKS, Harness, check_name, run_check

    records = iter((record,))
    outcomes = []
    with Harness(lambda: drivers.open(url, record=next(records, None))) as harness:
        for each in CHECKS:
            watch(check_name(each))
            outcomes.append(run_check(each, harness))
    return outcomes


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many checks ended with each verdict."""
    from drivers.conformance import Verdict

    counts = Counter(each.verdict for each in outcomes)
    return {verdict: counts[verdict] for verdict in get_args(Verdict)}


def _as_json(url: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    counts = _counts(outcomes)
    return {
        "device": url,
        **{verdict.replace(" ", "_"): count for verdict, count in counts.items()},
        "checks": [asdict(each) for each in outcomes],
    }
