"""A lock on a folder, so that two processes do not write to it at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from a folder; the lock goes with the process.

    Raises:
        ValueError: When another process holds it.
    """
    import fcntl

    with open(folder / LOCK, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"{folder} is in use by another process: wait for it or stop it"
            ) from None
        yield
