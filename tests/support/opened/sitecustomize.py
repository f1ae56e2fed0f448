"""Writes down what a Python process opens, lists or loads below a folder; its children do, too."""

import os
import sys

FOLDER, LOG = (
    os.environ.get(name, "") for name in ("WATCHED_FOLDER", "WATCHED_LOG")
)  # the folder with a slash at its end
EVENTS = {"open", "os.listdir", "os.scandir", "sqlite3.connect", "ctypes.dlopen", "import"}


def watch(event: str, given: tuple[object, ...]) -> None:
    """Write a line for what lies below the folder."""
    if event not in EVENTS or busy:
        return
    path = given[1] if event == "import" else given[0]
    if not isinstance(path, str | bytes):
        return
    busy.append(True)
    try:
        name = os.path.realpath(os.fsdecode(path))
        if f"{name}/".startswith(FOLDER):
            with open(LOG, "a") as log:
                log.write(f"{os.path.relpath(name, FOLDER)}\n")
    except OSError:
        pass
    finally:
        busy.clear()


busy: list[bool] = []
if FOLDER:
    sys.addaudithook(watch)
