"""The command that lists tasks."""

from __future__ import annotations

from hil.cli.errors import refusals


def tasks() -> None:
    """List the tasks."""
    with refusals():
        from hil import tasks as known
        from hil.cli import console

        rows = [(name, known.get(name).description) for name in known.names()]
        rows.append(("npz:FILE", "your own arrays: x_train, y_train, x_test, y_test"))
        console.table(("task", "what it asks"), rows)
