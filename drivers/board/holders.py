"""The process of this machine that has a port open, and the group that may open it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")  # where Linux shows them


def find_holder(port: str) -> str:
    """Say which other process has a port open: user, command, number, since when.

    Args:
        port: Its name.

    Returns:
        Empty where none is found, as for processes of others, unless root asks.
    """
    device, holder = os.path.realpath(port), ""
    for folder in PROCESSES.glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        with suppress(OSError, IndexError, ValueError):
            numbers = [fd.name for fd in (folder / "fd").iterdir() if os.readlink(fd) == device]
            if any("lock:" in (folder / "fdinfo" / number).read_text() for number in numbers):
                return _describe_process(folder)
            holder = holder or (_describe_process(folder) if numbers else "")
    return holder  # has it open without a lock, as the board behind a pseudo-terminal has


def _describe_process(folder: Path) -> str:
    from pwd import getpwuid

    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    ticks = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
    up = float((folder.parent / "uptime").read_text().split()[0])
    began = time.time() - up + ticks / os.sysconf("SC_CLK_TCK")
    try:
        user = getpwuid(folder.stat().st_uid).pw_name
    except KeyError:
        user = str(folder.stat().st_uid)
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(began))
    return f"{user}, process {folder.name} ({command.strip()[:60]}) since {since}"


def find_group(port: str) -> str:
    """Name the group that may open a port; on most systems `dialout`, where it cannot be asked."""
    from grp import getgrgid

    try:
        return getgrgid(os.stat(port).st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
