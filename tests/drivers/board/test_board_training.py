"""Training on boards: the same weights on every one of them, whatever happens on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import drivers
from drivers import DeviceNotFound, DeviceRestarted, Probe, Readout, Stimulus, firmware
from drivers.board.device import Board
from drivers.board.faults import FaultyLine, parse_faults
from drivers.board.link import Link
from drivers.board.simulated_board import SimulatedBoard, SimulatedPort
from drivers.board.transport import Transport
from drivers.emulator.device import Emulator
from hil.cli.app import app
from hil.config import Config, build
from hil.loop import findings, training
from hil.loop.progress import TrainingProgress
from hil.loop.supervised_device import RESTARTS
from hil.runs.folder import Run
from support.firmware_ports import need, ports
from support.paths import tries

FORK = multiprocessing.get_context("fork")
SIMULATED = "board:simulated://?seed=3"
LOSSY = "drop:0.01,flip:0.01,duplicate:0.01"


def configuration(device: str = "board:simulated://?seed=3", **changes: Any) -> Config:
    """A short training on digits by what the default configuration observes."""
    asked: dict[str, Any] = {
        "task": "digits",
        "device": device,
        "network": {"hidden": [40], "steps": 12},
        "activity": {"every": 4},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 2, "batch": 25},
    }
    return build(asked, changes)


class Counted(Board):
    """A board that counts the runs that it asked for and that were answered."""

    answered = 0

    def _run_part(self, *arguments: Any) -> Any:
        found = super()._run_part(*arguments)
        self.answered += 1
        return found


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What stands behind `test:NAME`: a function that opens it, by name."""
    known: dict[str, Any] = {}

    class Opened(drivers.Device):
        @classmethod
        def from_url(cls, target: str, options: Mapping[str, str]) -> drivers.Device:
            device: drivers.Device = known[target]()
            return device

    found = drivers.registry.driver
    monkeypatch.setattr(
        drivers.registry, "driver", lambda scheme: Opened if scheme == "test" else found(scheme)
    )
    yield known


def trained(path: Path, config: Config, watch: Any = lambda _: None) -> list[bytes]:
    run = Run.create(path, config)
    training.train(run, watch)
    return weights(run)


def weights(run: Run) -> list[bytes]:
    """Shadow weights, as bits."""
    found = run.load_checkpoint()
    assert found is not None
    return [found[name].tobytes() for name in sorted(found) if name.startswith("weights/")]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("reference") / "run", configuration())
    training.train(run)
    return run


# -- whatever happens on the way --------------------------------------------------------------


def test_a_short_training_learns(reference: Run) -> None:
    result = reference.result()
    assert result is not None and result["test_accuracy"] > 0.6


@pytest.mark.parametrize("seed", [1, 2])
def test_a_bad_line_changes_no_weight(tmp_path: Path, reference: Run, seed: int) -> None:
    url = f"board:simulated://?seed=3&fault={LOSSY},stall:0.005,reboot:0.002&fault_seed={seed}"
    assert trained(tmp_path / "run", configuration(url)) == weights(reference)
    assert "restarted" in (tmp_path / "run" / "metrics.jsonl").read_text()


