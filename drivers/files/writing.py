"""Files that are complete or not there: what a killed process had begun goes at the next write."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

DRAFT = ".draft"  # ending of a file that is being written


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that is either complete or not there; the one before stands until then.

    Args:
        path: The file. What killed processes had begun to write in its place is removed.

    Yields:
        A handle to write the new content to.

    Raises:
        OSError: When something else than a file or a link is there, such as a device or a pipe, or
            the folder cannot be written.
    """
    _check_place(path)
    _sweep_drafts_of(path)
    number, hold, draft = _create_draft(path)
    try:
        with os.fdopen(number, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(draft, path)  # of a link, the link
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError):  # a full disk does not say which file it has no room for
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        if hold is not None:
            os.close(hold)


def _check_place(path: Path) -> None:
    """Refuse what a file would take the place of and is none: whoever may do it would lose it."""
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise FileExistsError(errno.EEXIST, "is no file to write: name another", str(path))


def remove_drafts(folder: Path) -> None:
    """Remove what a process that was killed had begun to write in a folder.

    Args:
        folder: A folder that no other process is writing to.
    """
    for draft in folder.glob(f".*{DRAFT}"):
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file, as UTF-8, that is either complete or not there.

    Args:
        path: The file, replaced when it exists.
        text: Its content.

    Returns:
        The path written.

    Raises:
        OSError: When the folder cannot be written; the old file then stands untouched.
    """
    with replace_file(path) as handle:
        handle.write(text.encode())
    return path


def _create_draft(path: Path) -> tuple[int, int | None, Path]:
    """A new draft of a file: its descriptor, one that holds it where that can be, and its path."""
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # and so through no link
    while True:
        draft = path.with_name(f".{path.name}.{uuid4().hex}{DRAFT}")
        try:
            number = os.open(draft, new | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:  # who asked for the file knows no draft
            raise OSError(error.errno, error.strerror, str(path)) from None
        hold = _lock(number)
        if hold is None or os.fstat(number).st_nlink:
            return number, hold, draft
        os.close(hold)  # another process took it for a leftover
        os.close(number)


def _sweep_drafts_of(path: Path) -> None:
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*{DRAFT}"):
        try:
            number = os.open(draft, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except (OSError, AttributeError):  # gone, a link, or a system that knows no such flags
            continue
        hold = _lock(number) if stat.S_ISREG(os.fstat(number).st_mode) else None
        if hold is not None:
            with suppress(OSError):
                draft.unlink()
            os.close(hold)
        os.close(number)


def _lock(number: int) -> int | None:
    """Hold an open file, until the result is closed; None where another does, or none can."""
    try:
        import fcntl
    except ImportError:  # no POSIX
        return None
    hold = os.dup(number)
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(hold)
        return None
    return hold
