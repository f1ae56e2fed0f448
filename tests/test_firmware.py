"""The firmware: the same bytes as its twin, on every port, and no way to break it."""

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import serial
from board_scripts import script
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import firmware
from drivers.board import frames
from drivers.board.frames import Frame, Status, Type
from drivers.board.limits import Hello, Limits
from drivers.board.twin import Twin
from drivers.errors import DeviceNotFound
from drivers.firmware import vectors
from drivers.firmware.building import SOURCES

ROOT = Path(__file__).parents[1]
NEEDS = {
    "native": ("make", "cc"),
    "sanitized": ("make", "cc"),
    "mps2": ("make", "arm-none-eabi-gcc", "qemu-system-arm"),
    "stm32f405": ("make", "arm-none-eabi-gcc", "qemu-system-arm"),
}
SEEDS = st.integers(0, 2**32 - 1)


def need(port: str) -> None:
    """Skip a test where a port cannot run, but not where it has to."""
    missing = [tool for tool in NEEDS[port] if shutil.which(tool) is None]
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
        return frames.decode(self.say(frames.encode(Frame(kind, sequence, payload)))[:-1])

    def hello(self) -> Hello:
        return Hello.decode(self.ask(Type.HELLO).payload)


@contextmanager
def connected(port: str, seed: int = 1) -> Iterator[tuple[firmware.Running, Host]]:
    need(port)
    with firmware.start(port, seed) as board:
        host = Host(board.url)
        try:
            yield board, host
        finally:
            host.port.close()


@pytest.fixture(scope="module", params=["native", "sanitized", "mps2", "stm32f405"])
def board(request: pytest.FixtureRequest) -> Iterator[tuple[firmware.Running, Host]]:
    with connected(request.param, seed=7) as pair:
        yield pair


def answered(line: bytes) -> bool:
    """Whether a device answers one frame: not when it is empty, or an answer itself."""
    try:
        return not frames.decode(line[:-1]).type & frames.ANSWER
    except frames.Damaged:
        return len(line) > 1


def agree(host: Host, twin: Twin, lines: list[bytes]) -> None:
    for line in lines:
        for part in line.split(b"\0")[:-1]:
            if answered(part + b"\0"):
                assert host.say(part + b"\0") == twin.feed(part + b"\0"), part.hex()
            else:
                host.port.write(part + b"\0")
                twin.feed(part + b"\0")


def fresh(pair: tuple[firmware.Running, Host]) -> tuple[Host, Twin, Limits]:
    """A board that has just booted, and a twin of it."""
    running, host = pair
    running.reboot()
    first = frames.encode(Frame(Type.HELLO, 0))
    answer = host.say(first)
    told = Hello.decode(frames.decode(answer[:-1]).payload)
    twin = Twin(told.chip, told.boot_id, told.limits)
    assert twin.feed(first) == answer
    return host, twin, told.limits


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_every_port_answers_as_the_twin_does(
    board: tuple[firmware.Running, Host], seed: int
) -> None:
    host, twin, limits = fresh(board)
    agree(host, twin, script(np.random.default_rng(seed), limits, 24))


@settings(max_examples=15, deadline=None)
@given(chip=st.sampled_from([0, 2**32 - 1]) | SEEDS, seed=SEEDS)
def test_every_chip_is_the_twin_of_its_seed(chip: int, seed: int) -> None:
    with connected("native", chip) as pair:
        host, twin, limits = fresh(pair)
        agree(host, twin, script(np.random.default_rng(seed), limits, 12))


def test_the_vectors_hold_on_every_port(board: tuple[firmware.Running, Host]) -> None:
    running, host = board
    running.reboot()
    for each in json.loads(vectors.FILE.read_text())["exchanges"]["in_order"]:
        answer = host.say(bytes.fromhex(each["request"]))
        if each["title"] == "HELLO":
            # A board has limits and a boot of its own.
            theirs, ours = (
                Hello.decode(frames.decode(line[:-1]).payload)
                for line in (bytes.fromhex(each["answer"]), answer)
            )
            assert (ours.protocol, ours.chip) == (theirs.protocol, theirs.chip)
        else:
            assert answer.hex() == each["answer"], each["title"]


