"""A lock on a folder, so that two processes do not write to it at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from a folder; the lock goes with the process.

    The file of the lock follows no link, and keeps what is in it.

    Raises:
        ValueError: When another process holds it, or something else is in its place.
    """
    import fcntl

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
