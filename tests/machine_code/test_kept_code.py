"""What is compiled and translated is kept; without it, and until then, the bits are the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_models import Chip, RecordingRequest, neurons, profiles
from machine_code import library, user_cache

pytest.importorskip("numba")
PROFILE = profiles.get("mixed-signal")
LAYERS, BATCH, STEPS = (6, 9, 4), 3, 10


def make_chip(compiled: bool | None) -> Chip:
    chip = Chip(neurons.get("lif"), PROFILE.nonidealities, 3, compiled=compiled)
    chip.configure(LAYERS, [4.0] * 2)
    rng = np.random.default_rng(1)
    for p in range(2):
        chip.write(p, rng.normal(0.5, 0.5, LAYERS[p : p + 2]).astype(np.float32))
    return chip


def run_trial(chip: Chip, trial: int) -> np.ndarray:
    """Counts, and means and samples of membranes, flat."""
    drive = np.random.default_rng(2).random((BATCH, LAYERS[0])).astype(np.float32)
    seen = [RecordingRequest(0, "membrane", 2), RecordingRequest(1, "membrane", 1, "mean")]
    counts, samples = chip.run(drive, STEPS, BATCH, seen, trial)
    return np.concatenate([each.ravel() for each in (counts, *samples)])


def is_compiled(chip: Chip) -> bool:
    kernels = chip._engines._compiled._kernels.values()  # type: ignore[union-attr]
    return any(kernel._found for kernel in kernels)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache in which the kernel of these tests was compiled beside runs in Brian2."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        begin_anew()
        chip, plain, trial = make_chip(None), make_chip(False), 0
        assert run_trial(plain, 0).any()
        while not is_compiled(chip):
            np.testing.assert_array_equal(run_trial(chip, trial), run_trial(plain, trial))
            assert trial or not is_compiled(chip)
            trial += 1
            time.sleep(0.1)
        np.testing.assert_array_equal(run_trial(chip, trial), run_trial(plain, trial))
    return folder


@pytest.fixture
def engine(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of what is kept; nothing may be compiled, and all may be said again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(filled))
    monkeypatch.setattr(library.Compiler, "ask", lambda *_: Future())
    begin_anew()
    folder = filled / "spikeloop" / "engine"
    before = {path: (path.read_bytes(), path.stat().st_mode) for path in folder.iterdir()}
    yield folder
    begin_anew()
    folder.chmod(0o700)
    for path, (content, mode) in before.items():
        path.write_bytes(content)
        path.chmod(mode)


def begin_anew() -> None:
    """Forget which folder was found, and what was said, as another process does."""
    user_cache.say_once.cache_clear()
    user_cache._make_folder.cache_clear()
    library.load_function.cache_clear()
    library._find_compiler.cache_clear()


def find_kernel(folder: Path) -> Path:
    (kernel,) = folder.glob("function_*")
    return kernel


def test_what_was_compiled_is_loaded(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chip = make_chip(None)
    np.testing.assert_array_equal(run_trial(chip, 5), run_trial(make_chip(False), 5))
    assert is_compiled(chip)
    assert capsys.readouterr().err == ""


def test_a_second_process_needs_no_brian2(engine: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/machine_code'); import test_kept_code as t; "
        "chip = t.make_chip(True); t.run_trial(chip, 1); "
        "print('brian2' in sys.modules, t.is_compiled(chip))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("harm", ["bit", "cut", "pickle", "writable", "folder"])
def test_what_is_damaged_or_open_to_others_costs_a_line(
    engine: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not used: the code of Brian2 runs, with the same bits."""
    path = find_kernel(engine)
    content = bytearray(path.read_bytes())
    if harm == "bit":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "pickle":  # whole, and of another numba
        user_cache.keep(path.name, b"no pickle", engine)
    elif harm == "writable":
        path.chmod(0o622)
    else:
        engine.chmod(0o777)
    chip = make_chip(None)
    np.testing.assert_array_equal(run_trial(chip, 5), run_trial(make_chip(False), 5))
    assert not is_compiled(chip)
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("home", ["file", "readonly"])
def test_a_cache_that_cannot_be_written_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: str
) -> None:
    begin_anew()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
    if home == "readonly":
        (tmp_path / home / "spikeloop" / "engine").mkdir(parents=True)
        monkeypatch.setattr("machine_code.user_cache.tempfile.TemporaryFile", _refuse)
    asked: list[Any] = []
    monkeypatch.setattr(library.Compiler, "ask", lambda *given: asked.append(given) or Future())
    chip = make_chip(None)
    np.testing.assert_array_equal(run_trial(chip, 5), run_trial(make_chip(False), 5))
    assert len(asked) == 1
    assert user_cache.find_folder().parent != tmp_path / home / "spikeloop"
    assert len(capsys.readouterr().err.splitlines()) == 1


def _refuse(**_: object) -> None:
    raise PermissionError(13, os.strerror(13))
