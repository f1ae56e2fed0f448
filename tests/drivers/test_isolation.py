"""What no process survives, the host survives where the driver has one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import drivers
import drivers.registry
from drivers import Network, Probe, Stimulus
from hil.loop import supervised_device
from support.command_line import command, weights
from support.data_sets import write_xor
from support.hanging_device import BREAKS
from support.paths import ROOT

SETTINGS = ("--hidden", "12", "--epochs", "1", "--set", "network.steps=8", "--out", "run")
NETWORK = Network.feed_forward((4, 6, 3), (2.0, 2.0))
STIMULUS = Stimulus.current(np.ones((2, 4)), steps=5)


@pytest.fixture(autouse=True)
def scheme(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, place in (("fragile", "hanging_device:Fragile"), ("good", "good_device:Good")):
        monkeypatch.setitem(drivers.registry.BUILTIN, name, f"support.{place}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_xor(tmp_path_factory.mktemp("task"), 60, 20)


@pytest.fixture(scope="module")
def undisturbed(task: str, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Weights of a training in which nothing breaks, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(drivers.registry.BUILTIN, "fragile", "support.hanging_device:Fragile")
        patch.chdir(tmp_path_factory.mktemp("undisturbed"))
        done = command("train", task, "--device", "fragile:no", *SETTINGS)
        assert done.exit_code == 0, done.output
        return weights(Path("run").absolute())


@pytest.mark.parametrize("how", BREAKS)
def test_a_training_goes_on_to_the_same_weights(
    how: str, task: str, undisturbed: list[bytes]
) -> None:
    Path("break").touch()
    device = f"fragile:{Path('break').absolute()}?how={how}&run=3&isolated=1&call_limit=1"
    done = command("train", task, "--device", device, *SETTINGS)
    assert done.exit_code == 0, done.output
    assert not Path("break").exists()
    assert weights(Path("run")) == undisturbed


def test_a_driver_that_breaks_whenever_it_is_run_ends_in_one_line(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised_device, "RESTARTS", 2)
    Path("break").touch()
    device = f"fragile:{Path('break').absolute()}?how=fault&again=1&isolated=1"
    done = command("train", task, "--device", device, *SETTINGS)
    assert done.exit_code == 2
    last = done.stderr.splitlines()[-1]
    assert "ended in run (SIGSEGV)" in last and "go on with: hil resume run" in last


@pytest.mark.parametrize("kind", ["ReplacesFunctions", "GoesElsewhereLater"])
def test_what_a_driver_does_to_its_process_stays_there(
    kind: str, task: str, undisturbed: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(drivers.registry.BUILTIN, "spoils", f"support.misbehaving:{kind}")
    done = command("train", task, "--device", "spoils:?isolated=1", *SETTINGS)
    assert done.exit_code == 0, done.output
    assert weights(tmp_path / "run") == undisturbed


def test_an_isolated_device_is_the_device() -> None:
    """What it states, answers, remembers and refuses is the same."""
    probes = [Probe(1), Probe(2, "spikes", reduce="mean")]
    with drivers.open("good:") as one, drivers.open("good:?isolated=1") as other:
        assert one.info == other.info
        answers = []
        for device in (one, other):
            with pytest.raises(drivers.CapacityError) as caught:
                device.configure(Network.feed_forward((4, 600)))
            device.configure(NETWORK)
            stored = device.write_weights(0, np.linspace(-3, 3, 24).reshape(4, 6))
            readout = device.run(STIMULUS, probes, trial=3)
            more = device.run(STIMULUS, probes, trial=3, carry=True)
            shown = [each.samples[probe] for each in (readout, more) for probe in probes]
            kept = device.state()
            device.restore(kept)
            device.reset()
            with pytest.raises(drivers.NotConfigured):
                device.run(STIMULUS)
            arrays = [stored, readout.counts, *shown, *kept.values()]
            answers.append((str(caught.value), [array.tobytes() for array in arrays]))
        assert answers[0] == answers[1]


@pytest.mark.parametrize("isolated", ["yes", "2", ""])
def test_it_is_asked_for_by_a_number(isolated: str) -> None:
    with pytest.raises(drivers.SettingError, match="isolated="):
        drivers.open(f"good:?isolated={isolated}")


def test_refusals_are_those_of_the_driver() -> None:
    with pytest.raises(drivers.DriverError, match=r"Fragile\.from_url raised KeyError"):
        drivers.open("fragile:x?how=nothing&isolated=1")
    with pytest.raises(drivers.SettingError, match="did you mean 'seed'"):
        drivers.open("board:simulated://?sead=1&isolated=1")
    with drivers.open("board:simulated://?isolated=1") as board:
        board.configure(Network.feed_forward((64, 10)))
        for _ in range(2):
            with pytest.raises(drivers.UnsupportedProbe, match="this board sends at most"):
                board.check_run("current", 1, 1000, [Probe(1)])
        readout = board.run(Stimulus.current(np.ones((2, 64)), steps=5))
        assert readout.counts.shape == (2, 10) and board.transfer_bytes > 0


def test_the_process_goes_with_the_host() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "from drivers import open, registry\n"
        "registry.BUILTIN['good'] = 'support.good_device:Good'\n"
        "device = open('good:?isolated=1'); print(device._process.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        below = int(host.stdout.readline())
        host.kill()
    until, entry = time.monotonic() + 20, Path(f"/proc/{below}/stat")
    while time.monotonic() < until:
        try:
            os.kill(below, 0)
        except ProcessLookupError:
            return
        if entry.exists() and entry.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    os.kill(below, signal.SIGKILL)
    pytest.fail("the driver's process outlived its host")


@pytest.mark.parametrize(
    "url, independent, chip_option",
    [
        ("emulator:mixed-signal?chip=7", True, "chip"),
        ("xylo:", True, ""),
        ("superneuromat:", True, ""),
        ("board:/dev/ttyACM0", False, ""),
        ("replay:session.hilrec", False, ""),
    ],
)
def test_a_driver_states_what_holds_for_all_of_its_devices(
    url: str, independent: bool, chip_option: str
) -> None:
    kind = drivers.driver_of(url)
    assert (kind.independent, kind.chip_option) == (independent, chip_option)


def test_an_address_without_a_driver_is_refused() -> None:
    with pytest.raises(drivers.DeviceNotFound, match="did you mean 'emulator'"):
        drivers.driver_of("emulater:ideal")
