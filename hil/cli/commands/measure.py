"""Commands that measure a device: against the contract, for a twin, for a calibration."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from hil.cli.options import (
    DeviceArgument,
    JsonOption,
    LayersOption,
    RecordOption,
    option,
    parse_layers,
)

if TYPE_CHECKING:
    from drivers import Device, DeviceInfo


def check(
    device: DeviceArgument, record: RecordOption = None, json_output: JsonOption = False
) -> None:
    """Hold a device and its driver to the contract. Exit code 1 where they break it."""
    import drivers
    from drivers.conformance import CHECKS, Harness, Verdict, run_check
    from hil.cli.output import print_table
    from hil.progress import stages

    # A recording ends where the device is opened anew: after a check that failed, or for the last.
    records = iter((record,))
    outcomes = []
    with (
        stages(len(CHECKS)) as watch,
        Harness(lambda: drivers.open(device, record=next(records, None))) as harness,
    ):
        for each in CHECKS:
            watch(each.name)
            outcomes.append(run_check(each, harness))
    counts = Counter(each.verdict for each in outcomes)
    by_verdict = {verdict: counts[verdict] for verdict in get_args(Verdict)}
    summary = _summarise(harness.info, [each.measured for each in outcomes if each.measured])
    if json_output:
        totals = {verdict.replace(" ", "_"): count for verdict, count in by_verdict.items()}
        checks = [asdict(each) for each in outcomes]
        typer.echo(json.dumps({"device": device, "summary": summary, **totals, "checks": checks}))
    else:
        rows = [(each.check, each.verdict, each.detail or each.reason) for each in outcomes]
        print_table(("check", "verdict", "what it asks, or what was found"), rows)
        typer.echo(summary)
        typer.echo(", ".join(f"{count} {verdict}" for verdict, count in by_verdict.items()))
    if counts["failed"]:
        raise typer.Exit(1)


def _summarise(info: DeviceInfo, measured: Sequence[str]) -> str:
    """Say in a sentence what a device is, what was measured of it, and what training reads."""
    room, form = info.capacity, info.weight_format(0)
    read = "nothing of hidden layers, so what they do is worked out from stimulus and weights"
    if info.offer("spikes", 1, 2) is not None:
        read = "spikes of hidden layers"
    elif info.offer("membrane", 1, 2) is not None:
        read = "membranes of hidden layers, from which their rates are estimated"
    if room.layers == 1:
        read = "its output, there being no hidden layer"
    levels = "continuous weights" if form.levels is None else f"weights of {form.levels} levels"
    return (
        f"{info.identity.name} takes {' or '.join(info.offers.stimuli)} of up to {room.inputs} "
        f"inputs and has up to {room.layers} layers of {room.neurons} neurons and {levels}; "
        f"measured of what it does not state: {', '.join(measured) or 'nothing'}; training reads "
        f"{read}"
    )


def characterise(
    device: DeviceArgument,
    out: Annotated[Path, option("Twin to write, a chip file.", "FILE", "--out", "-o")] = Path(
        "twin.toml"
    ),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Measure a device through its probes, and write its twin: an emulated chip like it."""
    from hil import characterisation

    sizes = parse_layers(layers)
    characterisation.twin.check_path(out)
    with _open_device(device, record, characterisation.count_stages(sizes)) as (opened, watch):
        measured = characterisation.characterise(opened, sizes, out, watch)
    tables = characterisation.tabulate(measured)
    _print_measured(measured, json_output, tables, characterisation.describe_verdict(measured), out)


def calibrate(
    device: DeviceArgument,
    out: Annotated[Path, option("Calibration to write.", "FILE", "--out", "-o")] = Path(
        "calibration.toml"
    ),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Bring a device's neurons to a common threshold and time constant by its settings."""
    from hil.characterisation import calibration

    sizes = parse_layers(layers)
    with _open_device(device, record, calibration.count_stages(sizes)) as (opened, watch):
        result = calibration.calibrate(opened, sizes, watch)
    calibration.write(result, out)
    table = (calibration.HEADER, calibration.tabulate(result))
    _print_measured(calibration.to_record(result), json_output, [table], out)


def diagnose(
    device: DeviceArgument,
    out: Annotated[
        Path,
        option("Faults to write, a file that faults= of an address takes.", "FILE", "--out", "-o"),
    ] = Path("faults.toml"),
    layers: LayersOption = "64,200,10",
    record: RecordOption = None,
    json_output: JsonOption = False,
) -> None:
    """Find faulty neurons and synapses of a device. Exit code 1 where it has any."""
    from drivers.contract.faults import write_faults
    from hil.characterisation import diagnosis, twin

    sizes = parse_layers(layers)
    twin.check_path(out)
    with _open_device(device, record, diagnosis.count_stages(sizes)) as (opened, watch):
        result = diagnosis.diagnose(opened, sizes, watch)
    write_faults(result.faults, out)
    table = (diagnosis.HEADER, diagnosis.tabulate(result))
    number = sum(certainty.size for certainty in result.certainty) or "no"
    verdict = f"found {number} faulty neurons and synapses"
    _print_measured(result.record, json_output, [table], verdict, out)
    if result.faults:
        raise typer.Exit(1)


@contextmanager
def _open_device(
    address: str, record: Path | None, stages: int
) -> Iterator[tuple[Device, Callable[[str], None]]]:
    """Open a device to be measured in so many stages; yields it, and what is told of each."""
    import drivers
    from hil import progress

    with progress.stages(stages) as watch, drivers.open(address, record=record) as opened:
        yield opened, watch


def _print_measured(
    record: dict[str, Any], json_output: bool, tables: Iterable[Any], *lines: object
) -> None:
    """Print what was measured as JSON, or else as tables, each a header and its rows, and lines."""
    from hil.cli.output import print_table

    if json_output:
        typer.echo(json.dumps(record))
        return
    for header, rows in tables:
        print_table(header, rows)
    for line in lines:
        typer.echo(line)
