"""Calibration: neurons made alike through settings, and the file that keeps them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

import drivers
from drivers import Network, Stimulus
from hil.characterisation import calibration
from hil.characterisation.calibration import Calibration
from hil.cli.app import app

LAYERS = (12, 16, 5)
CHIP = "emulator:mixed-signal?chip=31&trim_bits=8&dead_fraction=0.05"


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made() -> Calibration:
    return calibrate(CHIP)


def calibrate(url: str, layers: tuple[int, ...] = LAYERS) -> Calibration:
    with drivers.open(url) as device:
        return calibration.calibrate(device, layers)


@pytest.fixture(scope="module")
def file(made: Calibration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calibration.write(made, tmp_path_factory.mktemp("calibration") / "own.toml")


def test_neurons_become_alike(made: Calibration) -> None:
    assert set(made.trims) == {"threshold", "tau_membrane"} and not made.settings
    for name, before in made.before.items():
        after = made.after[name]
        assert after.sd < before.sd / 3, name
        assert abs(after.mean - 1) < 0.03, name


def test_what_was_found_evens_out_rates_of_the_very_neurons() -> None:
    layers = (16, 20)
    url = "emulator:mixed-signal?chip=31&trim_bits=8&weight_cv=0&bias_sd=0&reset_sd=0"
    found = calibrate(url, layers)

    def spread(trims: dict[str, list[NDArray[np.float32]]]) -> float:
        with drivers.open(url) as device:
            device.configure(Network.feed_forward(layers, (0.02,), {}, trims))
            device.write_weights(0, np.full(layers, 0.02, np.float32))
            seen = device.run(Stimulus.current(np.ones((1, 16)), steps=400))
        return float(np.std(seen.counts[0] / 400))

    assert spread({name: list(a) for name, a in found.trims.items()}) < spread({}) / 3


def test_a_setting_of_all_neurons_brings_their_mean_on_target() -> None:
    found = calibrate("emulator:mixed-signal?chip=8&severity=2")
    assert not found.trims and set(found.settings) == {"threshold", "tau_membrane"}
    for spread in found.after.values():
        assert abs(spread.mean - 1) < 0.05


def test_a_file_holds_all_of_it(made: Calibration, file: Path) -> None:
    found = calibration.read(file)
    assert calibration.to_record(found) == calibration.to_record(made)
    assert tomllib.loads(file.read_text())["device"]["serial"] == "chip-31"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("version = 1", "version = 2"), "is of version 2"),
        (("version = 1", "version ="), "no valid TOML"),
        (("[settings]", "[sittings]"), "settings: Field required"),
        (("layers = [\n    12,", "layers = [\n    13,"), "layers (13, 16, 5)"),
        (("16,", "17,"), "is not of layers"),
        (("chip-31", "chip-32"), "calibrate this device"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    file: Path, tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    text = file.read_text()
    assert edit[0] in text
    path = tmp_path / "edited.toml"
    path.write_text(text.replace(*edit, 1))
    with (
        drivers.open(CHIP) as device,
        pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")) as error,
    ):
        calibration.read_for(path, device.info.identity, LAYERS)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        calibration.read(tmp_path / "none.toml")


def test_a_device_without_such_settings_is_refused() -> None:
    result = command("calibrate", "emulator:ideal?neuron=izhikevich", "--layers", "8,4")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1 and "cannot be calibrated" in result.stderr


def test_a_run_uses_it_on_its_device_and_on_no_other(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    url = "emulator:mixed-signal?chip=4&trim_bits=8"
    result = command("calibrate", url, "-o", path, "--layers", "64,8,10", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.output)
    assert record["after"]["threshold"]["sd"] < record["before"]["threshold"]["sd"]
    asked = ("train", "digits", "--hidden", "8", "--epochs", "1", "--set")
    train = (*asked, f"network.calibration={path}", "--out")
    assert command(*train, tmp_path / "run", "--device", url).exit_code == 0
    other = command(*train, tmp_path / "other", "--device", url.replace("chip=4", "chip=5"))
    assert other.exit_code == 2 and "calibrate this device" in other.stderr
    assert not (tmp_path / "other").exists()
