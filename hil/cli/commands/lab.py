"""Commands for the lab: names for devices, what is there, who has it, and what is out of order."""

from __future__ import annotations

from typing import Annotated

import typer

from hil.cli.options import argument

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

    known, named = names.list_devices(), set(names.list_boards().values())
    free = (f"board{n}" for n in range(1, 1000) if f"board{n}" not in known)
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
