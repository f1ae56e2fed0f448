"""The tasks by name. A module of this package that defines `TASK` is a task."""

from importlib import import_module
from pkgutil import iter_modules

from drivers import nearest
from hil.tasks.contract import Data, Task

__all__ = ["Data", "Task", "get", "names"]


def names() -> list[str]:
    """Names of the tasks that come with the package, sorted."""
    return sorted(_tasks())


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
    tasks = _tasks()
    if name not in tasks:
        raise ValueError(f"no task {name!r}: {nearest(name, [*tasks, 'npz:FILE'])}")
    return tasks[name]


def _tasks() -> dict[str, Task]:
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return {module.TASK.name: module.TASK for module in modules if hasattr(module, "TASK")}
