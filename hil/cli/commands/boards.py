"""Commands for who has devices of their own: the lab, boards and their firmware, a new driver."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import DeviceArgument, JsonOption, argument, option

board = typer.Typer(help="Boards on a serial line.", no_args_is_help=True)
_INPUT = "What the device takes: current (constant), current_trace (changing as well) or spikes."


@board.command()
def demo(
    seed: Annotated[int, option("Chip seed: which fixed pattern it has; 0 is ideal.", "N")] = 1,
) -> None:
    """Build the firmware, run it as a process of this machine, and print its address."""
    from drivers import firmware

    with firmware.start("native", seed) as running, suppress(KeyboardInterrupt):
        typer.echo(f"board:{running.url}")
        typer.echo("hil: a board listens there until Ctrl-C", err=True)
        signal.pause()


@board.command()
def firmware(
    port: Annotated[str, typer.Argument(help="native, pico, stm32f405, ...")] = "pico",
) -> None:
    """Build the firmware that this host speaks to, and print where the image is."""
    from drivers.firmware import build

    typer.echo(build(port))


@board.command()
def accept(
    address: DeviceArgument,
    reset: Annotated[
        str | None, option("Command that resets the board; without, you are asked to.", "COMMAND")
    ] = None,
    soak: Annotated[float, option("How long random networks are run.", "SECONDS")] = 300.0,
    out: Annotated[Path, option("File to send back, and its page.", "FILE", "--out", "-o")] = Path(
        "acceptance.json"
    ),
) -> None:
    """Hold a board to all that emulators prove of the firmware. Exit code 1 where it differs."""
    from drivers import lab
    from hil import acceptance
    from hil.cli.output import print_table

    def ask() -> None:
        typer.prompt("hil: reset the board now, and press Enter", "", show_default=False, err=True)

    resets = acceptance.run_command(reset) if reset else ask if sys.stdin.isatty() else None
    record = acceptance.accept(
        address, resets, soak, lambda line: typer.echo(f"{line.name}: {line.verdict}", err=True)
    )
    lines = record["lines"]
    print_table(("line", "verdict", "what was found"), [tuple(line.values()) for line in lines])
    print_table(
        ("work", "figure"), [(name, f"{value:.4g}") for name, value in record["figures"].items()]
    )
    typer.echo(acceptance.write_files(record, out))
    if failed := [line["name"] for line in lines if line["verdict"] == "failed"]:
        lab.add_note(lab.QUARANTINE, address, f"failed hil board accept: {', '.join(failed)}")
        raise typer.Exit(1)


@board.command()
def flash(
    name: Annotated[str, argument("A device of the lab.", "NAME", "drivers.lab:list_devices")],
) -> None:
    """Flash the firmware of a device of the lab by its maker's tool, where that is installed."""
    from drivers.firmware.building import flash

    typer.echo(flash(name))


@board.command()
def doctor(address: DeviceArgument, json_output: JsonOption = False) -> None:
    """Say what is wrong with a board, or how good its line is. Exit code 1 where something is."""
    from drivers.board.doctor import examine
    from drivers.registry import split
    from hil.cli.output import print_table

    scheme, target, options = split(address)
    if scheme != "board":
        raise ValueError(f"{address} is no board on a serial line: use hil check")
    examination = examine(target, options)
    if json_output:
        typer.echo(json.dumps(asdict(examination)))
    else:
        print_table(("figure", "value"), list(examination.figures.items()))
        typer.echo(
            f"{examination.fault}: {examination.line}" if examination.fault else examination.line
        )
    if examination.fault:
        raise typer.Exit(1)


def new_driver(
    name: Annotated[str, argument("Scheme of its addresses.", "NAME")],
    input_kind: Annotated[str, option(_INPUT, "KIND", "--input")] = "current_trace",
) -> None:
    """Make a folder with a driver to start from, and its tests."""
    from drivers import template

    folder = template.write(name, Path(), input_kind=input_kind)
    typer.echo(folder)
    typer.echo(f"hil: next: pip install -e {folder} && hil check {name}:", err=True)


lab = typer.Typer(help="Your own names for devices, from a TOML file.", no_args_is_help=True)
_NAME = Annotated[str, argument("Name of a device of the lab.", "NAME", "drivers.lab:list_devices")]


@lab.command("list")
def list_devices() -> None:
    """List the devices of the lab: who answers, who has it, and which are in quarantine and why."""
    from drivers import lab as names
    from drivers.board import scanning
    from drivers.board.holders import find_holder
    from hil.cli.output import print_table

    devices, sick = names.list_devices(), names.list_notes(names.QUARANTINE)
    if not devices:
        typer.echo(f"hil: {names.lab_file()} names no device: hil lab scan drafts it", err=True)
    boards = names.list_boards()
    answers = dict(zip(boards, scanning.scan_named(boards.values()), strict=True))
    rows = []
    for name, device in devices.items():
        there = answers.get(name, scanning.ScannedPort("", "", answer="not asked"))
        owner = there.owner or (there.port and find_holder(there.port))
        groups = ", ".join(device.groups)
        out = sick.get(name, "")
        rows.append((name, device.address, there.answer, owner, out, groups, device.notes))
    header = ("name", "address", "who answers", "held by", "quarantined since", "groups", "notes")
    print_table(header, rows)


@lab.command()
def scan() -> None:
    """Draft the file of the lab: an entry for each board that is plugged in and has no name yet."""
    import tomli_w

    from drivers import lab as names
    from drivers.board import scanning

    devices, named = names.list_devices(), set(names.list_boards().values())
    free = (f"board{n}" for n in range(1, 1000) if f"board{n}" not in devices)
    drafts = {
        next(free): {
            "address": f"board:{port.target}",
            "notes": f"{port.vendor} {port.product}: {port.answer}".strip(),
        }
        for port in scanning.scan_ports(named)
        if port.target not in named
    }
    typer.echo(tomli_w.dumps({"devices": drafts}) if drafts else "", nl=False)
    typer.echo(
        f"hil: {len(drafts)} ports without a name; put those that are yours into "
        f"{names.lab_file()}",
        err=True,
    )


@lab.command()
def release(name: _NAME) -> None:
    """Take a device out of quarantine."""
    from drivers import lab as names

    names.release(name)


@lab.command()
def power(name: _NAME) -> None:
    """Cut the power of a device and restore it, by the command that the lab's file has for it."""
    import shlex
    import subprocess

    from drivers import lab as names

    command = names.find_device(name).power
    if not command:
        raise ValueError(f"{name} has no power command: give power = COMMAND in {names.lab_file()}")
    if code := subprocess.run(shlex.split(command)).returncode:
        raise ValueError(f"{command!r} ended with {code}: run it by itself to see why")
