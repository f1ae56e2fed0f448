"""A study on the boards of a lab goes on without those that are away, in use, or fail at work."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from serial.tools import list_ports
from typer.testing import CliRunner

import drivers
from drivers import lab
from drivers.board import link
from drivers.board.simulated_board import SimulatedBoard
from drivers.firmware import flashing
from hil import studies
from hil.cli.app import app
from hil.studies.loader import build
from hil.studies.schema import Study
from support import xor
from support.board_terminal import Fed, terminal

HOLD = "import sys, serial; p = serial.Serial(sys.argv[1], exclusive=True); print(); input()"
NAMES = ("well", "killed", "sick", "held")


class Failing:
    """A simulated board that does something else from its n-th input on."""

    def __init__(self, after: int, act: Callable[[bytes], bytes]) -> None:
        self.board, self.left, self.act = SimulatedBoard(2), after, act

    def feed(self, data: bytes) -> bytes:
        self.left -= 1
        return self.act(data) if self.left < 0 else self.board.feed(data)


def pull(data: bytes) -> bytes:
    raise OSError


class Adapter:
    manufacturer, product, description, vid, pid = "FTDI", "a cable", "", 0x0403, 0x6001

    def __init__(self, device: str, serial_number: str) -> None:
        self.device, self.serial_number = device, serial_number


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(
        "\n".join(
            f'[devices.{name}]\naddress = "board:usb:0403:6001:{name}"\ngroups = ["all-four"]'
            for name in NAMES
        )
    )
    monkeypatch.setenv(lab.VARIABLE, str(path))
    return path


def make_study(trials: int, task: str) -> Study:
    sections = {
        "version": 1,
        "name": "lab",
        "base": {
            "task": task,
            "device": "well",
            "network": {"hidden": [4], "steps": 5},
            "training": {"epochs": 1},
        },
        "factors": {"rate": {"key": "optimiser.learning_rate", "levels": [0.01, 0.02]}},
        "repeat": {"times": trials // 2, "devices": ["all-four"]},
    }
    return build(sections)


@pytest.mark.parametrize("trials", [8, pytest.param(40, marks=pytest.mark.thorough)])
def test_a_study_goes_on_without_those_that_fail(
    trials: int, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.1)
    boards: dict[str, Fed] = {
        "well": SimulatedBoard(1),
        "killed": Failing(12, pull),
        "sick": Failing(12, lambda data: data),
        "held": SimulatedBoard(4),
    }
    found = make_study(trials, xor.write(tmp_path, 60, 20))
    assert found.repeat.devices == NAMES
    with ExitStack() as stack:
        paths = {n: stack.enter_context(terminal(each))[0] for n, each in boards.items()}
        ports = [Adapter(path, name) for name, path in paths.items()]
        monkeypatch.setattr(list_ports, "comports", lambda: ports)
        holder = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", HOLD, paths["held"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        result = studies.run(found, tmp_path / "out")
        listed = CliRunner().invoke(app, ["lab", "list"]).stdout
        holder.communicate(b"\n")
    assert (result["trials"], result["failed"]) == (trials, 0)
    rows = list(csv.DictReader((tmp_path / "out" / "trials.csv").open(encoding="utf-8")))
    assert Counter(row["chip"] for row in rows) == {"well": trials}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for name in ("killed", "sick", "held"):
        assert f"done without: {name}: " in page
    sick = lab.list_notes(lab.QUARANTINE)
    assert set(sick) == {"killed", "sick"} and "is gone" in sick["killed"]
    lines = {line.split("\t")[0]: line for line in listed.splitlines()}
    assert f"process {holder.pid} " in lines["held"] and "echoes" in lines["sick"]
    times = list(csv.DictReader((tmp_path / "out" / "times.csv").open(encoding="utf-8")))
    assert {row["firmware"] for row in times} == {"2.2.0"}
    assert all(row["lost_frames"].isdecimal() for row in times)


def test_what_is_in_quarantine_is_not_used_until_released(file: Path) -> None:
    lab.add_note(lab.QUARANTINE, "sick?baud=9600", "a reason")
    assert "a reason" in lab.list_notes(lab.QUARANTINE)["sick"]
    lab.add_note(lab.QUARANTINE, "board:/dev/ttyACM0", "it has no name")
    assert set(json.loads((file.parent / "lab.toml.quarantine.json").read_text())) == {"sick"}
    assert CliRunner().invoke(app, ["lab", "release", "sick"]).exit_code == 0
    assert not lab.list_notes(lab.QUARANTINE)
    again = CliRunner().invoke(app, ["lab", "release", "sick"])
    assert again.exit_code == 2 and "not in quarantine" in again.stderr


def test_a_name_is_the_same_board_at_another_port(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = xor.write(tmp_path, 60, 20)
    with terminal(SimulatedBoard(7)) as (one, _), terminal(SimulatedBoard(7)) as (two, _):
        for path in (one, two):
            ports = [Adapter(path, "well")]
            monkeypatch.setattr(list_ports, "comports", lambda ports=ports: ports)
            with drivers.open("well?baud=921600") as device:
                assert device.info.identity.serial == "chip-7"
        short = ["--set", "network.hidden=[4]", "--set", "training.epochs=1", "--live"]
        out = ["--out", str(tmp_path / "run")]
        trained = CliRunner().invoke(app, ["train", task, "--device", "well", *short, *out])
        assert trained.exit_code == 0, trained.stderr
        record = json.loads((tmp_path / "run" / "environment.json").read_text())["device"]
    assert record["lab"] == "well" and record["address"] == "board:usb:0403:6001:well"
    assert record["firmware"] == "2.2.0" and record["calibration"] is None
    assert record["condition"]["lost_frames"] == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "2.2.0" in page and "http-equiv" not in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[devices.a]\naddress = "b"', "devices.a.address"),
        ('[devices."a b"]\naddress = "board:b"', "a b"),
        ('[devices.a]\naddress = "board:b"\nowner = "me"', "devices.a.owner"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    result = CliRunner().invoke(app, ["--lab", str(file), "train", "digits", "--device", "a"])
    assert result.exit_code == 2 and words in result.stderr and result.stderr.count("\n") == 1


def test_an_unknown_name_is_refused_with_the_nearest(file: Path) -> None:
    with pytest.raises(drivers.DeviceNotFound, match="did you mean 'killed'"):
        drivers.open("kiled")


def test_a_device_is_flashed_by_the_makers_tool_and_runs_keep_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "pico.uf2"
    image.write_bytes(b"firmware")
    monkeypatch.setattr(flashing, "build", lambda port: image)
    tool = tmp_path / "picotool"
    tool.write_text(f'#!/bin/sh\necho picotool v9: "$@" | tee -a {tmp_path}/calls\n')
    tool.chmod(0o755)
    address = 'address = "board:usb:2E8A:000A:E66"\nfirmware = "pico"\n'
    file.write_text(f"[devices.ours]\n{address}[devices.theirs]\n{address}may_flash = ['nobody']")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    missing = CliRunner().invoke(app, ["board", "flash", "ours"])
    assert missing.exit_code == 2 and "install picotool" in missing.stderr
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert CliRunner().invoke(app, ["board", "flash", "ours"]).exit_code == 0
    calls = (tmp_path / "calls").read_text()
    assert f"load -f -x {tmp_path}/pico.uf2" in calls
    assert "picotool v9" in lab.list_notes(lab.FLASHED)["ours"]
    refused = CliRunner().invoke(app, ["board", "flash", "theirs"])
    assert refused.exit_code == 2 and "ask them" in refused.stderr
    assert (tmp_path / "calls").read_text() == calls
