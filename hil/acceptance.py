"""Acceptance of a board as what the simulated one is: protocol, contract, a training, on a page."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.errors import DeviceError
from drivers.files.bounded import read_json
from drivers.files.writing import write_text
from drivers.firmware.acceptance import Bench, Line

KIND = "spikeloop acceptance of a board"
TRAINING: dict[str, Any] = {
    "network": {"hidden": [20], "steps": 12},
    "optimiser": {"learning_rate": 0.01},
    "training": {"epochs": 1, "batch": 50},
}


def accept(
    address: str,
    reset: Callable[[], None] | None,
    seconds: float,
    watch: Callable[[Line], None],
) -> dict[str, Any]:
    """Examine a board; its network and weights are lost.

    Args:
        address: Of a board on a serial line.
        reset: Resets it; None where nobody can.
        seconds: How long the soak lasts.
        watch: Told each line of the table as it is done.

    Returns:
        What goes to the file: board, time, the table, figures.

    Raises:
        ValueError: For another device, or when nobody answers as a board.
        DeviceError: When its port cannot be opened.
    """
    from drivers.board.ports import open_line
    from drivers.firmware.acceptance import Differs
    from drivers.registry import split

    scheme, target, options = split(address)
    if scheme != "board":
        raise ValueError(f"{address} is no board on a serial line: use hil check")
    lines = []

    def record(line: Line) -> None:
        lines.append(line)
        watch(line)

    transport, rate = open_line(target, options)
    try:
        bench = Bench(transport, rate, reset, seconds)
        for line in bench.examine():
            record(line)
    except Differs as error:
        raise ValueError(f"{address}: {error}: hil board doctor says what is wrong") from None
    finally:
        transport.close()
    for line in _examine_as_device(address, bench.hello.chip):
        record(line)
    return {
        "kind": KIND,
        "address": address,
        "board": bench.hello.name,
        "firmware": ".".join(map(str, bench.hello.firmware)),
        "chip": bench.hello.chip,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "soak_seconds": seconds,
        "lines": [asdict(line) for line in lines],
        "figures": bench.figures,
    }


def _examine_as_device(address: str, chip: int) -> Iterator[Line]:
    """Hold it to the contract, and train on it, as on any device."""
    for name, look in (("contract", _check), ("training", _train)):
        try:
            yield look(address, chip)
        except (DeviceError, ValueError) as error:
            yield Line(name, "failed", str(error))


def _check(address: str, _: int) -> Line:
    import drivers
    from drivers.conformance import CHECKS, Harness, run_check

    with Harness(lambda: drivers.open(address)) as harness:
        outcomes = [run_check(check, harness) for check in CHECKS]
    failed = [f"{each.check}: {each.reason}" for each in outcomes if each.verdict == "failed"]
    if failed:
        return Line("contract", "failed", "; ".join(failed))
    passed = sum(each.verdict == "passed" for each in outcomes)
    return Line("contract", "passed", f"{passed} checks, the others do not apply")


def _train(address: str, chip: int) -> Line:
    """Train it, and the simulated board of the same chip seed."""
    from hil.api import train
    from hil.runs.folder import Run

    weights, accuracy = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number, device in enumerate((f"board:simulated://?seed={chip}", address)):
            path = Path(folder) / str(number)
            accuracy = train("digits", device=device, out=path, **TRAINING).test_accuracy
            learnt = Run.open(path).weights()
            weights.append({k: v.tobytes() for k, v in learnt.items() if k.startswith("weights/")})
    if weights[0] != weights[1] or not weights[0]:
        return Line("training", "failed", "other weights than the simulated board's")
    return Line("training", "passed", f"the weights of the simulated board, {accuracy:.1%} right")


def run_command(command: str) -> Callable[[], None]:
    """Make what resets a board by a command of the shell."""

    def reset() -> None:
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"--reset {command!r} ended with {done.returncode}: {done.stderr}")

    return reset


def write_files(outcome: dict[str, Any], out: Path) -> Path:
    """Write `out`.json, and the page beside it.

    Returns:
        The page.
    """
    text = json.dumps(outcome, indent=1)
    return write_page(write_text(out.with_suffix(".json"), text + "\n"))


def write_page(path: Path) -> Path:
    """Write the page of a file.

    Raises:
        ValueError: When the file is none of `hil board accept`.
    """
    from hil.reports.rendering import render

    record = read_json(path)
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise ValueError(f"{path} is no file of hil board accept")
    rows = [(line["name"], line["verdict"], line["detail"]) for line in record["lines"]]
    figures = [(name, f"{value:.4g}") for name, value in record["figures"].items()]
    page = render("acceptance.html.j2", **{**record, "rows": rows, "figures": figures})
    return write_text(path.with_suffix(".html"), page)
