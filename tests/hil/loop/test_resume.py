from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import drivers.registry
import hil
from drivers import DeviceInfo, Identity, LinkError
from drivers.emulator.device import Emulator
from hil.config import Config, build
from hil.loop import epochs, training
from hil.loop.progress import TrainingProgress
from hil.runs.folder import Run
from support.command_line import command, refusal
from support.data_sets import write_xor
from support.misbehaving import Behaving
from support.restated import restated

NOISY = (
    "emulator:mixed-signal?chip=5&membrane_noise=0.1&spike_loss=0.05&programming_noise=0.05"
    "&adc_noise=0.05"
)
FORK = multiprocessing.get_context("fork")
HIL = [sys.executable, "-m", "hil"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy 3x3 images of 3 classes; 60 to train, 20 to validate, 20 to test."""
    rng = np.random.default_rng(0)
    y = np.arange(100) % 3
    x = np.clip(np.eye(9)[3 * y + 1].reshape(-1, 3, 3) + 0.3 * rng.random((100, 3, 3)), 0, 1)
    path = tmp_path_factory.mktemp("data") / "images.npz"
    parts = {"x_train": x[:80], "y_train": y[:80], "x_test": x[80:], "y_test": y[80:]}
    np.savez(path, **parts, layout="HW")
    return path


def configuration(images: Path, **changes: Any) -> Config:
    """Everything that draws: encoding, augmentation, feedback, and a chip with all its noise."""
    return build(
        {
            "task": f"npz:{images}",
            "device": NOISY,
            "network": {"hidden": [12], "steps": 10},
            "encoding": {"name": "poisson", "max_rate": 0.8},
            "rule": {"name": "adfa", "g": "fourier"},
            "augmentation": {"rotation": 0.1, "shift": 0.3},
            "training": {"epochs": 2, "batch": 20, "validation_fraction": 0.25},
        },
        changes,
    )


@pytest.fixture(scope="module")
def reference(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run that nothing disturbed."""
    run = Run.create(tmp_path_factory.mktemp("reference") / "run", configuration(images))
    training.train(run)
    return run


@pytest.fixture
def run(images: Path, tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", configuration(images))


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if "second" not in k and k != "peak_rss_mb"}


def learned(run: Run) -> dict[str, NDArray[np.generic]]:
    arrays = run.load_checkpoint()
    assert arrays is not None
    return {name: array for name, array in arrays.items() if name != "train_state"}


def assert_same_outcome(run: Run, reference: Run, *, paid: bool = True) -> None:
    """Two runs ended the same; where `paid`, what their devices paid too."""
    found, expected = learned(run), learned(reference)
    result, expected_result = timeless(run.result() or {}), timeless(reference.result() or {})
    if not paid:
        for figures in (result, expected_result):
            del figures["costs"]
        expected = {name: a for name, a in expected.items() if not name.startswith("costs/")}
        found = {name: a for name, a in found.items() if not name.startswith("costs/")}
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        if not name.startswith("__") and name != "config":
            assert found[name].tobytes() == array.tobytes(), name
    rows, expected_rows = ([timeless(r) for r in each.metrics()] for each in (run, reference))
    if not paid:
        for row in (*rows, *expected_rows):
            del row["costs"]
    assert rows == expected_rows
    assert result == expected_result
    snapshot, expected_snapshot = run.load_snapshot(), reference.load_snapshot()
    assert snapshot is not None and expected_snapshot is not None
    assert snapshot.keys() == expected_snapshot.keys()
    for name, array in expected_snapshot.items():
        np.testing.assert_array_equal(snapshot[name], array, err_msg=name)
    assert sorted(os.listdir(run.path)) == sorted(os.listdir(reference.path))


# -- repeating --------------------------------------------------------------------------------


def test_a_seed_is_a_run(reference: Run, run: Run, images: Path, tmp_path: Path) -> None:
    training.train(run)
    assert_same_outcome(run, reference)
    other = Run.create(tmp_path / "other", configuration(images, seed=1))
    training.train(other)
    assert learned(other)["weights/0"].tobytes() != learned(reference)["weights/0"].tobytes()


def test_a_finished_run_is_left_alone(reference: Run) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in reference.path.iterdir()}
    assert training.train(reference) == reference.result()
    assert {path.name: path.stat().st_mtime_ns for path in reference.path.iterdir()} == before


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, hil.loop.training as t; from hil.runs.folder import Run; "
        "t.train(Run.open(sys.argv[1]))"
    )
    config = build({"training": {"epochs": 1}})  # layers large enough for BLAS to share the work
    runs = {threads: Run.create(tmp_path / threads, config) for threads in ("1", "2")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(run.path)],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
        )
        for threads, run in runs.items()
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert_same_outcome(runs["1"], runs["2"])


