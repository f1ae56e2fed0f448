"""What a study takes from elsewhere is the same in every sitting: data, code, weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hil.cli.app import app
from support.study_kit import refusal

SHORT = ["--workers", "1", "--budget", "small", "--set", "training.epochs=1"]


@pytest.fixture
def begun(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a study that was cut off before its last trial, in the working folder."""
    text = (place / "study.toml").read_text(encoding="utf-8").replace(str(place), str(tmp_path))
    text = text.replace(', "spsa"]', "]")
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    shutil.copy(place / "images.npz", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        app(["study", "study.toml", *SHORT, "--out", "begun"])
    assert end.value.code == 0
    journal = tmp_path / "begun" / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    return tmp_path / "begun"


def again(begun: Path) -> str:
    """What going on with the study says, with a status of 0."""
    with pytest.raises(SystemExit) as end:
        app(["study", str(begun), "--workers", "1"])
    assert end.value.code == 0
    return (begun / "trials.csv").read_text(encoding="utf-8")


def test_a_study_goes_on_with_the_data_that_it_began_with(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = begun.parent / "images.npz"
    table, good = (begun / "trials.csv").read_text(encoding="utf-8"), file.read_bytes()
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(file, **{**arrays, "y_test": arrays["y_test"][::-1]})  # type: ignore[arg-type]
    capsys.readouterr()
    before = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    said = refusal(["begun", "--workers", "1"], capsys)
    assert f"began with other data than npz:{file} holds now" in said
    assert {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()} == before
    file.write_bytes(good)
    assert again(begun) == table


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": {}}, "began with other data"),
        ({"data": {"npz:x": "12"}}, "environment.json: data.npz:x"),
        ({"data": None}, "environment.json: data"),
        ({"code": 3}, "environment.json: code"),
    ],
)
def test_a_record_that_was_tampered_with_is_refused(
    begun: Path, change: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = begun / "environment.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), **change}))
    capsys.readouterr()
    assert said in refusal(["begun", "--workers", "1"], capsys)


def test_a_study_goes_on_with_the_code_that_it_began_with(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    neuron = begun.parent / "own.py"
    neuron.write_text("from device_models import neurons\nMODEL = neurons.get('lif')\n")
    device = [
        "--device",
        f"emulator:ideal?neuron={neuron}",
        "--set",
        "repeat.times=1",
        "--out",
        "coded",
    ]
    with pytest.raises(SystemExit) as end:
        app(["study", "study.toml", *SHORT, *device])
    assert end.value.code == 0
    neuron.write_text("from device_models import neurons\nMODEL = neurons.get('lif')  # changed\n")
    capsys.readouterr()
    said = refusal(["coded", "--workers", "1", "--trust"], capsys)
    assert "own.py was changed since this began" in said


@pytest.mark.parametrize("shape", [(9, 12), (10, 13), (3,)])
def test_weights_of_another_network_are_no_result(
    begun: Path, shape: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (begun / "weights").glob("*.npz")
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(file, **{**arrays, "weights/0": np.zeros(shape, np.float32)})  # type: ignore[arg-type]
    capsys.readouterr()
    assert f"weights/{file.name}: " in refusal(["begun", "--workers", "1"], capsys)
    file.unlink()
    assert "error" in again(begun)
