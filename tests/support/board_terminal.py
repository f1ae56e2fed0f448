"""A board on a pseudo-terminal, played by a thread."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol


class Fed(Protocol):
    """A board, as far as a line sees it."""

    def feed(self, data: bytes) -> bytes: ...


@contextmanager
def terminal(board: Fed, unasked: bytes = b"") -> Iterator[tuple[str, int]]:
    """A board on a pseudo-terminal: its path, and its other end.

    Args:
        board: Answers what is sent; an `OSError` of it pulls the cable.
        unasked: What comes all the time.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    stop = threading.Event()

    def play() -> None:
        with suppress(OSError):
            while not stop.is_set():
                if unasked and select.select([], [ours], [], 0)[1]:
                    os.write(ours, unasked)
                if select.select([ours], [], [], 0.02)[0]:
                    answer = board.feed(os.read(ours, 65536))
                    while answer:
                        answer = answer[os.write(ours, answer) :]
        os.close(ours)

    player = threading.Thread(target=play)
    player.start()
    try:
        yield os.ttyname(theirs), theirs
    finally:
        stop.set()
        player.join()
        os.close(theirs)
