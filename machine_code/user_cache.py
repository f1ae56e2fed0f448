"""Files kept from one process to the next, in the user's cache: what took long to make.

What is kept is code, to be run as it is read. So it lies where the user alone may write: in
`spikeloop/engine` of the user's cache (`$XDG_CACHE_HOME`, or what the system has in its place). No
variable or file of a library chooses another folder.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

import platformdirs

MOST = 500  # files; beyond, the oldest go
DIGEST = 32  # bytes in front of what is kept


@cache
def say_once(line: str) -> None:
    """Say something on standard error, unless it was said before."""
    logging.getLogger("spikeloop").warning("spikeloop: %s", line)


def find_folder() -> Path:
    """Find the folder of what is kept; where none can be had, one that ends with this process."""
    return _make_folder(Path(platformdirs.user_cache_dir("spikeloop")).absolute() / "engine")


@cache
def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        check_owner(folder.stat(), folder)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        say_once(f"what is compiled is not kept: {error.strerror or error}: {folder}")
        return Path(_make_temporary().name)


@cache
def _make_temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="spikeloop-")


def check_owner(found: os.stat_result, path: Path) -> None:
    """Check that nobody but the user could have written a file or folder.

    Raises:
        PermissionError: When somebody could.
    """
    if hasattr(os, "getuid") and (
        found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ):
        raise PermissionError(None, "others may write to it", str(path))


def read_kept(name: str) -> bytes | None:
    """Read what was kept under a name; None where nothing was, or not as it was kept."""
    path = find_folder() / name
    try:
        with path.open("rb") as file:
            check_owner(os.fstat(file.fileno()), path)
            digest, content = file.read(DIGEST), file.read()
        if sha256(content).digest() == digest:
            return content
        reason = "it is damaged"
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or str(error)
    discard(name, reason)
    return None


def discard(name: str, reason: str) -> None:
    """Remove what was kept under a name, and say why."""
    path = find_folder() / name
    say_once(f"{path} is made anew: {reason}")
    with suppress(OSError):
        path.unlink()


def keep(name: str, content: bytes, folder: Path) -> None:
    """Keep something under a name in the folder of what is kept, whole or not at all.

    Raises:
        OSError: When it cannot be written.
    """
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as draft:
        try:
            draft.write(sha256(content).digest() + content)
            draft.flush()
        except OSError:
            Path(draft.name).unlink()
            raise
    Path(draft.name).replace(folder / name)
    with suppress(OSError):  # of which another process removes some
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in files[:-MOST]:
            old.unlink()
