"""Flashing the firmware to a device of the lab, by the tool of the maker of its chip."""

from __future__ import annotations

import getpass
import shlex
import shutil
import subprocess
from hashlib import sha256

from drivers import lab
from drivers.errors import DeviceError, DeviceNotFound
from drivers.firmware.building import build

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
    image, known = build(device.firmware), TOOLS.get(device.firmware, STM32)
    tool = next(filter(shutil.which, known), None)
    if tool is None:
        raise DeviceNotFound(f"no tool to flash {name}: install {' or '.join(known)}")
    given = (part.format(image=image.with_suffix("")) for part in shlex.split(known[tool]))
    command = [tool, *given]
    if subprocess.run(command).returncode:
        raise DeviceError(f"{tool} failed: {' '.join(command)}")
    asked = "version" if tool == "picotool" else "--version"
    told = subprocess.run([tool, asked], capture_output=True, text=True)
    version = (told.stdout or told.stderr).strip().partition("\n")[0]
    note = f"{image.name} {sha256(image.read_bytes()).hexdigest()[:16]} by {version}"
    lab.add_note(lab.FLASHED, name, note)
    return note