TINY: dict[str, Any] = {
    "network": {"hidden": [8], "steps": 5},
    "training": {"epochs": 1, "batch": 200},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return trained(tmp_path_factory.mktemp("tiny") / "run", configuration(**TINY))


@settings(max_examples=tries(5, 20))
@given(places=st.lists(st.integers(2, 150), min_size=1, max_size=4))
def test_a_restart_anywhere_changes_no_weight(
    places: list[int], tiny: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    fault = ",".join(f"reboot@{place}" for place in places)
    device = f"board:simulated://?seed=3&fault={fault}"
    folder = tmp_path_factory.mktemp("restarts")
    assert trained(folder / "run", configuration(device, **TINY)) == tiny


def test_every_run_is_executed_once(tmp_path: Path, reference: Run, boards: dict[str, Any]) -> None:
    """By the count of the board itself, summed over its boots."""
    simulated = SimulatedBoard(3)
    port = SimulatedPort(simulated)
    device = Counted(Link(FaultyLine(port, parse_faults(LOSSY, 5)), "board:simulated", 115200))
    boards["counted"] = lambda: device
    executed, batches = 0, 0

    def watch(progress: TrainingProgress) -> None:
        nonlocal executed, batches
        batches += 1
        if batches in (3, 11, 12, 60):
            executed += device.stats().runs
            port.reboot()

    made = Run.create(tmp_path / "run", configuration("test:counted"))
    training.train(made, watch)
    assert weights(made) == weights(reference)
    executed += Board(Link(SimulatedPort(simulated), "again", 115200)).stats().runs
    assert executed == device.answered > 130


class Forgetful(Emulator):
    """Any device that loses its weights now and then, and says so."""

    calls = 0

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        self.calls += 1
        if self.calls % 7 == 0:
            for projection, shape in enumerate(pairwise(self.network.layers)):
                self._write(projection, np.zeros(shape, np.float32))
            raise DeviceRestarted("it has restarted")
        return super()._run(stimulus, probes, trial, carry)


def test_any_device_that_restarts_is_brought_back(tmp_path: Path, boards: dict[str, Any]) -> None:
    boards["forgetful"] = lambda: Forgetful.from_url("ideal", {})
    forgetful = trained(tmp_path / "forgetful", configuration("test:forgetful", **TINY))
    assert forgetful == trained(tmp_path / "steady", configuration("emulator:ideal", **TINY))


def test_what_restarts_all_the_time_is_given_up(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", configuration("board:simulated://?fault=reboot:1"))
    with pytest.raises(DeviceRestarted, match=f"restarted {RESTARTS} times .* power"):
        training.train(run)


# -- host and cable gone ----------------------------------------------------------------------


def train_in_child(path: Path) -> None:
    training.train(Run.open(path))


@pytest.mark.parametrize(
    "frame", [400, *(pytest.param(frame, marks=pytest.mark.thorough) for frame in (20, 700))]
)
def test_a_pulled_cable_is_one_line_and_the_run_goes_on(
    tmp_path: Path, reference: Run, boards: dict[str, Any], frame: int
) -> None:
    """On the board as it stands: with weights of a later batch, or after a restart with none."""
    simulated = SimulatedBoard(3)

    def plugged(faults: str = "") -> Board:
        port: Transport = SimulatedPort(simulated)
        if faults:
            port = FaultyLine(port, parse_faults(faults, 0))
        return Board(Link(port, "board:simulated", 115200))

    boards["cable"] = lambda: plugged(f"disconnect@{frame}")
    run = Run.create(tmp_path / "run", configuration("test:cable"))
    answered = CliRunner().invoke(app, ["resume", str(run.path)])
    assert answered.exit_code == 2 and answered.stderr.count("\n") == 1
    assert "cable was pulled" in answered.stderr and "go on with: hil resume" in answered.stderr
    assert run.result() is None
    if frame == 400:
        simulated.reboot()
    boards["cable"] = plugged
    assert CliRunner().invoke(app, ["resume", str(run.path)]).exit_code == 0
    assert weights(run) == weights(reference)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGKILL, 0.05),
        (signal.SIGINT, 0.05),
        pytest.param(signal.SIGKILL, 0.09, marks=pytest.mark.thorough),
    ],
)
def test_a_host_that_is_stopped_goes_on(
    tmp_path: Path, reference: Run, number: signal.Signals, moment: float
) -> None:
    """The board is a process that stands as the killed host left it, perhaps within a frame."""
    need("native")
    with firmware.start("native", seed=3) as running:
        url = f"board:{running.url}"
        run = Run.create(tmp_path / "run", configuration(url))
        host = FORK.Process(target=train_in_child, args=(run.path,))
        host.start()
        while not run.metrics() and host.is_alive():
            time.sleep(0.01)
        time.sleep(moment)
        assert host.pid is not None
        os.kill(host.pid, number)
        host.join()
        training.train(run)
        assert weights(run) == weights(reference)


def test_the_demo_is_a_board_until_ctrl_c() -> None:
    need("native")
    command = [sys.executable, "-m", "hil", "board", "demo", "--seed", "5"]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert demo.stdout is not None
        url = demo.stdout.readline().strip()
        with drivers.open(url) as device:
            assert device.info.identity.serial == "chip-5"
    finally:
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate(timeout=60)
    assert demo.returncode == 0 and "Traceback" not in said
    with pytest.raises(DeviceNotFound):
        drivers.open(url)


# -- boards of all kinds ----------------------------------------------------------------------


