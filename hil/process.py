"""The process as a whole: threads, signals, memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def limit_blas_threads() -> Iterator[None]:
    """Pin BLAS to one thread, so that sums are taken in one order on every machine."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


class Stop:
    """Request to stop, by Ctrl-C or SIGTERM.

    While nothing is there to be saved, the first signal interrupts at once; afterwards the first
    one is a request, and the second one interrupts.

    Attributes:
        requested: Whether to stop as soon as all is saved.
        deferrable: Whether there is something to save.
    """

    requested = False
    deferrable = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: When it interrupts at once.
        """
        if self.requested or not self.deferrable:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def catch_stops() -> Iterator[Stop]:
    """Take Ctrl-C and SIGTERM as requests to stop while in the context.

    Only the main thread of a process can handle signals; in another one they are left alone.

    Yields:
        Whether one came.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {s: signal.signal(s, stop.handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
