"""From the sources of the firmware to an image, and to a device of the lab by its maker's tool."""

from __future__ import annotations

import getpass
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from drivers import lab
from drivers.errors import DeviceError, DeviceNotFound, nearest

SOURCES = Path(__file__).parent
# What each port is made into, the image first, and what makes it.
PORTS = {
    "native": (("native",), "a C compiler and make"),
    "sanitized": (("sanitized",), "a C compiler with sanitizers and make"),
    "mps2": (("mps2.elf",), "gcc-arm-none-eabi and make"),
    "pico": (("pico.uf2", "pico.elf"), "gcc-arm-none-eabi and make"),
    **{
        board: ((f"{board}.elf", f"{board}.bin"), "gcc-arm-none-eabi and make")
        for board in ("stm32f405", "discovery-f407", "nucleo-f446re", "blackpill-f411")
    },
}


def build(port: str, folder: Path | None = None) -> Path:
    """Build a port of the firmware.

    Args:
        port: One of `PORTS`; `sanitized` is the native one, under address and
            undefined-behaviour sanitizers.
        folder: Where to put it. Otherwise it goes to the user's cache, and is built only once.

    Returns:
        The image: an executable of this machine, an ELF file, or a UF2 file.

    Raises:
        DeviceNotFound: For an unknown port, or when it cannot be built here.
    """
    if port not in PORTS:
        raise DeviceNotFound(f"firmware port {port!r}: {nearest(port, PORTS)}")
    products, tools = PORTS[port]
    target = folder or _cache()
    image = target / products[0]
    if folder is None and image.exists():
        return image
    try:
        target.mkdir(parents=True, exist_ok=True)
        # Another process may build the same: what is there is whole at any moment.
        with tempfile.TemporaryDirectory(dir=target) as work:
            _make(port, work, tools)
            for product in reversed(products):
                os.replace(Path(work) / product, target / product)
    except OSError as error:
        raise DeviceNotFound(f"firmware port {port} cannot be built: {error}") from None
    return image


def _make(port: str, folder: str, tools: str) -> None:
    command = ["make", "-C", str(SOURCES), f"BUILD={folder}", f"PYTHON={sys.executable}", port]
    try:
        process = subprocess.run(command, capture_output=True, text=True)
        trouble = process.stderr.strip() if process.returncode else ""
    except FileNotFoundError:
        trouble = "make is not installed"
    if trouble:
        said = trouble.splitlines()[0]
        raise DeviceNotFound(
            f"firmware port {port} cannot be built: {said}; it needs {tools}: install them"
        )


def _cache() -> Path:
    """A folder of the user for these very sources."""
    import pooch

    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in (".c", ".h", ".ld") or path.name in ("Makefile", "uf2.py"):
            digest.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes())
    return Path(pooch.os_cache("spikeloop")) / "firmware" / digest.hexdigest()[:16]


# By port of the firmware: tools, the first one installed is used, with what each is given.
# {image} is the image without its ending. A tool refuses where it finds several boards.
STM32 = {
    "openocd": "-f interface/stlink.cfg -f target/stm32f4x.cfg "
    "-c 'program {image}.elf verify reset exit'",
    "dfu-util": "-a 0 -s 0x08000000:leave -D {image}.bin",
}
TOOLS = {"pico": {"picotool": "load -f -x {image}.uf2"}}


def flash(name: str) -> str:
    """Build the firmware of a device of the lab, and flash it.

    Returns:
        What was flashed by what, which the lab and the runs on the device keep.

    Raises:
        DeviceNotFound: When there is no such device, or no tool for it is installed.
        DeviceError: When the user may not, or the tool fails.
    """
    device = lab.find_device(name)
    if device.may_flash and getpass.getuser() not in device.may_flash:
        raise DeviceError(f"{name} may be flashed by {', '.join(device.may_flash)}: ask them")
    image, tools = build(device.firmware), TOOLS.get(device.firmware, STM32)
    tool = next(filter(shutil.which, tools), None)
    if tool is None:
        raise DeviceNotFound(f"no tool to flash {name}: install {' or '.join(tools)}")
    parts = (part.format(image=image.with_suffix("")) for part in shlex.split(tools[tool]))
    command = [tool, *parts]
    if subprocess.run(command).returncode:
        raise DeviceError(f"{tool} failed: {' '.join(command)}")
    asked = "version" if tool == "picotool" else "--version"
    answer = subprocess.run([tool, asked], capture_output=True, text=True)
    version = (answer.stdout or answer.stderr).strip().partition("\n")[0]
    note = f"{image.name} {sha256(image.read_bytes()).hexdigest()[:16]} by {version}"
    lab.add_note(lab.FLASHED, name, note)
    return note
