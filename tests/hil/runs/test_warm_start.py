"""Starting a run from the weights of another."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import hil
from hil.cli.app import app
from hil.config import build
from hil.loop import epochs, initialisation, training
from hil.loop.progress import TrainingProgress
from hil.runs.folder import Run
from support.run_folders import prepare_run

CHIP = "emulator:mixed-signal?chip=9"


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def same(one: dict[str, Any], other: dict[str, Any], prefix: str = "weights/") -> bool:
    names = [name for name in one if name.startswith(prefix)]
    return bool(names) and all(one[name].tobytes() == other[name].tobytes() for name in names)


def checkpoint(path: Path) -> dict[str, Any]:
    arrays = Run.open(path).load_checkpoint()
    assert arrays is not None
    return arrays


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on one chip, with settings of its own."""
    path = tmp_path_factory.mktemp("first") / "run"
    config = build(
        {
            "device_options": {"chip": 3},
            "seed": 5,
            "network": {"hidden": [30]},
            "rule": {"name": "adfa", "g": "tanh"},
            "training": {"epochs": 3},
        }
    )
    training.train(Run.create(path, config))
    return path


def tuned(first: Path, path: Path, **changes: Any) -> Run:
    """A run that fine-tunes the first one on another chip for one epoch."""
    asked = {"device": CHIP, "training": {"epochs": 1}, **changes}
    config = build(initialisation.start_settings(first, asked), asked)
    return Run.create(path, config, start=Run.open(first).weights())


