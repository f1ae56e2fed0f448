"""A driver that hangs: one thread counts how long calls last, and ends what lasts too long.

In the main thread a signal raises `Overdue` inside the call, which ends whatever waits in Python:
a sleep, a read, a lock, a loop. A call that does not let go even then, or runs in another thread,
takes the process with it. Only code that never gives back Python's global lock is out of reach.

The surroundings of a call are kept for the host: the working folder, the mask of new files, the
depth of calls, alarms, and who writes what. A process that a driver forked does not come back.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

# What `signal` wraps: it looks for every handler among its enumerations, in every call.
from _signal import getsignal  # type: ignore[import-not-found]
from _signal import signal as set_handler
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import numpy as np


class MarkedStream:
    """A stream whose lines go to standard error with the method of the driver that wrote them.

    What others write, in threads that are in no call, passes as it is.
    """

    def __init__(self, stream: Any, error: Any, name_method: Callable[[], str | None]) -> None:
        """Wrap a stream of text; all but writing is its own.

        Args:
            stream: The stream.
            error: Standard error.
            name_method: Names the method under way in the thread that asks.
        """
        self._stream, self._error, self._name_method = stream, error, name_method
        self.lines: dict[str, str] = {}  # what of its last line each method has written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Stay open: it is the host's."""

    @property
    def buffer(self) -> BinaryIO:
        """What bytes are written to: standard error, by a handle that may be closed."""
        return open(os.dup(2), "wb", buffering=0)

    def detach(self) -> BinaryIO:
        """Stay whole, as when closed."""
        return self.buffer

    def write(self, text: str) -> int:
        """Write whole lines; the rest waits for its end."""
        method = self._name_method()
        if method is None:
            self._stream.write(text)
        else:
            *lines, self.lines[method] = (self.lines.get(method, "") + text).split("\n")
            for line in lines:
                self._error.write(f"{method}: {line}\n")
        return len(text)

    def end_lines(self) -> None:
        """Write what of lines never ended."""
        for method, line in self.lines.items():
            if line:
                self._error.write(f"{method}: {line}\n")
        self.lines.clear()


# Seconds between two looks at the calls under way.
TICK = 0.25
# A look that comes this much later, in seconds, counts as no later: the process was suspended.
LATE = 1.0
# What a call is given to come back after it was interrupted: a share of its limit, and seconds.
GRACE, LEAST_GRACE = 0.1, 1.0
EXIT_STATUS = 2
SHOW_CURSOR = "\x1b[?25h"
# Ends a call in the main thread; None where there is no such signal.
SIGNAL: Any = getattr(signal, "SIGALRM", None)


class Overdue(BaseException):
    """Raised inside a call that lasted too long; no `Exception`, so that no retry swallows it."""


