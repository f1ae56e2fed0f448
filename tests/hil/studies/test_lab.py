"""A study on the boards of a lab goes on without those that are away, in use, or fail at work."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from serial.tools import list_ports
from typer.testing import CliRunner

import drivers
from drivers import firmware, lab
from drivers.board import link
from drivers.board.simulated_board import SimulatedBoard
from drivers.firmware import building
from hil import studies
from hil.cli.app import app
from hil.studies import pool
from hil.studies.loader import build
from hil.studies.plan import list_units, make_jobs
from hil.studies.schema import Study
from support.board_terminal import Fed, terminal
from support.dask_cluster import cluster
from support.data_sets import write_xor
from support.firmware_ports import need

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
    found = make_study(trials, write_xor(tmp_path, 60, 20))
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
        assert f"without {name}: " in page
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
    task = write_xor(tmp_path, 60, 20)
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
    monkeypatch.setattr(building, "build", lambda port: image)
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


PEM = "study.pem"
TLS = ("--protocol", "tls", "--tls-ca-file", PEM, "--tls-cert", PEM, "--tls-key", PEM)
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=study"
SETTINGS = ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")
CLIENT = """
import sys
from hil.studies import pool
pool.PATIENCE = float(sys.argv[2])
try:
    with pool._connect(sys.argv[1], []) as client:
        print(client.submit(lambda: "ran").result())
except ValueError as refusal:
    print(refusal)
"""


def submit(address: str, patience: float, **settings: str) -> str:
    """What a process of its own is told that has something run there."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, address, str(patience)],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.thorough
def test_whoever_has_no_certificate_runs_nothing_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*CERTIFICATE.split(), "-keyout", PEM, "-out", "certificate"]
    subprocess.run(words, check=True, capture_output=True)
    Path(PEM).write_text(Path(PEM).read_text() + Path("certificate").read_text())
    own = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": PEM for name in SETTINGS}
    with cluster(1, options=TLS) as address:
        for stranger in (address, address.replace("tls", "tcp")):
            assert "no scheduler there" in submit(stranger, 3)
        assert submit(address, 60, **own) == "ran\n"


def study(*devices: str, task: str = "digits") -> Study:
    sections = {
        "version": 1,
        "name": "boards",
        "base": {
            "task": task,
            "device": devices[0],
            "network": {"hidden": [12], "steps": 8},
            "training": {"epochs": 1, "batch": 20},
        },
        "factors": {"rate": {"key": "optimiser.learning_rate", "levels": [0.01, 0.02]}},
        "repeat": {"times": 4, "devices": list(devices)},
    }
    return build(sections)


def table(folder: Path) -> list[dict[str, str]]:
    """The trials, but for bytes on the line, some of which a busy machine sends again."""
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not k.endswith("_bytes")} for row in rows]


def test_repetitions_take_devices_in_turn() -> None:
    found = study("board:a?baud=9600", "board:b")
    repetitions = list_units(found)
    assert [unit.device for unit in repetitions] == ["board:a?baud=9600", "board:b"] * 2
    assert [unit.seed for unit in repetitions] == [0, 1, 2, 3]
    configs = [make_jobs(found, unit)[-1].config for unit in repetitions]
    assert '"device": "board:b"' in configs[1] and '"device": "board:a?baud=9600"' in configs[2]


def test_a_trial_takes_the_board_of_its_worker() -> None:
    assert pool.required_resources("board:/dev/ttyACM0?baud=9600") == {"board:/dev/ttyACM0": 1}
    assert pool.required_resources("emulator:mixed-signal?chip=3") is None


def test_two_boards_with_a_worker_each_and_one_of_them_killed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("native")
    with firmware.start("native", 1) as one, firmware.start("native", 2) as two:
        task = f"npz:{place / 'images.npz'}"
        found = study(f"board:{one.url}", f"board:{two.url}", task=task)
        studies.run(found, tmp_path / "alone")
        declared = [f"board:{board.url}=1" for board in (one, two)]
        with cluster(2, resources=declared) as address:
            killed: list[int] = []

            def kill_one(progress: Any) -> None:
                if progress.evaluated == 3 and not killed:
                    workers = [
                        each.pid
                        for each in psutil.Process().children(recursive=True)
                        if each.status() != psutil.STATUS_ZOMBIE
                        and "spawn_main" in " ".join(each.cmdline())
                    ]
                    killed.append(workers[0])
                    os.kill(workers[0], signal.SIGKILL)

            studies.run(found, tmp_path / "both", scheduler=address, watch=kill_one)
            assert killed
            monkeypatch.setattr(pool, "PATIENCE", 1.0)
            with pytest.raises(ValueError, match=r"declares board:nowhere \(declared: board:/dev"):
                studies.run(study("board:nowhere"), tmp_path / "none", scheduler=address)
    both, alone = (table(tmp_path / name) for name in ("both", "alone"))
    assert both == alone
    chips = [row["chip"] for row in both]
    assert chips.count(f"board:{one.url}") == chips.count(f"board:{two.url}") == 4
    assert not (tmp_path / "none").exists()
