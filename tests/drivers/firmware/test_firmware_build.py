"""Making the firmware: images, what is shipped, and what it says where it cannot be made."""

import re
import shlex
import socket
import subprocess
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import serial
from typer.testing import CliRunner

from drivers import firmware
from drivers.board.frames import FrameDamaged
from drivers.board.hello import Hello
from drivers.errors import DeviceNotFound
from drivers.firmware.building import SOURCES
from hil.cli.app import app
from support.firmware_ports import Host, need
from support.paths import ROOT


def test_the_flash_image_boots_from_flash(tmp_path: Path) -> None:
    need("stm32f405")
    image = firmware.build("stm32f405", tmp_path).with_suffix(".bin").read_bytes()
    stack, reset = np.frombuffer(image[:8], "<u4")
    assert 0x20000000 < stack <= 0x20020000
    assert 0x08000000 < reset < 0x08000000 + len(image) and reset % 2 == 1
    assert len(image) < 1 << 20


def test_the_command_says_where_the_image_is() -> None:
    need("stm32f405")
    said = CliRunner().invoke(app, ["board", "firmware", "stm32f405"])
    assert said.exit_code == 0 and Path(said.stdout.strip()).suffix == ".elf"
    assert Path(said.stdout.strip()).with_suffix(".bin").is_file()
    wrong = CliRunner().invoke(app, ["board", "firmware", "stm32"])
    assert wrong.exit_code == 2 and wrong.stderr.count("\n") == 1


def test_another_chip_is_another_image(tmp_path: Path) -> None:
    need("stm32f405")
    images = []
    for chip in ("1", "7"):
        made = ["make", "-C", str(SOURCES), f"BUILD={tmp_path}", "stm32f405", f"CHIP={chip}"]
        subprocess.run(made, check=True, capture_output=True)
        images.append((tmp_path / "stm32f405.bin").read_bytes())
    assert images[0] != images[1]


def test_a_port_that_cannot_be_built_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceNotFound, match=r"nativ.*native"):
        firmware.build("nativ", tmp_path)
    with pytest.raises(ValueError, match="seed -1"):
        firmware.start("native", -1)
    need("native")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(DeviceNotFound, match=r"no-such-compiler.*C compiler and make") as caught:
        firmware.build("native", tmp_path)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceNotFound, match="make is not installed"):
        firmware.build("native", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_native_board_refuses_what_it_does_not_know() -> None:
    need("native")
    for arguments in (["--seed"], ["--seed", "x"], ["--seed", "-1"], ["--sed", "1"]):
        command = [firmware.build("native"), *arguments]
        refused = subprocess.run(command, capture_output=True, text=True)
        assert refused.returncode == 2
        assert "usage" in refused.stderr


def test_the_sources_are_in_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["drivers"]
    shipped = {path for pattern in patterns for path in (ROOT / "drivers").glob(pattern)}
    sources = {
        path for path in SOURCES.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert sources <= shipped


def test_the_page_has_the_limits_of_every_port() -> None:
    page = (ROOT / "docs" / "firmware.md").read_text()
    for port in firmware.PORTS:
        if port == "sanitized":
            continue
        header = (SOURCES / "ports" / port / "limits.h").read_text()
        limits = {
            name: eval(value)
            for name, value in re.findall(r"#define (MAX_\w+) ([\d<() ]+)$", header, re.M)
        }
        (row,) = re.findall(rf"^\| `{port}` .*$", page, re.M)
        network = (
            f"{limits['MAX_LAYERS']} layers, {limits['MAX_INPUTS']} inputs, "
            f"{limits['MAX_NEURONS']} neurons a layer, {limits['MAX_WEIGHTS']} weights"
        )
        assert network in row or "the same" in row
        assert row.endswith(f"| {limits['MAX_PAYLOAD']} |")


@pytest.mark.parametrize("number", [0, 1])
def test_the_commands_of_the_page_start_qemu(number: int, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "firmware.md").read_text()
    command = shlex.split(re.findall(r"^qemu-system-arm .*$", page, re.M)[number])
    port = ("mps2", "stm32f405")[number]
    need(port)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()[1]
    image = firmware.build(port)
    changed = [
        str(image) if word.endswith(image.name) else word.replace("4444", str(address))
        for word in command
    ]
    assert changed.count(str(image)) == 1
    with subprocess.Popen(changed) as process:
        try:
            assert greeted(address).name == port
        finally:
            process.kill()


def greeted(address: int) -> Hello:
    """What the board says once QEMU has opened its port and the board has turned its line on."""
    for _ in range(200):
        with suppress(serial.SerialException, FrameDamaged, ValueError):
            host = Host(f"socket://127.0.0.1:{address}")
            host.port.timeout = 1
            with host.port:
                return host.hello()
        time.sleep(0.05)
    raise AssertionError("nobody answers")
