"""Surroundings of the command: what of them must not decide how a command ends."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE = 1.0  # seconds that what goes on in threads is waited for


class MessageStream:
    """Standard error that drops what it cannot write: a full disk must not end a training."""

    def __init__(self, stream: Any) -> None:
        """Wrap a stream of text; all but writing is its own."""
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self._stream.flush()


def prepare_process() -> None:
    """Keep closed streams and filters of warnings from failing a command.

    A warning of a library is a message, also where Python is asked to make errors of them; what
    workers inherit says so, too.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed; else the next file would take its number
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    with suppress(OSError):  # what a driver's library prints past Python is no result
        result = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
        os.dup2(2, 1)
        sys.stdout = result
    sys.stderr = MessageStream(sys.stderr)
    threading.excepthook = lambda failed: _report(
        f"thread {failed.thread.name if failed.thread else ''} raised", failed.exc_value
    )
    sys.unraisablehook = lambda failed: _report("ignored", failed.exc_value)
    if any(action == "error" for action, *_ in warnings.filters):
        sys.warnoptions.clear()
        os.environ.pop("PYTHONWARNINGS", None)
        warnings.simplefilter("default")


def drop_output() -> None:
    """Send what is left of standard output nowhere: Python would fail on it at its end."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def end_process(code: Any) -> None:
    """Exit; a thread that somebody left behind is waited for only for so long."""
    deadline = time.monotonic() + PATIENCE
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in [thread for thread in others if not thread.daemon]:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            print(f"hil: thread {thread.name} does not end: left behind", file=sys.stderr)
            os._exit(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)


def _report(what: str, error: BaseException | None) -> None:
    from drivers.refusals import format_refusal

    line = format_refusal(f"{what} {type(error).__name__}: {error}")
    print(f"hil: {line}", file=sys.stderr)