# -- killing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_a_run_ends_the_same(
    seed: int, run: Run, reference: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)
    rng = np.random.default_rng(seed)
    for _ in range(3):
        started = FORK.Event()
        process = FORK.Process(target=training.train, args=(run, lambda _, s=started: s.set()))
        process.start()
        while not started.wait(0.05) and process.is_alive():
            pass  # a run that was done before it was killed has nothing to start
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.join()
    training.train(run)
    assert_same_outcome(run, reference)


def test_killed_between_any_two_file_operations_a_run_ends_the_same(
    run: Run, reference: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Path] = []

    def photographed(operation: Callable[..., None]) -> Callable[..., None]:
        """First keep what the folder would be if the process were killed now."""

        def taken(*arguments: Any) -> None:
            left.append(tmp_path / f"killed-{len(left)}")
            shutil.copytree(run.path, left[-1])
            operation(*arguments)

        return taken

    with monkeypatch.context() as patched:
        for name in ("fsync", "replace"):
            patched.setattr(os, name, photographed(getattr(os, name)))
        training.train(run)
    assert len(left) >= 2 * (2 * 2 + 2)  # of each epoch checkpoint and metrics; snapshot, result
    for path in left:
        training.train(Run.open(path))
        assert_same_outcome(Run.open(path), reference)


# -- stopping ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phase, done, sent",
    [
        ("train", 1, signal.SIGINT),
        ("train", 3, signal.SIGTERM),  # the last batch of an epoch
        ("train", 5, signal.SIGINT),
        ("validate", 1, signal.SIGINT),
        ("test", 1, signal.SIGTERM),
    ],
)
def test_a_stopped_run_ends_the_same(
    phase: str, done: int, sent: signal.Signals, run: Run, reference: Run
) -> None:
    before = signal.getsignal(sent)

    def stop(position: TrainingProgress) -> None:
        if (position.phase, position.done) == (phase, done):
            os.kill(os.getpid(), sent)

    with pytest.raises(epochs.Interrupted):
        training.train(run, stop)
    assert signal.getsignal(sent) == before
    assert run.load_checkpoint() is not None and run.result() is None
    training.train(run)
    assert_same_outcome(run, reference)


def test_a_second_ctrl_c_does_not_wait_for_the_batch(run: Run, reference: Run) -> None:
    def stop(position: TrainingProgress) -> None:
        if position.done == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        training.train(run, stop)
    training.train(run)
    assert_same_outcome(run, reference)


@pytest.mark.parametrize(
    "sent, at",
    [(signal.SIGINT, ".lock"), (signal.SIGINT, "checkpoint.npz"), (signal.SIGTERM, ".lock")],
)
def test_the_command_stops_at_once(sent: signal.Signals, at: str, tmp_path: Path) -> None:
    """`.lock` is there when the device is prepared, `checkpoint.npz` after the first epoch."""
    path = tmp_path / "a run"
    options = ["--hidden", "30", "--epochs", "100000", "--out", str(path)]
    process = subprocess.Popen(
        [*HIL, "train", "digits", *options], stderr=subprocess.PIPE, text=True
    )
    while not (path / at).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(sent)
    _, message = process.communicate(timeout=60)  # of a training that would take hours
    # Python ends by the signal itself where that hit an exec(); a shell reports 130 all the same.
    assert process.returncode in (130, -signal.SIGINT)
    assert message == f"hil: stopped; go on with: hil resume '{path}'\n"
    assert at != "checkpoint.npz" or "weights/0" in learned(Run.open(path))
    assert not [name for name in os.listdir(path) if name.startswith(".") and name != ".lock"]


