"""The firmware as a process: natively on a pseudo-terminal, or in an emulator on a socket."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from typing import Self

from drivers.errors import DeviceNotFound
from drivers.firmware.building import SOURCES, build

WORD = 0xFFFFFFFF
# QEMU's name of each machine, the end of its RAM, the register and bit that let its line send (the
# last that a port turns on), and which of the machine's lines that is. All boards with an STM32F4
# run on the model of an STM32F405, which has what the port uses at the same places.
USART1, USART2 = (0x4001100C, 1 << 3, 0), (0x4000440C, 1 << 3, 1)
MACHINES = {
    "mps2": ("mps2-an385", 0x20400000, 0x40004008, 1 << 0, 0),
    "stm32f405": ("olimex-stm32-h405", 0x20020000, *USART1),
    "discovery-f407": ("olimex-stm32-h405", 0x20020000, *USART2),
    "nucleo-f446re": ("olimex-stm32-h405", 0x20020000, *USART2),
    "blackpill-f411": ("olimex-stm32-h405", 0x20020000, *USART1),
}
PICO_RAM_END = 0x20041000
# Where the start-up code looks for a chip seed, before the end of RAM: see ports/arm/start.c.
HANDOVER = 16
BOOT_SECONDS = 60  # it takes some milliseconds, on a machine that has time for it
# Becomes the board when it is told to, which is after the watch knows its number.
BOARD = 'read go && exec "$@"'
# Kills that number when the pipe has no other end any more: its starter closed it, or is no more.
WATCH = 'read board && { read end; kill -9 "$board"; }'


def start(port: str, seed: int = 1, is_counted: bool = False) -> Running:
    """Build a port where that has not been done, and start it.

    Args:
        port: As `build` takes it; `pico` runs in rp2040js, the other Arm ports in QEMU.
        seed: Of the chip, which says what fixed pattern it has: 0, the ideal one, to 2^32 - 1.
        is_counted: Whether QEMU counts instructions, which makes it slower.

    Returns:
        The running board; close it, or use it as a context manager.

    Raises:
        DeviceNotFound: When it cannot be built or started.
        ValueError: For a seed out of range.
    """
    if not 0 <= seed <= WORD:
        raise ValueError(f"chip seed {seed}: give a whole number from 0 to {WORD}")
    if port in MACHINES:
        return Emulated(port, seed, is_counted)
    return Pico(port, seed) if port == "pico" else Native(port, seed)


class Running(ABC):
    """A board that runs on this machine until it is closed, or until its starter is no more.

    A context manager.

    Attributes:
        url: Its serial line, as `board:` takes it: a terminal, or `socket://127.0.0.1:PORT`.
    """

    url: str

    def __init__(self, command: list[str]) -> None:
        """Start a process."""
        if shutil.which(command[0]) is None:
            raise DeviceNotFound(f"{command[0]} is not installed: install it")
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = self._shell(BOARD, "sh", *command)
        self._watch = self._shell(WATCH)
        for process, line in ((self._watch, self._process.pid), (self._process, "go")):
            assert process.stdin is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()

    @abstractmethod
    def reboot(self) -> None:
        """Reset the board: its network and weights are gone, and its boot id is another.

        Returns when it listens again. A run that it computes natively is finished first.
        """

    def count(self) -> int:
        """Count what the core has done since it was started, sleep aside.

        Returns:
            Instructions in QEMU, cycles in rp2040js.

        Raises:
            ValueError: For a board that was not started to be counted, or runs natively.
        """
        raise ValueError("nobody counts: give is_counted=True, and a port that is emulated")

    def close(self) -> None:
        """End the process. Closing twice is fine."""
        self._process.kill()
        self._process.communicate()
        self._watch.kill()
        self._watch.communicate()
        self._log.close()

    def __enter__(self) -> Self:
        """Return the board itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def _shell(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """A process in a session of its own: it does not get the Ctrl-C meant for the host."""
        return subprocess.Popen(
            ["sh", "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def _read_line(self) -> str:
        """Read the next line that the process prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            said = self._log.read().strip().splitlines() or ["it says nothing"]
            self.close()
            raise DeviceNotFound(f"the board's process has stopped: {said[-1]}")
        return line.strip()


class Native(Running):
    """A port that is a process of this machine."""

    def __init__(self, port: str, seed: int) -> None:
        """Start it."""
        super().__init__([str(build(port)), "--seed", str(seed)])
        self.url = self._read_line()

    def reboot(self) -> None:
        """Reset the board, as `Running` says."""
        self._process.send_signal(signal.SIGUSR1)
        self._read_line()  # it prints one at each boot


class Pico(Running):
    """The port to the RP2040, which rp2040js runs: see ports/pico/emulator.cjs.

    Attributes:
        usb_url: Its other serial line, over USB; `url` is UART0.
    """

    def __init__(self, port: str, seed: int) -> None:
        """Start it."""
        words = (seed, seed ^ WORD, int.from_bytes(os.urandom(4), "little"))
        script = SOURCES / "ports" / "pico" / "emulator.cjs"
        at = PICO_RAM_END - HANDOVER
        super().__init__(["node", str(script), str(build(port)), *map(str, (at, *words))])
        self.url, self.usb_url = self._read_line().split()

    def reboot(self) -> None:
        """Reset the board, as `Running` says."""
        self._tell("reset")

    def count(self) -> int:
        """Count cycles, as `Running` says."""
        return int(self._tell("cycles"))

    def _tell(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read_line()


class Emulated(Running):
    """A port that QEMU runs, told what to do over its machine protocol, QMP."""

    def __init__(self, port: str, seed: int, is_counted: bool = False) -> None:
        """Start it."""
        machine, ram_end, self._control, self._sends, lines_before = MACHINES[port]
        handover = seed | (seed ^ WORD) << 32
        # All memory of QEMU is zero at first: this number makes the boot id another each time.
        noise = int.from_bytes(os.urandom(4), "little")
        # Only with a clock made of its instructions does QEMU tell how many there were.
        clock = ("-icount", "shift=0") if is_counted else ()
        super().__init__(
            [
                "qemu-system-arm",
                *clock,
                *("-machine", machine, "-kernel", str(build(port))),
                *("-nodefaults", "-display", "none", "-qmp", "stdio"),
                # Without nodelay an answer waits some 40 ms for more.
                *("-chardev", "socket,id=line,host=127.0.0.1,port=0,server=on,wait=off,nodelay=on"),
                *(*lines_before * ("-serial", "null"), "-serial", "chardev:line"),
                *("-device", _write_word(ram_end - HANDOVER, handover, 8)),
                *("-device", _write_word(ram_end - HANDOVER + 8, noise, 4)),
            ]
        )
        self._resets = 0
        try:
            self._ask("qmp_capabilities")
            ports = re.findall(r"tcp:127\.0\.0\.1:(\d+)", self._ask("query-chardev"))
            self.url = f"socket://127.0.0.1:{ports[0]}"
            self._await_boot()
        except BaseException:
            self.close()
            raise

    def reboot(self) -> None:
        """Reset the board, as `Running` says."""
        before = self._resets
        self._ask("system_reset")
        while self._resets == before:
            self._read_message()
        self._await_boot()

    def count(self) -> int:
        """Count instructions, as `Running` says."""
        answer = re.search(r"'icount': (\d+)", self._ask("query-replay"))
        return int(answer[1]) if answer else super().count()

    def _await_boot(self) -> None:
        """Wait until the board has turned its line on: what is sent before is lost."""
        until = time.monotonic() + BOOT_SECONDS
        look = f"xp /1wx {self._control:#x}"
        while not int(self._ask("human-monitor-command", look), 16) & self._sends:
            if time.monotonic() > until:
                raise DeviceNotFound(f"the board has not booted within {BOOT_SECONDS} s")
            time.sleep(0.001)

    def _ask(self, command: str, line: str = "") -> str:
        """Give a command and return its answer; of a line to QEMU's monitor, the last word."""
        assert self._process.stdin is not None
        arguments = {"command-line": line} if line else {}
        self._process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        while (answer := self._read_message().get("return")) is None:
            pass
        return str(answer).split()[-1] if line else str(answer)

    def _read_message(self) -> dict[str, object]:
        """Read one answer, event or greeting."""
        message: dict[str, object] = json.loads(self._read_line())
        self._resets += message.get("event") == "RESET"
        return message


def _write_word(address: int, value: int, size: int) -> str:
    """Describe a device of QEMU that writes a number to memory at each reset."""
    return f"loader,addr={address:#x},data={value:#x},data-len={size}"
