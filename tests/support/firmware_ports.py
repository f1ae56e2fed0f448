"""Running ports of the firmware, and the least of a host to talk to one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import serial

from drivers import firmware
from drivers.board.frames import Frame, RequestType
from drivers.board.hello import Hello

NEEDS = {
    "native": ("make", "cc"),
    "sanitized": ("make", "cc"),
    "mps2": ("make", "arm-none-eabi-gcc", "qemu-system-arm"),
    **dict.fromkeys(("pico", "pico over USB"), ("make", "arm-none-eabi-gcc", "node")),
    **dict.fromkeys(
        ("stm32f405", "discovery-f407", "nucleo-f446re", "blackpill-f411"),
        ("make", "arm-none-eabi-gcc", "qemu-system-arm"),
    ),
}


def ports(*names: str) -> list[Any]:
    """Ports to run a test on; those that an emulator of Arm runs take long."""
    slow = [name for name in names if "arm-none-eabi-gcc" in NEEDS[name]]
    return [pytest.param(n, marks=pytest.mark.thorough) if n in slow else n for n in names]


def need(port: str) -> None:
    """Skip a test where a port cannot run, but not where it has to."""
    missing = [tool for tool in NEEDS[port] if shutil.which(tool) is None]
    if "node" in NEEDS[port] and not missing:
        asked = subprocess.run(["node", "-e", "require('rp2040js')"], capture_output=True)
        missing += ["rp2040js"] * (asked.returncode != 0)
    if missing and "HIL_REQUIRE_FIRMWARE" not in os.environ:
        pytest.skip(f"{', '.join(missing)} not installed")
    assert not missing


class Host:
    """The least that a host can be."""

    def __init__(self, url: str) -> None:
        self.port = serial.serial_for_url(url, timeout=10)

    def say(self, line: bytes) -> bytes:
        """Send a frame; what comes back, up to and with the zero."""
        self.port.write(line)
        return self.port.read_until(b"\0")

    def ask(self, kind: int, payload: bytes = b"", sequence: int = 0) -> Frame:
        return Frame.decode(self.say(Frame(kind, sequence, payload).encode())[:-1])

    def hello(self) -> Hello:
        return Hello.decode(self.ask(RequestType.HELLO).payload)


@contextmanager
def connected(port: str, seed: int = 1) -> Iterator[tuple[firmware.Running, Host]]:
    need(port)
    with firmware.start(port.removesuffix(" over USB"), seed) as board:
        host = Host(board.usb_url if port.endswith("USB") else board.url)
        try:
            yield board, host
        finally:
            host.port.close()
