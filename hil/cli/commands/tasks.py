"""List tasks."""

from __future__ import annotations


def tasks() -> None:
    """List the tasks."""
    from hil import tasks as known
    from hil.cli import console

    rows = [(name, known.get(name).description) for name in known.names()]
    rows.append(("npz:FILE", "your own arrays: x_train, y_train, x_test, y_test"))
    console.table(("task", "what it asks"), rows)
