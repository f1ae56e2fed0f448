"""A run folder before it is in its place: it appears there complete, or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from hil import tasks

if TYPE_CHECKING:
    from hil.config import Config

RUNS = Path("runs")


@contextmanager
def draft_in(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder to be filled and then moved to its place; gone at the end where it was not.

    Those that killed processes left there are removed first: nobody holds them any more.

    Args:
        parent: The folder to make it in.
        prefix: What its name begins with.

    Yields:
        The folder.
    """
    for leftover in parent.glob(f"{prefix}*"):
        if (number := _held(leftover)) is not None:
            shutil.rmtree(leftover, ignore_errors=True)
            os.close(number)
    number = None
    while number is None:  # another process may have taken it for a leftover
        draft = parent / f"{prefix}{uuid4().hex}"
        draft.mkdir()
        number = _held(draft)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(number)


def _held(folder: Path) -> int | None:
    """Hold a folder that nobody else holds, and that is there."""
    import fcntl

    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(number).st_nlink:
            return number
    except OSError:
        pass
    os.close(number)
    return None


def moved(draft: Path, path: Path | None, config: Config) -> Path:
    """Move a folder to a path, or where none is given to the first free one below `runs/`.

    Args:
        draft: The folder.
        path: Where to, if it is given.
        config: The configuration of the run, which names it otherwise.

    Returns:
        Its new path.

    Raises:
        OSError: When it cannot be moved there.
    """
    name = f"{stem(tasks.short_name(config.task))}-{stem(config.rule['name'])}-seed{config.seed}"
    number = 1
    while True:
        place = path or RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            os.rename(draft, place)
            return place
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
            if path is not None or not taken:
                raise
        number += 1


def stem(name: str) -> str:
    """The name of a task or a rule as part of the name of a folder."""
    return re.sub(r"[^\w.-]", "-", name.split("/")[-1])
