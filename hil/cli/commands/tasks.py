"""List tasks."""

from __future__ import annotations


def tasks() -> None:
    """List the tasks, and the formats of files with samples of your own."""
    from hil import tasks as known
    from hil.cli import console
    from hil.tasks import formats

    rows = [(name, known.get(name).description) for name in known.names()]
    for name in formats.names():
        rows.append((f"{name}:FILE", f"your own: {formats.get(name).description}"))
    console.table(("task", "what it asks"), rows)
