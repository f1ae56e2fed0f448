"""List tasks."""

from __future__ import annotations


def tasks() -> None:
    """List the tasks, and the formats of files with samples of your own."""
    from hil import tasks as known
    from hil.cli import console
    from hil.tasks import formats

    names = [*known.names(), *sorted(known.CATALOGUE.installed())]
    rows = [(name, known.get(name).description) for name in names]
    rows.append(("FILE.py:NAME", "a task of your own, in Python"))
    for name in formats.names():
        rows.append((f"{name}:FILE", f"your own: {formats.get(name).description}"))
    console.table(("task", "what it asks"), rows)
