"""A device whose driver hangs while a file is there: `hanging:FILE?how=sleep&run=30`."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from drivers import Probe, Readout, Stimulus
from support.good_device import Good
from support.misbehaving import Behaving


def sleep() -> None:
    time.sleep(1e6)


def loop() -> None:
    while True:
        pass


def lock() -> None:
    held = threading.Lock()
    held.acquire()
    held.acquire()


def queue() -> None:
    import queue

    queue.Queue[int]().get()


def retry() -> None:
    """Take whatever goes wrong for a lost answer."""
    while True:
        try:
            time.sleep(1e6)
        except Exception:
            continue


def swallow() -> None:
    """Go on after anything at all."""
    while True:
        try:
            time.sleep(1e6)
        except BaseException:
            continue


def native() -> None:
    """Wait in C for a mutex that is held, whatever signals come."""
    mutex, library = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


WAYS: Mapping[str, Callable[[], None]] = {
    way.__name__: way for way in (sleep, loop, lock, queue, retry, swallow, native)
}


class Hanging(Good):
    """Hangs in a run of its own number, and in each further one."""

    def __init__(self, file: str, how: str = "sleep", run: str = "0") -> None:
        super().__init__()
        self._file, self._hang, self._run_number, self._runs = Path(file), WAYS[how], int(run), 0

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Hanging:
        return cls(target, **options)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        self._runs += 1
        if self._runs > self._run_number and self._file.exists():
            self._hang()
        return super()._run(stimulus, probes, trial, carry)


def leak() -> None:
    kept = []
    while True:
        kept.append(np.empty(1 << 28, np.uint8))


def hang() -> None:
    """Wait for a mutex that is held, and keep Python's lock."""
    mutex, library = ctypes.create_string_buffer(256), ctypes.PyDLL(None)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


BREAKS: Mapping[str, Callable[[], object]] = {
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
        self._file, self._break, self._again = Path(file), BREAKS[how], again
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