class Call:
    """Call of a driver by one thread, watched while in the context.

    A call within another one of the same thread is part of it, and lends it its name.

    Attributes:
        method: The driver's method, the innermost one where drivers call each other.
        limit: How long it may last, in seconds.
        thread: The caller's.
        began: When, by the monotonic clock, in seconds.
        lasted: So far, in seconds.
        over: Whether it came back.
        signalled: Whether it was told to come back.
        raised: Whether that reached it.
        previous: Handler of the signal before; None where the signal cannot be used.
    """

    thread: int
    began: float

    def __init__(self, method: str, limit: float) -> None:
        """Watch nothing yet; `Overdue` is raised in the main thread where it lasts longer.

        Args:
            method: The driver's method, for messages.
            limit: How long it may last, in seconds.
        """
        self.method, self.limit, self.lasted = method, limit, 0.0
        self.previous: Any = None
        self.over = self.signalled = self.raised = False
        self._outer: tuple[Call, str] | None = None  # and the method that it was in
        self._errors = np.errstate()  # how numpy treats overflows is the caller's to choose

    def __enter__(self) -> str:
        """Begin; gives the method."""
        self._errors.__enter__()
        self._process, self._depth = os.getpid(), sys.getrecursionlimit()
        self.thread = threading.get_ident()
        outer = WATCHDOG.calls.get(self.thread)
        if outer is not None:
            self._outer, outer.method = (outer, outer.method), self.method
            return self.method
        self.began = time.monotonic()
        if SIGNAL is not None and self.thread == threading.main_thread().ident:
            self.previous = getsignal(SIGNAL)  # None for a handler of other than Python
            if self.previous is not None:
                set_handler(SIGNAL, self.handle)
        WATCHDOG.begin(self)
        return self.method

    def __exit__(self, *raised: Any) -> None:
        """End it."""
        sys.setrecursionlimit(self._depth)
        if os.getpid() != self._process:  # a fork of the driver: the host goes on in one process
            os._exit(0)
        error = raised[1]
        try:
            if self._outer is not None:
                self._outer[0].method = self._outer[1]
            else:
                WATCHDOG.end(self)
        except Overdue as overdue:
            error = overdue
        finally:
            if self.previous is not None:
                set_handler(SIGNAL, self.previous)
            self._errors.__exit__(*raised)
        if error is not None:
            self.refuse(error)

    def refuse(self, error: BaseException) -> None:
        """Raise what the caller is to see in place of an error of the call, if anything."""
        if isinstance(error, Overdue):
            raise error

    def __str__(self) -> str:
        """Say what is wrong with one that lasts too long, and what to do."""
        return (
            f"{self.method} did not return within {self.limit:g} s: look at what it waits for, "
            "or allow more with call_limit=SECONDS in the address"
        )

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take the signal, which may be meant for the handler before.

        Raises:
            Overdue: When it is meant for this call.
        """
        if self.signalled and not self.raised:
            self.raised = True
            raise Overdue(str(self))
        if callable(self.previous):
            self.previous(number, frame)


class Watchdog:
    """Counts how long calls last, and ends those that last too long.

    The working folder, the mask of new files, alarms and the streams of text are kept as they are
    while no call is under way.

    Attributes:
        calls: The outermost call of each thread that is in one.
        hint: How to go on, for the line with which the process ends.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.calls: dict[int, Call] = {}
        self.hint = ""
        self._process = 0  # the one that the thread is in, which a fork leaves behind
        self._lock, self._under_way = threading.Lock(), 0
        self._folder: str | None = None
        self._mask, self._has_alarm = 0, False
        self._streams: tuple[Any, Any] = (None, None)  # standard output, and error
        self._marked: tuple[Any, Any] = (None, None)

    def name_method(self) -> str | None:
        """Name the method of a driver that this thread is in, if it is in one."""
        call = self.calls.get(threading.get_ident())
        return None if call is None else call.method

    def begin(self, call: Call) -> None:
        """Watch a call."""
        if self._process != os.getpid():
            self._lock, self._under_way = threading.Lock(), 0
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
            self._process = os.getpid()
        with self._lock:
            self._under_way += 1
            if self._under_way == 1:
                try:
                    self._folder = os.getcwd()
                except OSError:  # removed by somebody
                    self._folder = None
                self._has_alarm = any(signal.getitimer(signal.ITIMER_REAL))
                self._mask = os.umask(0o077)  # which only setting another one tells
                os.umask(self._mask)
                streams = sys.stdout, sys.stderr
                if streams != self._streams:
                    self._streams, self._marked = streams, self._mark(*streams)
                sys.stdout, sys.stderr = self._marked
        self.calls[call.thread] = call

    def _mark(self, out: Any, error: Any) -> tuple[Any, Any]:
        """Wrap standard output and error, where there are both."""
        if out is None or error is None:
            return out, error
        marked = MarkedStream(out, error, self.name_method)
        return marked, MarkedStream(error, error, self.name_method)

    def end(self, call: Call) -> None:
        """Watch it no longer; a signal that is on its way arrives before this returns."""
        with self._lock:
            call.over = True
            del self.calls[call.thread]
            self._under_way -= 1
            if not self._under_way:
                self._put_back()
        for _ in range(100):
            if call.raised or not call.signalled:
                return
            time.sleep(0.01)

    def _put_back(self) -> None:
        """Put the folder and the streams back, after the last call that was under way."""
        sys.stdout, sys.stderr = self._streams
        for stream in self._marked:
            if isinstance(stream, MarkedStream) and stream.lines:
                stream.end_lines()
        try:
            is_moved = os.getcwd() != self._folder
        except OSError:
            is_moved = True
        if self._folder is not None and is_moved:
            with suppress(OSError):
                os.chdir(self._folder)
        os.umask(self._mask)
        if not self._has_alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _watch(self) -> None:
        before = time.monotonic()
        while True:
            time.sleep(TICK)
            now = time.monotonic()
            for call in list(self.calls.values()):
                call.lasted += min(now - max(before, call.began), LATE)
                if call.lasted > call.limit:
                    self._interrupt(call)
            before = now

    def _interrupt(self, call: Call) -> None:
        with self._lock:
            if call.over:
                return
            if call.previous is not None and not call.signalled:
                call.signalled = True
                signal.pthread_kill(call.thread, SIGNAL)
            if call.lasted > call.limit + max(LEAST_GRACE, GRACE * call.limit):
                line = f"{_program()}: {call}{self.hint}\n"
                if os.isatty(2):
                    line = f"\n{SHOW_CURSOR}{line}"
                os.write(2, line.encode())
                os._exit(EXIT_STATUS)


def _program() -> str:
    """Name the program that the user started."""
    path = Path(sys.argv[0])
    return (path.parent if path.name == "__main__.py" else path).name or "python"


WATCHDOG = Watchdog()


@contextmanager
def add_hint(hint: str) -> Iterator[None]:
    """Say, with the line with which a call that hangs ends the process, how to go on.

    Args:
        hint: What is added to the line.
    """
    before, WATCHDOG.hint = WATCHDOG.hint, hint
    try:
        yield
    finally:
        WATCHDOG.hint = before
