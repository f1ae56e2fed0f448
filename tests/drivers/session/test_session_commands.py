"""Sessions from the command line: recorded by every command, replayed to the same results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import hil
from drivers.emulator.device import Emulator
from hil.cli.app import app

CHIP = "emulator:mixed-signal?chip=3"
TINY: dict[str, Any] = {"network": {"hidden": [12], "steps": 8}, "training": {"epochs": 1}}


def command(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def refusal(*words: object) -> str:
    result = command(*words)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1, result.output
    return str(result.stderr)


SETTINGS = ["--hidden", "12", "--epochs", "1", "--set", "network.steps=8"]


def same_weights(one: Path, two: Path) -> bool:
    with np.load(one / "checkpoint.npz") as a, np.load(two / "checkpoint.npz") as b:
        names = [name for name in a.files if name.startswith(("weights/", "optimiser/"))]
        assert len(names) > 3
        return all(a[name].tobytes() == b[name].tobytes() for name in names)


@pytest.mark.parametrize("chip", ["mixed-signal?chip=5", "pcm-crossbar"])
def test_a_training_replays_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chip: str
) -> None:
    monkeypatch.chdir(tmp_path)
    device = f"emulator:{chip}"
    made = command("train", "digits", "--device", device, *SETTINGS, "--out", "a", "--record", "s")
    assert made.exit_code == 0, made.output
    # No device: the emulator is not even to be had.
    monkeypatch.setattr(Emulator, "from_url", None)
    again = command("train", "digits", "--device", "replay:s", *SETTINGS, "--out", "b")
    assert again.exit_code == 0, again.output
    assert same_weights(Path("a"), Path("b"))
    other = refusal("train", "digits", "--device", "replay:s", *SETTINGS, "--seed", "1")
    assert "exchange 2, write: weights[0, 0]" in other
    # Never recorded over, and nothing is made before that is known.
    words = ["train", "digits", "--device", "replay:s", *SETTINGS, "--out", "c", "--record", "s"]
    assert "s exists already" in refusal(*words)
    assert not Path("c").exists()


def test_a_replayed_training_that_is_stopped_goes_on(tmp_path: Path) -> None:
    from hil import config
    from hil.loop import epochs, training
    from hil.loop.progress import TrainingProgress
    from hil.runs.folder import Run

    record = tmp_path / "s"
    whole = hil.train("digits", out=tmp_path / "a", record=record, **TINY)
    built = config.build({"task": "digits", "device": f"replay:{record}"}, TINY)
    run = Run.create(tmp_path / "b", built)

    def stop(position: TrainingProgress) -> None:
        if (position.phase, position.done) == ("train", 3):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(epochs, "CHECKPOINT_SECONDS", 0)
        training.train(run, stop)
    assert run.load_checkpoint() is not None
    hil.resume(run.path)
    assert same_weights(whole.path, run.path)


def test_evaluate_resume_and_characterise_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hil.train("digits", device="emulator:ideal", out=tmp_path / "a", **TINY)
    ask = ["evaluate", "a", "--json", "--device"]
    recorded = command(*ask, CHIP, "--record", "e")
    replayed = command(*ask, "replay:e")
    assert recorded.exit_code == replayed.exit_code == 0, recorded.output + replayed.output
    one, two = json.loads(recorded.stdout), json.loads(replayed.stdout)
    assert one["test_accuracy"] == two["test_accuracy"]
    assert "exists already" in refusal(*ask, CHIP, "--record", "e")

    done = command("characterise", CHIP, "--layers", "4,3", "--out", "one.toml", "--record", "c")
    assert done.exit_code == 0, done.output
    again = command("characterise", "replay:c", "--layers", "4,3", "--out", "two.toml")
    assert again.exit_code == 0, again.output
    with np.load("one.npz") as a, np.load("two.npz") as b:
        assert all(a[name].tobytes() == b[name].tobytes() for name in a.files)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("replay:", "replay:FILE"),
        ("replay:none.session", "no such file"),
        ("replay:.", "is a folder"),
        ("replay:x?speed=2", "takes no options"),
    ],
)
def test_bad_addresses_of_replays(tmp_path, monkeypatch, address: str, words: str) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    assert words in refusal("train", "digits", "--device", address)
