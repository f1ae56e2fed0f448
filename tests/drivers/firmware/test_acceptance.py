"""What accepts a board: it passes on every port, and names the line that a mistake is about."""

import json
import shutil
import subprocess
from pathlib import Path
from struct import pack, unpack

import pytest
from typer.testing import CliRunner

from drivers import firmware, lab
from drivers.board.ports import open_line
from drivers.firmware.acceptance import Bench, Line
from drivers.firmware.building import SOURCES
from drivers.firmware.running import Running
from drivers.firmware.uf2 import checksum, to_uf2
from hil.cli.app import app
from support.firmware_ports import need, ports

# A mistake by name: the line that finds it, its file, what stands there, and what instead.
MISTAKES = {
    "a shift of the leak is off by one": (
        "command RUN",
        "neurons.c",
        "(int32_t)((int64_t)membrane * leak >> 16)",
        "(int32_t)((int64_t)membrane * leak >> 15)",
    ),
    "a drive is rounded to the nearest": (
        "vectors",
        "neurons.c",
        "(int32_t)(low * factor >> shift)",
        "(int32_t)((low * factor + (1u << (shift - 1))) >> shift)",
    ),
    "a membrane at the threshold does not spike": (
        "vectors",
        "neurons.c",
        "(v - threshold[j])",
        "(v - 1 - threshold[j])",
    ),
    "a spike sets the membrane to 0": (
        "command RUN",
        "neurons.c",
        "add(reset->membrane[j], -reset->threshold[j])",
        "0",
    ),
    "membranes are bounded too soon": (
        "vectors",
        "neurons.c",
        "#define BOUND (1 << 30)",
        "#define BOUND (1 << 20)",
    ),
    "an answer to another request of that number": (
        "repeats",
        "device.c",
        " && crc == answered_crc",
        "",
    ),
    "what is sent again is executed again": (
        "repeats",
        "device.c",
        "if (answer_bytes != 0 && ",
        "if (0 && ",
    ),
    "a damaged frame is executed": (
        "damage",
        "device.c",
        "if (crc != get32(frame + size - CRC_BYTES))",
        "if (0)",
    ),
    "a damaged frame is not told": (
        "damage",
        "device.c",
        "complain(LINK_COBS);\n        return;",
        "return;",
    ),
    "a reset that leaves the network": ("reset", "device.c", "    network_forget();\n", ""),
    "a reset that leaves the counts": (
        "reset",
        "device.c",
        "counts.whole = counts.damaged = counts.requests = 0;",
        "",
    ),
    "the weight -128 is taken": (
        "command WRITE",
        "weights.c",
        ": value[0] != 0x80; /* -128 */",
        ": 1;",
    ),
    "one cell beyond the last is read": (
        "command READ",
        "weights.c",
        "first <= cells - count",
        "first <= cells - count + 1",
    ),
    "a checksum that is not inverted": (
        "command CRC",
        "weights.c",
        "put32(answer, ~crc)",
        "put32(answer, crc)",
    ),
    "samples are not counted": (
        "command STATS",
        "device.c",
        "counts.samples += samples",
        "counts.samples += 1",
    ),
    "one weight too many is taken": (
        "command CONFIGURE",
        "network.c",
        "taken > MAX_WEIGHTS",
        "taken > MAX_WEIGHTS + MAX_INPUTS",
    ),
    "an owner is not asked for": (
        "leases",
        "device.c",
        "if (lease != lease_held()->number)",
        "if (0)",
    ),
    "a synapse's delay is one step short": (
        "command RUN",
        "synapses.c",
        "times[delays[j]]",
        "times[delays[j] ? delays[j] - 1 : 0]",
    ),
}


class Planted(Running):
    """A native board of an image of one's own."""

    def __init__(self, image: Path) -> None:
        super().__init__([str(image), "--seed", "7"])
        self.url = self._read_line()

    def reboot(self) -> None:
        self._process.send_signal(10)
        self._read_line()


def examine(board: Running, seconds: float = 0.1) -> tuple[Bench, list[Line]]:
    line, rate = open_line(board.url, {})
    try:
        bench = Bench(line, rate, board.reboot, seconds)
        found = []
        for each in bench.examine():
            found.append(each)
            if each.verdict != "passed":
                break
        return bench, found
    finally:
        line.close()