@pytest.mark.parametrize("port", ["native", "stm32f405"])
def test_the_runs_hold_on_every_chip(port: str) -> None:
    runs = json.loads(vectors.FILE.read_text())["runs"]
    for chip in {run["chip"] for run in runs}:
        with connected(port, chip) as (_, host):
            for run in (run for run in runs if run["chip"] == chip):
                asked = [(Type.CONFIGURE, run["configure"])]
                asked += [(Type.WRITE, payload) for payload in run["writes"]]
                for sequence, (kind, payload) in enumerate(asked):
                    assert host.ask(kind, bytes.fromhex(payload), sequence).status == Status.OK
                answer = host.ask(Type.RUN, bytes.fromhex(run["run"]), len(asked))
                assert answer.payload.hex() == run["answer"]


def test_the_vectors_are_what_the_twin_says_now() -> None:
    made = json.loads(json.dumps(vectors.vectors()))
    assert json.loads(vectors.FILE.read_text()) == made
    page = (ROOT / "docs" / "protocol.md").read_text()
    assert f"```text\n{vectors.annotated(made['exchanges'])}```\n" in page


def test_a_boot_is_another_and_knows_nothing(board: tuple[firmware.Running, Host]) -> None:
    running, host = board
    seen = set()
    for number in range(5):
        running.reboot()
        seen.add(host.hello().boot_id)
        assert host.ask(Type.CRC, b"\0", sequence=1).status == Status.NOT_CONFIGURED
        network = bytes.fromhex("01000a000000010002000100" + "01000000")
        assert host.ask(Type.CONFIGURE, network, sequence=2 + number).status == Status.OK
        assert host.ask(Type.CRC, b"\0", sequence=1).status == Status.OK
    assert len(seen) == 5


@pytest.mark.parametrize("port", ["native", "mps2", "stm32f405"])
def test_a_board_that_was_off_has_another_boot_id(port: str) -> None:
    seen = set()
    for _ in range(2):
        with connected(port) as (_, host):
            seen.add(host.hello().boot_id)
    assert len(seen) == 2


def test_what_comes_while_the_board_works_is_not_lost(
    board: tuple[firmware.Running, Host],
) -> None:
    host, twin, limits = fresh(board)
    network = bytes.fromhex("02000a000000010064006400640001000000" + "01000000")
    run = bytes.fromhex("0000e8030100") + b"\0\1" * 100
    lines = [
        frames.encode(Frame(kind, sequence, payload))
        for sequence, (kind, payload) in enumerate(
            [
                (Type.CONFIGURE, network),
                (Type.RUN, run),
                (Type.ECHO, bytes(limits.payload - 4000)),
                (Type.STATS, b""),
            ],
            start=1,
        )
    ]
    expected = [twin.feed(line) for line in lines]
    host.port.write(b"".join(lines))
    assert [host.port.read_until(b"\0") for _ in lines] == expected
    assert frames.decode(expected[1][:-1]).status == Status.OK


def test_frames_at_the_limit_and_beyond(board: tuple[firmware.Running, Host]) -> None:
    host, twin, limits = fresh(board)
    rng = np.random.default_rng(1)
    lines = []
    for size in (limits.payload - 1, limits.payload, limits.payload + 1, limits.payload + 300):
        # With many zeros and without any, which is the longest.
        for byte in (b"\0", b"\1"):
            lines.append(frames.encode(Frame(Type.ECHO, len(lines) + 1, byte * size)))
    noise = bytes(rng.integers(1, 256, 3 * limits.payload, np.uint8)) + b"\0"
    agree(host, twin, [*lines, noise, frames.encode(Frame(Type.STATS, 99))])


def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    need("sanitized")
    command = ["make", "-C", str(SOURCES), f"BUILD={tmp_path}", "fuzz", "COUNT=300000"]
    for seed in (1, 2):
        made = subprocess.run([*command, f"SEED={seed}"], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        assert "300000 strings" in made.stdout
        assert "HELLO is answered" in made.stdout


def test_the_flash_image_boots_from_flash(tmp_path: Path) -> None:
    need("stm32f405")
    image = firmware.build("stm32f405", tmp_path).with_suffix(".bin").read_bytes()
    stack, reset = np.frombuffer(image[:8], "<u4")
    assert 0x20000000 < stack <= 0x20020000
    assert 0x08000000 < reset < 0x08000000 + len(image) and reset % 2 == 1
    assert len(image) < 1 << 20


def test_another_chip_is_another_image(tmp_path: Path) -> None:
    need("stm32f405")
    images = []
    for chip in ("1", "7", "1"):
        made = ["make", "-C", str(SOURCES), f"BUILD={tmp_path}", "stm32f405", f"CHIP={chip}"]
        subprocess.run(made, check=True, capture_output=True)
        images.append((tmp_path / "stm32f405.bin").read_bytes())
    assert images[0] == images[2] != images[1]


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
