"""Twins in use: training on one, and files that are damaged or of another network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import hil
from hil import characterisation
from hil.cli.app import app

HARSH = "emulator:mixed-signal?chip=21&severity=2&threshold_cv=0.4"


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("twin") / "own.toml"
    characterisation.characterise(HARSH, (64, 60, 10), path)
    return path


def test_weights_trained_on_it_lose_less_than_half_when_they_are_deployed(
    twin: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"network": {"hidden": [60]}, "training": {"epochs": 6}}

    def lost(device: str, out: str) -> float:
        run = hil.train("digits", device=device, out=tmp_path / out, **settings)
        deployed = hil.evaluate(run.path, device=HARSH)["test_accuracy"]
        return run.test_accuracy - float(deployed)

    ideal = lost("emulator:ideal", "ideal")
    assert ideal > 0.05  # there is something to lose
    assert lost(f"emulator:{twin}", "twin") < ideal / 2


def test_another_network_is_refused_before_anything_is_written(twin: Path, tmp_path: Path) -> None:
    for hidden in ("50", "60,60"):
        out = tmp_path / "run"
        result = command(
            "train", "digits", "--device", f"emulator:{twin}", "--hidden", hidden, "--out", out
        )
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert str(twin) in result.stderr and "(64, 60, 10)" in result.stderr
        assert not out.exists()


def changed(twin: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of a twin whose arrays are others."""
    with np.load(twin.with_suffix(".npz")) as held:
        arrays = dict(held)
    change(arrays)
    np.savez(folder / "own.npz", **arrays)
    copy = folder / "own.toml"
    copy.write_text(twin.read_text())
    return copy


def trained_on(twin: Path, out: Path) -> Result:
    device = f"emulator:{twin}"
    return command(
        "train", "digits", "--device", device, "--hidden", "60", "--epochs", "1", "--out", out
    )


def _with(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda arrays: arrays.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with("layer_0/gain", np.ones(59, np.float32)), "'layer_0/gain' has shape (59,)"),
        (_with("cells_1/gain", np.full((60, 10), np.nan)), "'cells_1/gain' is not finite"),
        (_with("layer_7/gain", np.ones(60)), "layer_7/gain"),
        (_with("layer_0/charm", np.ones(60)), "layer_0/charm"),
        (_with("layer_0/parameter/charm", np.ones(60)), "charm"),
    ],
)
def test_damaged_arrays_are_refused_by_name(
    twin: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    result = trained_on(changed(twin, tmp_path, change), tmp_path / "run")
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1 and message in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", "half"])
def test_a_missing_or_cut_file_is_refused(
    twin: Path, tmp_path: Path, content: bytes | str | None
) -> None:
    whole = twin.with_suffix(".npz").read_bytes()
    if content is not None:
        held = whole[: len(whole) // 2] if isinstance(content, str) else content
        (tmp_path / "own.npz").write_bytes(held)
    (tmp_path / "own.toml").write_text(twin.read_text())
    result = command("train", "digits", "--device", f"emulator:{tmp_path / 'own.toml'}")
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1 and "own.npz" in result.stderr


def test_what_is_not_in_it_is_as_on_an_ideal_chip(twin: Path, tmp_path: Path) -> None:
    own = changed(twin, tmp_path, lambda arrays: arrays.pop("cells_0/gain"))
    result = trained_on(own, tmp_path / "run")
    assert result.exit_code == 0, result.output