# -- a full disk, and devices that do not remember --------------------------------------------


@pytest.mark.parametrize("calls", [1, 5, 8])
def test_a_full_disk_stops_a_run_that_then_ends_the_same(
    calls: int, run: Run, reference: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.fsync, calls

    def full(handle: int) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            training.train(run)
    assert (run.load_checkpoint() is None) == (calls == 1)
    training.train(run)
    assert_same_outcome(run, reference)


class Forgetful(Emulator):
    """An emulated chip that cannot give its state."""

    @property
    def info(self) -> DeviceInfo:
        return restated(super().info, resumable=False)


def test_a_device_that_gives_no_state_is_written_anew(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.registry.BUILTIN", {"forgetful": f"{__name__}:Forgetful"})
    ideal = configuration(images, device="forgetful:ideal?membrane_noise=0.1")
    runs = [Run.create(tmp_path / name, ideal) for name in ("stopped", "straight")]

    def stop(position: TrainingProgress) -> None:
        if position.done == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(epochs.Interrupted):
        training.train(runs[0], stop)
    for run in runs:
        training.train(run)
    # This chip stores what it is given, so nothing is lost; but it is given all weights once more.
    assert_same_outcome(*runs, paid=False)
    stopped, straight = ((run.result() or {})["costs"]["training"] for run in runs)
    assert stopped["write_calls"] == straight["write_calls"] + 2
    assert 0.9 < stopped["cell_writes_mean"] - straight["cell_writes_mean"] <= 1
    assert stopped["spikes"] == straight["spikes"]


SETTINGS = ("--hidden", "6", "--epochs", "1", "--set", "network.steps=8", "--out", "run")


class Plugged(Behaving):
    """Whichever device is plugged in; its cable comes loose in a training."""

    identity = Identity("plugged", serial="7")
    runs_left = 5

    @property
    def info(self):
        return replace(super().info, identity=self.identity)

    def _run(self, *given):
        Plugged.runs_left -= 1
        if Plugged.runs_left < 0:
            raise LinkError("loose")
        return super()._run(*given)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A training that was stopped, and a device that works again."""
    monkeypatch.setitem(drivers.registry.BUILTIN, "plugged", f"{__name__}:Plugged")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Plugged, "runs_left", 5)
    done = command("train", write_xor(tmp_path, 60, 20), "--device", "plugged:", *SETTINGS)
    assert done.exit_code == 2 and "go on with: hil resume run" in done.stderr
    monkeypatch.setattr(Plugged, "runs_left", 10**6)


@pytest.mark.parametrize(
    "other", [Identity("plugged", serial="8"), Identity("another", serial="7"), Identity("another")]
)
def test_another_device_is_refused_unless_it_is_wanted(
    stopped: None, other: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Plugged, "identity", other)
    line = refusal("resume", "run")
    assert "began on plugged 7" in line and f"is {other.name} {other.serial}".rstrip() in line
    assert "--other-device" in line
    went_on = command("resume", "run", "--other-device")
    assert went_on.exit_code == 0 and "were trained on plugged 7" in went_on.stderr
    kept = Run.open("run").environment()
    assert kept["device"]["name"] == other.name
    (said,) = [choice for choice in kept["chosen"] if choice["kind"] == "other_device"]
    assert said["figures"]["before"] == "plugged 7"
    assert command("evaluate", "run").exit_code == 0
    monkeypatch.setattr(Plugged, "identity", Identity("plugged", serial="7"))
    assert "hil evaluate --device" in refusal("evaluate", "run")
    assert command("evaluate", "run", "--device", "plugged:").exit_code == 0


@pytest.mark.parametrize(
    "same", [Identity("plugged", serial="7", firmware="9"), Identity("plugged")]
)
def test_the_same_device_goes_on(
    stopped: None, same: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its firmware; and one that does not say which it is may be the same."""
    monkeypatch.setattr(Plugged, "identity", same)
    assert hil.resume("run").path == Path("run")
