"""Folders that one process at a time may write to, and that appear complete or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

LOCK = ".lock"
RUNS = Path("runs")


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep other processes from a folder; the lock goes with the process.

    The file of the lock follows no link, and keeps what is in it.

    Raises:
        ValueError: When another process holds it, or something else is in its place.
    """
    path = folder / LOCK
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if path.is_symlink():
            raise ValueError(f"{path} is a link: a lock is none, remove it") from None
        raise ValueError(f"{path}: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError(f"{path} is no file: a lock is one, remove it")
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"{folder} is in use by another process: wait for it or stop it"
            ) from None
        yield
    finally:
        os.close(number)


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
        if (number := _hold(leftover)) is not None:
            shutil.rmtree(leftover, ignore_errors=True)
            os.close(number)
    number = None
    while number is None:  # another process may have taken it for a leftover
        draft = parent / f"{prefix}{uuid4().hex}"
        draft.mkdir()
        number = _hold(draft)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(number)


def _hold(folder: Path) -> int | None:
    """Hold a folder that nobody else holds, and that is there."""
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


def move_draft(draft: Path, path: Path | None, name: str) -> Path:
    """Move a folder to a path, or where none is given to the first free one below `runs/`.

    Args:
        draft: The folder.
        path: Where to, if it is given.
        name: What the folder below `runs/` is called otherwise, numbered when it is taken.

    Returns:
        Its new path.

    Raises:
        OSError: When it cannot be moved there.
    """
    number = 1
    while True:
        place = path or RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            os.rename(draft, place)
            return place
        except OSError as error:
            is_taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
            if path is not None or not is_taken:
                raise
        number += 1


def stem(name: str) -> str:
    """The name of a task or a rule as part of the name of a folder."""
    return re.sub(r"[^\w.-]", "-", name.split("/")[-1])
