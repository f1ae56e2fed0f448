"""A driver that hangs: one thread counts how long calls last, and ends what lasts too long.

In the main thread a signal raises `Overdue` inside the call, which ends whatever waits in Python:
a sleep, a read, a lock, a loop. A call that does not let go even then, or runs in another thread,
takes the process with it. Only code that never gives back Python's global lock is out of reach.

The surroundings of a call are kept for the host: the working folder, and who writes what.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any


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


class Surroundings:
    """The working folder and the streams of text as they are while no call is under way."""

    def __init__(self, name_method: Callable[[], str | None]) -> None:
        """Keep nothing yet; `name_method` as for `MarkedStream`."""
        self._name_method = name_method
        self._folder: str | None = None
        self._streams: tuple[Any, Any] = (None, None)  # standard output, and error
        self._marked: tuple[Any, Any] = (None, None)
        self._lock, self._calls = threading.Lock(), 0

    def enter(self) -> None:
        """Keep them, before the first call that is under way."""
        with self._lock:
            self._calls += 1
            if self._calls > 1:
                return
            with suppress(OSError):  # removed by somebody
                self._folder = os.getcwd()
            streams = sys.stdout, sys.stderr
            if streams != self._streams:
                self._streams = self._marked = streams
                if None not in streams:
                    self._marked = (
                        MarkedStream(streams[0], streams[1], self._name_method),
                        MarkedStream(streams[1], streams[1], self._name_method),
                    )
            sys.stdout, sys.stderr = self._marked

    def leave(self) -> None:
        """Put them back, after the last one."""
        with self._lock:
            self._calls -= 1
            if self._calls:
                return
            sys.stdout, sys.stderr = self._streams
            for stream in self._marked:
                if isinstance(stream, MarkedStream) and stream.lines:
                    stream.end_lines()
            with suppress(OSError):
                if self._folder is not None and os.getcwd() != self._folder:
                    os.chdir(self._folder)


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
    """Call of a driver by one thread.

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

    __slots__ = (
        "began",
        "lasted",
        "limit",
        "method",
        "over",
        "previous",
        "raised",
        "signalled",
        "thread",
    )

    def __init__(self, method: str, limit: float, thread: int) -> None:
        """Begin a call."""
        self.method, self.limit, self.thread = method, limit, thread
        self.began, self.lasted = time.monotonic(), 0.0
        self.previous: Any = None
        self.over = self.signalled = self.raised = False

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

    Attributes:
        calls: The outermost call of each thread that is in one.
        hint: How to go on, for the line with which the process ends.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.calls: dict[int, Call] = {}
        self.hint = ""
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._surroundings = Surroundings(self.name_method)

    def name_method(self) -> str | None:
        """Name the method of a driver that this thread is in, if it is in one."""
        call = self.calls.get(threading.get_ident())
        return None if call is None else call.method

    def begin(self, call: Call) -> None:
        """Watch a call."""
        if self._thread is None or not self._thread.is_alive():  # none yet, or in a forked process
            self._lock, self._surroundings = threading.Lock(), Surroundings(self.name_method)
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()
        self._surroundings.enter()
        self.calls[call.thread] = call

    def end(self, call: Call) -> None:
        """Watch it no longer; a signal that is on its way arrives before this returns."""
        with self._lock:
            call.over = True
        del self.calls[call.thread]
        self._surroundings.leave()
        for _ in range(100):
            if call.raised or not call.signalled:
                return
            time.sleep(0.01)

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
def watch_call(method: str, limit: float) -> Iterator[None]:
    """Watch a call of a driver while in the context.

    A call within another one of the same thread is part of it, and lends it its name.

    Args:
        method: The driver's method, for messages.
        limit: How long it may last, in seconds.

    Raises:
        Overdue: When it lasts longer, in the main thread.
    """
    thread = threading.get_ident()
    outer = WATCHDOG.calls.get(thread)
    if outer is not None:
        before, outer.method = outer.method, method
        try:
            yield
        finally:
            outer.method = before
        return
    call = Call(method, limit, thread)
    if SIGNAL is not None and threading.current_thread() is threading.main_thread():
        call.previous = signal.getsignal(SIGNAL)  # None for a handler of other than Python
        if call.previous is not None:
            signal.signal(SIGNAL, call.handle)
    WATCHDOG.begin(call)
    try:
        yield
    finally:
        try:
            WATCHDOG.end(call)
        finally:
            if call.previous is not None:
                signal.signal(SIGNAL, call.previous)


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
