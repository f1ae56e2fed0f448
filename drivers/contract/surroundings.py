"""Surroundings of a driver's call, kept for the host: the working folder, and who writes what."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
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
        self._lines: dict[str, str] = {}  # what of its last line each method has written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write whole lines; the rest waits for its end."""
        method = self._name_method()
        if method is None:
            self._stream.write(text)
        else:
            *lines, self._lines[method] = (self._lines.get(method, "") + text).split("\n")
            for line in lines:
                self._error.write(f"{method}: {line}\n")
        return len(text)

    def end_lines(self) -> None:
        """Write what of lines never ended."""
        if self._lines:
            for method, line in self._lines.items():
                if line:
                    self._error.write(f"{method}: {line}\n")
            self._lines.clear()


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
                if isinstance(stream, MarkedStream):
                    stream.end_lines()
            with suppress(OSError):
                if self._folder is not None and os.getcwd() != self._folder:
                    os.chdir(self._folder)
