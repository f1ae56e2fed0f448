"""Requests that cannot be met."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.command_line import (
    command,
    refusal,
)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("train digitz", ["'digitz'", "did you mean 'digits'", "fashion_mnist", "npz:FILE"]),
        ("train digits --rule adfaa", ["'adfaa'", "did you mean 'adfa'", "output_only"]),
        ("train digits --device brainscales-2", ["did you mean 'emulator:brainscales-2'"]),
        ("train digits --device loihi?chip=3", ["did you mean 'emulator:loihi?chip=3'"]),
        ("check /dev/ttyACM0", ["did you mean 'board:/dev/ttyACM0'"]),
        ("train brainscales-2", ["it is a device: --device emulator:brainscales-2"]),
        ("train emulator:ideal", ["it is a device: --device emulator:ideal"]),
        ("train adfa", ["no task 'adfa': it is a rule: --rule adfa"]),
        ("train robustness", ["it is a study: hil study robustness"]),
        ("train digits --rule sin", ["no rule 'sin': it is a gate g of adfa: --set rule.g=sin"]),
        ("train digits --rule poisson", ["it is an encoding: --set encoding.name=poisson"]),
        ("train digits --set g=sin", ["'g'", "did you mean 'rule.g'"]),
        ("train digits --set learning_rate=1", ["did you mean 'optimiser.learning_rate'"]),
        ("train digits --set training.g=sin", ["'training.g'", "did you mean 'rule.g'"]),
        ("train digits --set gain=1", ["did you mean 'encoding.gain' or 'rule.gain'"]),
        ("train digits --set rule.steps=1", ["did you mean 'network.steps'", "terms"]),
        ("train digits --device emulater:ideal", ["'emulater'", "did you mean 'emulator'"]),
        ("train digits --device ideal", ["'ideal'", "scheme:target"]),
        ("train digits --device chip.py:Chip", ["no driver for 'chip.py'", "hil new-driver"]),
        ('train digits --set report.sections=["wrong"]', ["no kind of section 'wrong'"]),
        ("train digits --device emulator:idael", ["'idael'", "did you mean 'ideal'"]),
        ("train digits --device emulator:ideal?leak=1", ["'leak'", "did you mean 'leak_cv'"]),
        ("train digits --device emulator:ideal?leak_cv=3", ["leak_cv = 3", "0 to 2"]),
        ("train digits --device emulator:ideal?leak_cv=nan", ["leak_cv = nan", "0 to 2"]),
        ("train digits --device emulator:ideal?weight_bits=2.5", ["weight_bits", "whole", "16"]),
        ("train digits --device emulator:ideal?leak_cv", ["leak_cv", "key=value"]),
        ("train digits --device emulator:ideal?chip=-1", ["chip = -1", "0 to"]),
        ("train digits --device emulator:ideal?neuron=lift", ["'lift'", "did you mean 'lif'"]),
        ("train digits --device emulator:ideal?reset=none", ["'none'", "soft", "hard"]),
        ("train digits --observe spike", ["'spike'", "'membrane' or 'spikes'"]),
        ("train digits --seed -1", ["seed = -1", "0"]),
        ("train digits --seed 9223372036854775808", ["seed", "9223372036854775808"]),
        ("train digits --epochs 0", ["training.epochs = 0", "greater than 0"]),
        ("train digits --hidden 0", ["network.hidden = 0", "greater than 0"]),
        ("train digits --hidden abc", ["--hidden abc", "500,500"]),
        ("train digits --hidden 10,,10", ["--hidden 10,,10", "500,500"]),
        ("train digits --hidden=", ["--hidden", "500,500"]),
        (
            "train digits --hidden 300000",
            ["network.hidden = [300000]", "--set network.hidden=[262144]"],
        ),
        (
            "train digits --set network.steps=200000",
            ["network.steps = 200000", "network.steps=100000"],
        ),
        ("train digits --set activity.every=50", ["every 50 steps", "run of 20"]),
        ("train digits --set activity.estimator=crossing", ["did you mean 'crossings'"]),
        ("train digits --set network.settings.treshold=1", ["did you mean 'threshold'"]),
        ("train digits --set network.settings.threshold=99", ["threshold = 99 V", "0.1 to 10"]),
        ("train digits --set trainin.epochs=3", ["'trainin'", "did you mean 'training'"]),
        ("train digits --set training.epoch=3", ["'training.epoch'", "did you mean 'epochs'"]),
        ("train digits --set rule.gian=3", ["'rule.gian'", "did you mean 'gain'"]),
        ("train digits --rule dfa --set rule.gain=3", ["'rule.gain'", "steepness"]),
        ("train digits --set encoding.gian=3", ["'encoding.gian'", "did you mean 'gain'"]),
        ("train digits --set training.epochs=many", ["training.epochs = 'many'", "integer"]),
        ("train digits --set training.epochs", ["--set training.epochs", "section.key=value"]),
        ("train digits --set training=3", ["training = 3", "training.key=value"]),
        ("train digits --config missing.toml", ["missing.toml", "no such file"]),
        ("train digits --config .", ["is a folder"]),
        ("train npz:missing.npz", ["missing.npz", "no such file"]),
        ("train npz:", ["npz:FILE"]),
        ("resume missing", ["missing is no run folder"]),
        ("evaluate missing", ["missing is no run folder"]),
        ("report missing", ["missing is no run folder"]),
        ("resume .", ["is no run folder"]),
    ],
)
def test_a_bad_request_is_one_line_and_leaves_nothing(arguments: str, expected: list[str]) -> None:
    message = refusal(*arguments.split(" "))
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    "content, expected",
    [
        ("[training\n", "no valid TOML"),
        ("[training]\nepoch = 3\n", "did you mean 'epochs'"),
        ("[rule]\nname = 'adfa'\nsteepness = 3\n", "'rule.steepness'"),
        ("seed = '1'\n", "seed = '1'"),
        ("task = 3\n", "task = 3"),
    ],
)
def test_a_bad_configuration_is_one_line(content: str, expected: str) -> None:
    Path("bad.toml").write_text(content)
    assert expected in refusal("train", "--config", "bad.toml")


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("trian", ["No such command 'trian'", "train"]),
        ("train digits --sed 3", ["No such option: --sed", "--seed"]),
        ("train digits --seed one", ["--seed", "integer"]),
        ("train digits --seed", ["--seed", "requires an argument"]),
        ("train digits mnist", ["unexpected extra argument", "mnist"]),
        ("resume", ["Missing argument", "RUN"]),
        ("report", ["Missing argument", "RUN"]),
    ],
)
def test_wrong_usage_is_answered_in_plain_words(arguments: str, expected: list[str]) -> None:
    result = command(*arguments.split(" "))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.isascii()
    for part in expected:
        assert part in result.stderr.splitlines()[-1]


def arrays(**changes: Any) -> dict[str, Any]:
    x, y = np.eye(6, dtype=np.float32), np.arange(6) % 3
    return {"x_train": x, "y_train": y, "x_test": x, "y_test": y, **changes}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"x_train": np.full((6, 6), np.nan)}, "x_train holds NaN"),
        ({"x_test": np.ones((6, 5), np.float32)}, "x_test has samples of shape (5,)"),
        ({"x_train": np.ones(6)}, "x_train has shape (6,)"),
        ({"y_train": np.arange(5)}, "y_train has shape (5,)"),
        ({"y_test": np.array([0, 1, 2, 0, 1, 7])}, "y_test has labels 7 that y_train has not"),
        ({"y_test": np.array([0, 1, 2, 0, 1, -1])}, "y_test has labels -1 that y_train has not"),
        ({"y_test": np.arange(6) / 2}, "y_test holds 0.5, which is a measurement"),
        ({"x_train": np.empty((0, 6), np.float32), "y_train": np.arange(0)}, "x_train is empty"),
    ],
)
def test_bad_arrays_are_one_line(changes: dict[str, Any], expected: str) -> None:
    np.savez("own.npz", **arrays(**changes))
    message = refusal("train", "npz:own.npz", "--set", "training.validation_fraction=0")
    assert "own.npz" in message and expected in message


def test_a_bad_archive_is_one_line() -> None:
    data = arrays()
    del data["y_test"]
    np.savez("own.npz", **data)
    assert "holds no y_test" in refusal("train", "npz:own.npz")
    np.savez("own.npz", **arrays())
    Path("own.npz").write_bytes(Path("own.npz").read_bytes()[:-40])
    assert "cut short" in refusal("train", "npz:own.npz")
    Path("own.npz").write_text("1, 2, 3")
    assert "no npz archive" in refusal("train", "npz:own.npz")


def test_bad_files_of_a_task_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_DATA_DIR", str(Path.cwd()))
    folder = Path("mnist")
    folder.mkdir()
    pixels = bytes([0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(36)
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 9]) + bytes(range(9))
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    cut = folder / "train-images-idx3-ubyte.gz"
    cut.write_bytes(cut.read_bytes()[:-12])
    assert f"{cut}: the gzip stream is cut short" in refusal("train", "mnist")
    cut.unlink()
    assert "train-images-idx3-ubyte is missing" in refusal("train", "mnist")
