"""The tasks by name: a module of this package that defines `TASK` is one."""

from __future__ import annotations

from hil.discovery import Catalogue
from hil.tasks.task import Data, Task

__all__ = ["Data", "Task", "get", "names"]

_TASKS = Catalogue("task", __name__, "TASK", others=("npz:FILE",))
names = _TASKS.names


def get(name: str) -> Task:
    """Find a task.

    Args:
        name: One of `names()`, or `npz:FILE` for the user's own data (see `hil.tasks.npz`).

    Returns:
        The task; its data are not read before `load` is called.

    Raises:
        ValueError: When there is no task of that name.
    """
    if name.startswith("npz:"):
        from hil.tasks import npz

        return npz.task(name.removeprefix("npz:"))
    task: Task = _TASKS.module(name).TASK
    return task
