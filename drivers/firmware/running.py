"""The firmware as a process: natively on a pseudo-terminal, or in QEMU on a socket."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from typing import Self

from drivers.errors import DeviceNotFound
from drivers.firmware.building import build

# QEMU's name of each machine, and the end of its RAM.
MACHINES = {
    "mps2": ("mps2-an385", 0x20400000),
    "stm32f405": ("olimex-stm32-h405", 0x20020000),
}
WORD = 0xFFFFFFFF


class Running:
    """A board that runs on this machine until it is closed; a context manager.

    Attributes:
        url: Its serial line, as `board:` takes it: a terminal, or `socket://127.0.0.1:PORT`.
    """

    url: str

    def __init__(self, command: list[str]) -> None:
        """Start the process."""
        self._log = tempfile.TemporaryFile("w+")
        # In a session of its own it does not get the Ctrl-C that is meant for the host.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def reboot(self) -> None:
        """Reset the board: its network and weights are gone, and its boot id is another."""
        raise NotImplementedError

    def close(self) -> None:
        """End the process. Closing twice is fine."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def __enter__(self) -> Self:
        """Return the board itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def _line(self) -> str:
        """The next line that the process prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            said = self._log.read().strip().splitlines()
            self.close()
            raise DeviceNotFound(f"the board has stopped: {said[-1] if said else 'without a word'}")
        return line.strip()


class _Native(Running):
    def __init__(self, seed: int) -> None:
        super().__init__([str(build(self._port)), "--seed", str(seed)])
        self.url = self._line()

    def reboot(self) -> None:
        self._process.send_signal(signal.SIGUSR1)
