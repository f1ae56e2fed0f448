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

    def close(self) -> None:
        """Write lines that never ended; the stream itself stays open."""
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
        self._streams: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._calls = 0

    def enter(self) -> None:
        """Keep them, before the first call that is under way."""
        with self._lock:
            self._calls += 1
            if self._calls > 1:
                return
            with suppress(OSError):  # removed by somebody
                self._folder = os.getcwd()
            self._streams = {"stdout": sys.stdout, "stderr": sys.stderr}
            for name, stream in self._streams.items():
                if stream is not None and sys.stderr is not None:
                    error = self._streams["stderr"]
                    setattr(sys, name, MarkedStream(stream, error, self._name_method))

    def leave(self) -> None:
        """Put them back, after the last one."""
        with self._lock:
            self._calls -= 1
            if self._calls:
                return
            for name, stream in self._streams.items():
                used = getattr(sys, name)
                setattr(sys, name, stream)
                if isinstance(used, MarkedStream):
                    used.close()
            with suppress(OSError):
                if self._folder is not None and os.getcwd() != self._folder:
                    os.chdir(self._folder)
