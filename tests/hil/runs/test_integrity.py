"""What a run holds stays what it was: data, lock, libraries, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import hil
from drivers.files.writing import DRAFT, replace_file, write_text
from hil.runs.exclusive import draft_in, lock
from hil.runs.folder import ENVIRONMENT, Run
from support.command_line import command, refusal

SMALL = {
    "device": "emulator:ideal",
    "network": {"hidden": [3], "steps": 5},
    "training": {"epochs": 1, "batch": 10},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `own.npz` and a run that was trained on it, named by a relative path."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    labels = {"y_train": np.tile(np.arange(3), 10), "y_test": np.tile(np.arange(3), 3)}
    np.savez(folder / "own.npz", x_train=rng.random((30, 4)), x_test=rng.random((9, 4)), **labels)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hil.train("npz:own.npz", out="run", **SMALL)
    return folder


@pytest.fixture
def copy(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run alone, in another folder, which is the working one."""
    shutil.copytree(trained / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


# -- data -------------------------------------------------------------------------------------


def test_a_run_knows_its_data_and_finds_them_from_anywhere(trained: Path, copy: Path) -> None:
    data = Run.open(copy).environment()["data"]
    assert data["files"] == [str(trained / "own.npz")] and len(data["sha256"]) == 64
    assert Run.open(copy).config().task == f"npz:{trained / 'own.npz'}"
    figures = hil.evaluate(copy)
    assert figures["test_accuracy"] == figures["trained_accuracy"]


def other(file: Path, to: Path) -> Path:
    """The same archive with the samples to test with in another order."""
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(to, **{**arrays, "x_test": arrays["x_test"][::-1]})
    return to


def test_other_data_are_refused(trained: Path, copy: Path) -> None:
    wrong = other(trained / "own.npz", copy.parent / "wrong.npz")
    for name in ("evaluate", "resume"):
        (copy / "result.json").unlink(missing_ok=True)
        said = refusal(name, copy, "--data", wrong)
        assert "other data" in said and "--data FILE" in said
    environment = json.loads((copy / ENVIRONMENT).read_text())
    environment["data"]["files"] = [str(wrong)]
    (copy / ENVIRONMENT).write_text(json.dumps(environment))
    assert "other data" in refusal("evaluate", copy)


def test_data_that_moved_are_named_by_an_option(trained: Path, copy: Path) -> None:
    environment = json.loads((copy / ENVIRONMENT).read_text())
    environment["data"]["files"] = ["/nowhere/own.npz"]
    (copy / ENVIRONMENT).write_text(json.dumps(environment))
    assert "--data FILE" in refusal("evaluate", copy)
    shutil.copy(trained / "own.npz", "moved.npz")
    assert command("evaluate", copy, "--data", "moved.npz").exit_code == 0
    assert Run.open(copy).environment()["data"]["files"] == ["/nowhere/own.npz"]
    (copy / "result.json").unlink()
    assert command("resume", copy, "--data", "moved.npz").exit_code == 0
    assert Run.open(copy).environment()["data"]["files"] == [str(copy.parent / "moved.npz")]
    assert command("evaluate", copy).exit_code == 0


def test_a_task_without_a_file_takes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = hil.train("yinyang", out=tmp_path / "run", **SMALL).path
    assert Run.open(run).environment()["data"]["files"] == []
    assert "has no file of its own" in refusal("evaluate", run, "--data", tmp_path / "x.npz")


def test_every_library_that_may_have_had_a_part_is_named(copy: Path) -> None:
    packages = Run.open(copy).environment()["packages"]
    assert {"spikeloop", "numpy", "scipy", "brian2", "numba"} <= {name.lower() for name in packages}
    assert packages["numpy"] == np.__version__


# -- locks and what is half-written -----------------------------------------------------------


def test_a_lock_follows_no_link_and_empties_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".lock").symlink_to(victim)
    with pytest.raises(ValueError, match="is a link"), lock(tmp_path):
        pass
    (tmp_path / ".lock").unlink()
    os.link(victim, tmp_path / ".lock")
    with lock(tmp_path):
        pass
    assert victim.read_text() == "mine"
    (tmp_path / ".lock").unlink()
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(ValueError, match="is no file"), lock(tmp_path):
        pass


def killed_in(work: str) -> int:
    import subprocess
    import sys

    program = f"import os, signal\nfrom pathlib import Path\n{work}"
    return subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_a_page_half_written_goes_when_its_run_is_resumed(copy: Path) -> None:
    work = (
        "from drivers.files.writing import replace_file\n"
        f"with replace_file(Path({str(copy)!r}) / 'report.html') as handle:\n"
        "    handle.write(b'<html>')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert killed_in(work) == -9
    assert len(list(copy.glob(".report.html.*"))) == 1
    assert command("resume", copy).exit_code == 0
    assert [path.name for path in copy.glob(".*")] == [".lock"]


def test_a_draft_of_a_killed_process_goes_when_the_next_run_is_made(tmp_path: Path) -> None:
    work = (
        "from hil.runs.exclusive import draft_in\n"
        f"with draft_in(Path({str(tmp_path)!r}), '.draft.') as draft:\n"
        "    (draft / 'config.toml').write_text('')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert killed_in(work) == -9
    (left,) = tmp_path.iterdir()
    with draft_in(tmp_path, ".draft.") as first, draft_in(tmp_path, ".draft.") as second:
        assert not left.exists() and first.is_dir() and second.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_draft_of_a_killed_process_goes_at_the_next_write_of_its_file(tmp_path: Path) -> None:
    page = tmp_path / "page [1].html"
    work = (
        "from drivers.files.writing import replace_file\n"
        f"with replace_file(Path({str(page)!r})) as handle:\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert killed_in(work) == -9
    (left,) = tmp_path.iterdir()
    other = tmp_path / f".other.html.1{DRAFT}"
    other.write_text("of another file")
    with replace_file(page) as handle:
        assert not left.exists()
        handle.write(b"first")
        write_text(page, "second")  # as another process may: neither takes the other's draft
    assert page.read_text() == "first"
    assert sorted(tmp_path.iterdir()) == [other, page]