@pytest.mark.parametrize("port", ports("native", "mps2", "stm32f405", "pico"))
def test_every_board_learns_the_same(tmp_path: Path, reference: Run, port: str) -> None:
    """To the bit, over a real serial line, under faults and with restarts."""
    need(port)
    short: dict[str, Any] = {"training": {"epochs": 1, "batch": 150}}
    expected = trained(tmp_path / "simulated", configuration(**short))
    with firmware.start(port, seed=3) as running:
        path = tmp_path / "run"
        batches = 0

        def watch(progress: TrainingProgress) -> None:
            nonlocal batches
            batches += 1
            if batches in (2, 5, 8):
                running.reboot()

        url = f"board:{running.url}?fault={LOSSY}&fault_seed=1"
        assert trained(path, configuration(url, **short), watch) == expected
        rows = (path / "metrics.jsonl").read_text()
        assert "the device restarted: 3 times" in rows


@pytest.mark.thorough
def test_a_pico_learns_the_digits_over_usb(tmp_path: Path) -> None:
    need("pico")
    asked: dict[str, Any] = {
        "task": "digits",
        "network": {"hidden": [80], "steps": 8},
        "optimiser": {"learning_rate": 0.02},
        "training": {"epochs": 4, "batch": 25},
    }
    expected = trained(tmp_path / "simulated", build({**asked, "device": SIMULATED}, {}))
    with firmware.start("pico", seed=3) as running:
        address = f"board:{running.usb_url}"
        run = Run.create(tmp_path / "run", build({**asked, "device": address}, {}))
        result = training.train(run)
    assert weights(run) == expected
    assert result["test_accuracy"] >= 0.94


# -- how long it takes ------------------------------------------------------------------------


def test_recurrent_networks_with_delays_learn_the_same_on_a_bad_line(tmp_path: Path) -> None:
    """Restarts included: delays of synapses are given anew with the network."""
    graph = {"network": {"hidden": [20], "steps": 12, "recurrent": True, "delays": 3}}
    short = {**graph, "training": {"epochs": 1, "batch": 50}}
    clean = trained(tmp_path / "clean", configuration(**short))
    need("native")
    with firmware.start("native", seed=3) as running:
        there = trained(tmp_path / "native", configuration(f"board:{running.url}", **short))
    struck = f"board:simulated://?seed=3&fault={LOSSY},reboot:0.01"
    assert len(clean) == 3 and clean[2] != bytes(len(clean[2]))
    assert clean == there == trained(tmp_path / "struck", configuration(struck, **short))
    assert "the device restarted" in (tmp_path / "struck" / "metrics.jsonl").read_text()


def test_a_slow_line_is_told_with_what_to_change(tmp_path: Path) -> None:
    short = {
        "network": {"hidden": [8], "steps": 6},
        "activity": {"every": 1, "estimator": "crossings"},
    }
    changes: dict[str, Any] = {**short, "training": {"epochs": 1, "batch": 400}}
    run = Run.create(tmp_path / "run", configuration("board:simulated://?pace=4000000", **changes))
    result = training.train(run)
    parts = [result[f"{part}_seconds"] for part in ("device", "transfer", "host")]
    assert sum(parts) == pytest.approx(result["train_seconds"])
    # What the line carried at least: the stimuli, and what was read.
    carried = 1294 * (2 * 64 + 2 * 10 + 2 * 8 * 6) * 10 / 4e6
    assert result["transfer_seconds"] > carried
    row = run.metrics()[0]
    assert row["transfer_seconds"] > row["device_seconds"] / 10


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (Probe(1, every=1), ("activity.every=4", "activity.estimator=fused")),
        (Probe(1, every=4), ("activity.estimator=fused",)),
        (Probe(1, reduce="mean"), ("training.batch",)),
    ],
)
def test_advice_is_what_still_helps(probe: Probe, words: tuple[str, ...]) -> None:
    asked = [probe, Probe(2, reduce="mean")]
    [finding] = findings.find_link_troubles(seconds(1.0, 7.0, 2.0), asked, 0)
    assert "70 %" in str(finding) and "baud" in finding.remedy
    everything = ("activity.every=4", "activity.estimator=fused", "training.batch")
    assert [w for w in everything if w in finding.remedy] == list(words)
    assert findings.find_link_troubles(seconds(5.0, 4.0, 1.0), asked, 0) == []
    assert findings.find_link_troubles(seconds(0.01, 0.07, 0.02), asked, 0) == []


def seconds(device: float, transfer: float, host: float) -> dict[str, float]:
    return {"device_seconds": device, "transfer_seconds": transfer, "host_seconds": host}