@pytest.mark.parametrize(
    "port", ports(*(port for port in firmware.PORTS if port not in ("native", "sanitized")))
)
def test_every_port_is_accepted(port: str) -> None:
    need(port)
    with firmware.start(port, 7) as board:
        bench, found = examine(board)
    assert [each for each in found if each.verdict != "passed"] == []
    assert len(found) > 15 and bench.figures["checksum"] > 0
    assert bench.hello.name == port


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, and what they are made into."""
    need("native")
    folder = tmp_path_factory.mktemp("sources") / "firmware"
    shutil.copytree(SOURCES, folder)
    subprocess.run(["make", "-C", str(folder), "native"], check=True, capture_output=True)
    return folder


def plant(mistake: str, sources: Path, folder: Path) -> Path:
    """Make a native image with a mistake."""
    _, file, before, after = MISTAKES[mistake]
    shutil.copytree(sources, folder / "firmware")
    path = folder / "firmware" / "core" / file
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    made = ["make", "-C", str(folder / "firmware"), "native", "CFLAGS=-std=c99 -Icore"]
    subprocess.run(made, check=True, capture_output=True)
    return folder / "firmware" / "build" / "native"


@pytest.mark.parametrize(
    "mistake",
    [
        m if n % 6 == 0 else pytest.param(m, marks=pytest.mark.thorough)
        for n, m in enumerate(MISTAKES)
    ],
)
def test_a_mistake_is_found_in_its_line(mistake: str, sources: Path, tmp_path: Path) -> None:
    with Planted(plant(mistake, sources, tmp_path)) as board:
        _, found = examine(board)
    assert found[-1].verdict == "failed"
    assert found[-1].name == MISTAKES[mistake][0]


@pytest.mark.parametrize("port", ports("native", "mps2", "stm32f405", "pico"))
def test_the_command_writes_a_file_that_the_report_reads(port: str, tmp_path: Path) -> None:
    """Contract and training included; a signal, which stands for a button, resets it."""
    need(port)
    out = tmp_path / "found.json"
    with firmware.start(port, 7) as board:
        reset = f"kill -USR1 {board._process.pid}" if port == "native" else ""
        command = ["board", "accept", f"board:{board.url}", "--soak", "0.1", "--out", str(out)]
        said = CliRunner().invoke(app, [*command, *(["--reset", reset] if reset else [])])
    assert said.exit_code == 0, said.output
    found = json.loads(out.read_text())
    verdicts = {each["name"]: each["verdict"] for each in found["lines"]}
    assert verdicts.pop("reset") == ("passed" if reset else "skipped")
    assert set(verdicts.values()) == {"passed"} and {"contract", "training"} < set(verdicts)
    assert found["chip"] == 7 and found["board"] == port
    out.with_suffix(".html").unlink()
    assert CliRunner().invoke(app, ["report", str(out)]).exit_code == 0
    assert port in out.with_suffix(".html").read_text()
    out.write_text("{}")
    assert CliRunner().invoke(app, ["report", str(out)]).exit_code == 2


@pytest.mark.thorough
def test_a_board_of_the_lab_that_fails_is_put_in_quarantine(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = plant("a checksum that is not inverted", sources, tmp_path)
    out = tmp_path / "found.json"
    with Planted(image) as board:
        (tmp_path / "lab.toml").write_text(f'[devices.sick]\naddress = "board:{board.url}"\n')
        monkeypatch.setenv("HIL_LAB", str(tmp_path / "lab.toml"))
        command = ["board", "accept", "sick", "--soak", "0.1", "--out", str(out)]
        assert CliRunner().invoke(app, command).exit_code == 1
    assert "command CRC" in lab.list_notes(lab.QUARANTINE)["sick"]
    verdicts = {each["name"]: each["verdict"] for each in json.loads(out.read_text())["lines"]}
    assert verdicts["training"] == verdicts["command CRC"] == "failed"


def test_the_file_for_the_pico_is_as_its_boot_rom_reads_it() -> None:
    assert checksum(b"123456789") == 0x0376E6E7  # the check value of CRC-32/MPEG-2
    made = to_uf2(b"stage", b"image" * 100)
    blocks = [made[at : at + 512] for at in range(0, len(made), 512)]
    heads = [unpack("<8I", block[:32]) for block in blocks]
    assert [head[3] for head in heads] == [0x10000000, 0x10000100, 0x10000200]
    assert {(head[4], head[6], head[7]) for head in heads} == {(256, 3, 0xE48BFF56)}
    first, *others = (block[32 : 32 + 256] for block in blocks)
    assert first == b"stage".ljust(252, b"\0") + pack("<I", checksum(first[:252]))
    assert b"".join(others).rstrip(b"\0") == b"image" * 100
    with pytest.raises(ValueError, match="252"):
        to_uf2(bytes(253), b"")


def test_what_is_no_board_is_refused() -> None:
    refused = CliRunner().invoke(app, ["board", "accept", "emulator:ideal"])
    assert refused.exit_code == 2 and "hil check" in refused.stderr