def test_it_starts_with_the_weights_of_the_other_run_on_the_device(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tuned(first, tmp_path / "run")

    class Began(Exception):
        pass

    def look(self: epochs.Training) -> None:
        now = self._controller.state()
        assert same(now, checkpoint(first))
        # On the device is what that stores of them.
        for p, weights in enumerate(self._controller.weights):
            step = 2 * self._controller.device.network.full_scale[p] / 62
            assert np.abs(now[f"stored/{p}"] - weights).max() <= step / 2 + 1e-6
        assert int(now["optimiser/step"]) == 0 and self._state.step == 0
        raise Began

    monkeypatch.setattr(epochs.Training, "run", look)
    with pytest.raises(Began):
        training.train(run)


def test_the_settings_of_the_other_run_lie_below_what_is_asked(first: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = command("train", "--from", first, "--device", CHIP, "--epochs", "1", "--out", out)
    assert done.exit_code == 0, done.output
    config = Run.open(out).config()
    assert (config.seed, config.network.hidden, config.rule["g"]) == (5, (30,), "tanh")
    assert (config.training.epochs, config.device_url) == (1, CHIP)
    assert config.start == str(first)
    asked = {"rule": {"name": "dfa"}, "seed": 6}
    config = build(initialisation.start_settings(first, asked), asked)
    assert (config.seed, config.rule["name"], config.device_options) == (6, "dfa", {"chip": 3})


def test_the_command_and_the_function_make_the_same_run(first: Path, tmp_path: Path) -> None:
    out = tmp_path / "command"
    done = command("train", "--from", first, "--device", CHIP, "--epochs", "1", "--out", out)
    assert done.exit_code == 0, done.output
    result = hil.train(start=first, device=CHIP, training={"epochs": 1}, out=tmp_path / "function")
    for prefix in ("weights/", "optimiser/", "rule/", "device/"):
        assert same(checkpoint(result.path), checkpoint(out), prefix)
    assert Run.open(result.path).config() == Run.open(out).config()


def test_fine_tuning_regains_most_of_what_deploying_a_trained_network_loses(tmp_path: Path) -> None:
    learned = {"network": {"hidden": [60]}, "optimiser": {"learning_rate": 0.01}}
    source = Run.create(
        tmp_path / "source",
        build(learned, {"device": "emulator:ideal", "training": {"epochs": 8}}),
    )
    before = training.train(source)["test_accuracy"]
    harsh = f"{CHIP}&threshold_cv=0.4&weight_cv=0.4&gain_cv=0.4"
    deployed = hil.evaluate(source.path, harsh)["test_accuracy"]
    run = tuned(source.path, tmp_path / "run", device=harsh, training={"epochs": 4})
    after = training.train(run)["test_accuracy"]
    assert before > 0.93 and deployed < before - 0.1, (before, deployed)
    assert after > deployed + 0.6 * (before - deployed), (before, deployed, after)


def test_feedback_follows_the_new_seed(first: Path, tmp_path: Path) -> None:
    alike, other = tuned(first, tmp_path / "a"), tuned(first, tmp_path / "b", seed=6)
    for run in (alike, other):
        training.train(run)
    assert same(checkpoint(alike.path), checkpoint(first), "rule/")
    assert not same(checkpoint(other.path), checkpoint(first), "rule/")


@pytest.mark.parametrize("learns", [True, False])
def test_feedback_that_was_learned_comes_with_its_weights(learns: bool, tmp_path: Path) -> None:
    """Whatever the seed; drawn feedback of the new run is turned towards it."""
    learned = {"name": "adfa", "feedback": "learned"}
    shared = {"network": {"hidden": [20]}, "training": {"epochs": 1}, "rule": learned}
    source = Run.create(tmp_path / "source", build(shared, {"device": "emulator:ideal"}))
    training.train(source)
    theirs = checkpoint(source.path)["rule/feedback_1"]
    asked: dict[str, Any] = {"seed": 6, "optimiser": {"learning_rate": 1e-9}}
    if not learns:
        asked["rule"] = {**learned, "feedback": "fixed"}
    run = prepare_run(asked, start=source.path, out=tmp_path / "run")
    training.train(run)
    mine = checkpoint(run.path)["rule/feedback_1"]
    size = 1.0 if learns else np.linalg.norm(mine) / np.linalg.norm(theirs)
    np.testing.assert_allclose(mine, size * theirs, rtol=1e-4, atol=1e-6)


def test_it_goes_on_without_the_other_run(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before any checkpoint and in the midst, with the other run gone in between."""
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)
    straight = tuned(first, tmp_path / "straight")
    training.train(straight)
    lost = tmp_path / "lost"
    shutil.copytree(first, lost)
    runs = [tuned(lost, tmp_path / name) for name in ("never-begun", "stopped")]

    def stop(position: TrainingProgress) -> None:
        if position.done == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(epochs.Interrupted):
        training.train(runs[1], stop)
    shutil.rmtree(lost)
    for run in runs:
        training.train(run)
        arrays = checkpoint(run.path)
        names = {name for name in arrays if not name.startswith("__")} - {"config", "train_state"}
        assert all(
            arrays[name].tobytes() == checkpoint(straight.path)[name].tobytes() for name in names
        )


def test_a_run_without_its_start_does_not_begin_with_other_weights(
    first: Path, tmp_path: Path
) -> None:
    run = tuned(first, tmp_path / "run")
    (run.path / "start.npz").unlink()
    with pytest.raises(ValueError, match=r"start\.npz: no such file"):
        training.train(run)


def test_an_unfinished_run_is_a_start_once_it_has_a_checkpoint(first: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(first, half)
    (half / "result.json").unlink()
    run = tuned(half, tmp_path / "run")
    assert same(run.load_start(), checkpoint(first))
    (half / "checkpoint.npz").unlink()
    with pytest.raises(ValueError, match="no checkpoint yet: train it first: hil resume"):
        tuned(half, tmp_path / "none")
    assert sorted(os.listdir(tmp_path)) == ["half", "run"]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--hidden", "40"], ["64-30-10 network", "64-40-10 network", "network.hidden"]),
        (["--hidden", "30,30"], ["64-30-10 network", "64-30-30-10 network"]),
        (["yinyang"], ["64-30-10 network", "4-30-3 network", "same task"]),
    ],
)
def test_another_shape_is_one_line_and_leaves_nothing(
    arguments: list[str],
    expected: list[str],
    first: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = command("train", *arguments, "--from", first)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1 and str(first) in refused.stderr
    for part in expected:
        assert part in refused.stderr
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match="64-30-10 network"):
        hil.train(start=first, network={"hidden": [31]})


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    refused = command("train", "--from", tmp_path / "missing")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1 and "is no run folder" in refused.stderr


def test_learning_on_holds_accuracy_on_a_chip_that_forgets(tmp_path: Path) -> None:
    chip = "emulator:mixed-signal?chip=9&retention=1e-5&drift=0.05&drift_cv=0.3"
    network = {"hidden": [40]}
    trained = hil.train("digits", device=chip, out=tmp_path / "trained", network=network)
    # Ten minutes pass with each run, so that an epoch takes hours.
    service = f"{chip}&run_seconds=600"

    def served(out: str, **sections: Any) -> float:
        settings = {"training": {"epochs": 10}, **sections}
        run = hil.train(start=trained.path, device=service, out=tmp_path / out, **settings)
        return run.test_accuracy

    # Steps that no stored weight follows: nothing is written again.
    frozen = served("frozen", optimiser={"learning_rate": 1e-8}, homeostasis={"weight": 0.0})
    learning = served("learning", optimiser={"schedule": "constant"})
    assert learning > trained.test_accuracy - 0.05
    assert frozen < learning - 0.2
