"""A device whose driver ends its process while a file is there: `fragile:FILE?how=abort&run=3`."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from support.misbehaving import Behaving


def leak() -> None:
    kept = []
    while True:
        kept.append(np.empty(1 << 28, np.uint8))


def hang() -> None:
    """Wait for a mutex that is held, and keep Python's lock."""
    mutex, library = ctypes.create_string_buffer(256), ctypes.PyDLL(None)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


WAYS: Mapping[str, Callable[[], object]] = {
    "abort": os.abort,
    "fault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(0),
    "leak": leak,
    "hang": hang,
}


class Fragile(Behaving):
    """Breaks once, in a run of its own number, or whenever it is run where `again` says so."""

    def __init__(self, file: str, how: str = "exit", run: str = "0", again: str = "") -> None:
        super().__init__()
        self._file, self._break, self._again = Path(file), WAYS[how], again
        self._run_number, self._runs = int(run), 0

    @classmethod
    def from_url(cls, target, options):
        return cls(target, **options)

    def _run(self, *given):
        self._runs += 1
        if self._runs > self._run_number and self._file.exists():
            if not self._again:
                self._file.unlink()
            print("about to break")
            self._break()
        return super()._run(*given)
