import errno
import json
import multiprocessing
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.config import build
from hil.runs.folder import CHECKPOINT, CONFIG, ENVIRONMENT, METRICS, RESULT, VERSION, Run
from support import run_folders

CONFIGURATION = build({"seed": 3})
ARRAYS = {
    "weights/0": np.arange(12, dtype=np.float32).reshape(3, 4),
    "train_state": np.asarray("{}"),
}
RESULTS = run_folders.results(CONFIGURATION, 0.5, 1000, (64, 200, 10))
OTHERS = {name: np.zeros(5) for name in ARRAYS}
ROWS = run_folders.epochs(2)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", CONFIGURATION)


def refusal(attempt: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as error:
        attempt()
    message = str(error.value)
    assert "\n" not in message
    return message


def in_a_process(work: Callable[[], object]) -> int:
    """Exit code of a forked process that does the work; -9 when it was killed."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def without_header(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array for name, array in arrays.items() if not name.startswith("__")}


# -- making one -------------------------------------------------------------------------------


def test_a_new_run_has_its_configuration_and_its_machine(run: Run) -> None:
    assert sorted(os.listdir(run.path.parent)) == ["run"]
    assert sorted(os.listdir(run.path)) == [CONFIG, ENVIRONMENT]
    assert Run.open(run.path).config() == CONFIGURATION
    environment = json.loads((run.path / ENVIRONMENT).read_text())
    assert environment["version"] == VERSION
    assert environment["packages"]["numpy"] == np.__version__
    assert (run.load_checkpoint(), run.load_snapshot(), run.result()) == (None, None, None)
    assert run.metrics() == []


def test_files_are_as_readable_as_the_user_lets_files_be(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run = Run.create(tmp_path / "run", CONFIGURATION)
        run.save_checkpoint(ARRAYS)
        run.save_metrics(ROWS)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in run.path.iterdir()}
    assert modes == dict.fromkeys([CHECKPOINT, CONFIG, ENVIRONMENT, METRICS], 0o640)
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o750


@pytest.mark.parametrize("kind", ["run", "folder", "file"])
def test_what_exists_is_never_touched(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "taken"
    if kind == "run":
        Run.create(path, build({"seed": 9}))
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("mine")
    before = sorted(path.rglob("*")), path.is_file() and path.read_text()
    message = refusal(lambda: Run.create(path, CONFIGURATION))
    assert str(path) in message and "--out" in message and "hil resume" in message
    assert (sorted(path.rglob("*")), path.is_file() and path.read_text()) == before
    assert os.listdir(tmp_path) == ["taken"]


def test_without_a_path_the_first_free_name_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/digits-adfa-seed3-2").write_text("a file, not a run")
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.create(None, CONFIGURATION), range(12)))
    stem = "digits-adfa-seed3"
    names = [stem, *(f"{stem}-{n}" for n in range(3, 14))]
    assert sorted(run.path.name for run in runs) == sorted(names)
    assert sorted(os.listdir("runs")) == sorted([*names, f"{stem}-2"])
    for run in runs:
        assert Run.open(run.path).config() == CONFIGURATION


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refusal(lambda: Run.create(tmp_path / "file" / "run", CONFIGURATION))
    assert "cannot be made" in message and str(tmp_path / "file") in message
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("broken", ["os.rename", "pathlib.Path.write_text", "pathlib.Path.mkdir"])
def test_a_full_disk_leaves_nothing_behind(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(broken, full)
    message = refusal(lambda: Run.create(tmp_path / "run", CONFIGURATION))
    assert "No space left" in message and str(tmp_path / "run") in message
    assert os.listdir(tmp_path) == []


def test_ctrl_c_while_a_folder_is_made_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        Run.create(tmp_path / "run", CONFIGURATION)
    assert os.listdir(tmp_path) == []


# -- opening one ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"[1]", b'{"version": "new"}', b"\xff\xfe", b"null"]
)
def test_what_is_no_run_folder_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / ENVIRONMENT).write_bytes(content)
    message = refusal(lambda: Run.open(tmp_path))
    told = f"{tmp_path} is no run folder" if content is None else f"{tmp_path / ENVIRONMENT}: "
    assert message.startswith(told)


def test_a_path_that_is_no_folder_is_refused(run: Run) -> None:
    for path in (run.path / CONFIG, run.path / "missing"):
        assert "is no run folder" in refusal(partial(Run.open, path))


def test_a_folder_of_a_newer_version_is_refused(run: Run) -> None:
    (run.path / ENVIRONMENT).write_text(json.dumps({"version": VERSION + 1}))
    message = refusal(lambda: Run.open(run.path))
    assert f"version {VERSION + 1}" in message and "upgrade" in message


def test_a_missing_configuration_is_named(run: Run) -> None:
    (run.path / CONFIG).unlink()
    assert f"{run.path / CONFIG}: no such file" in refusal(run.config)


# -- reading what was written -----------------------------------------------------------------


def test_what_is_saved_is_read_back(run: Run) -> None:
    run.save_checkpoint(ARRAYS)
    shown = run_folders.snapshot((64, 200, 10), (8, 8))
    run.save_snapshot(shown)
    run.save_metrics(ROWS)
    run.save_result(RESULTS)
    assert same(without_header(Run.open(run.path).load_checkpoint() or {}), ARRAYS)
    snapshot = Run.open(run.path).load_snapshot()
    assert snapshot is not None and same(without_header(snapshot), shown)
    assert Run.open(run.path).metrics() == ROWS
    assert Run.open(run.path).result() == RESULTS


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_checkpoint_is_refused_or_still_whole(run: Run, data: st.DataObject) -> None:
    run.save_checkpoint(ARRAYS)
    path = run.path / CHECKPOINT
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        del content[data.draw(st.integers(0, len(content) - 1), label="length") :]
    else:
        at = data.draw(st.integers(0, len(content) - 1), label="at")
        content[at] ^= data.draw(st.integers(1, 255), label="flip")
    path.write_bytes(content)
    try:
        checkpoint = run.load_checkpoint()
    except ValueError as error:
        assert str(path) in str(error) and "hil train --config" in str(error)
    else:  # what was hit means nothing, e.g. a date
        assert same(without_header(checkpoint or {}), ARRAYS)


def test_another_file_in_place_of_the_checkpoint_is_refused(run: Run) -> None:
    run.save_snapshot({"counts": np.eye(3)})
    os.replace(run.path / "snapshot.npz", run.path / CHECKPOINT)
    assert "holds snapshot, expected checkpoint" in refusal(run.load_checkpoint)


def test_a_checkpoint_of_another_configuration_is_refused(run: Run) -> None:
    run.save_checkpoint(ARRAYS)
    config = run.path / CONFIG
    config.write_text(config.read_text().replace("seed = 3", "seed = 4"))
    assert f"{config} was changed" in refusal(run.load_checkpoint)
    config.write_text(config.read_text().replace("seed = 4", "seed = 3"))
    assert run.load_checkpoint() is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"3", b"\xff", b'"test_accuracy"'])
def test_a_damaged_result_is_refused_by_name(content: bytes, run: Run) -> None:
    (run.path / RESULT).write_bytes(content)
    message = refusal(run.result)
    assert f"{run.path / RESULT}: " in message and f"hil resume {run.path}" in message


@pytest.mark.parametrize("content", [b"{\n", b'{"epoch": 1}\n{"epo', b"[]\n", b"\xff\n", b"\n"])
def test_damaged_metrics_are_refused_by_name(content: bytes, run: Run) -> None:
    (run.path / METRICS).write_bytes(content)
    message = refusal(run.metrics)
    assert f"{run.path / METRICS}: " in message and "delete" in message


# -- one process at a time --------------------------------------------------------------------


def test_a_run_in_use_is_refused(run: Run) -> None:
    def locked() -> None:
        with run.hold():
            pass

    with run.hold():
        assert "in use by another process" in refusal(locked)
        program = f"from hil.runs.folder import Run\nwith Run.open({str(run.path)!r}).hold(): pass"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 1 and "in use by another process" in done.stderr
    locked()


def test_a_killed_process_holds_no_lock(run: Run) -> None:
    def die() -> None:
        with run.hold():
            os.kill(os.getpid(), 9)

    assert in_a_process(die) == -9
    with run.hold():
        pass


def test_what_a_killed_process_left_half_written_goes_away(run: Run) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), 9)

    def checkpoint() -> None:
        pytest.MonkeyPatch().setattr(os, "replace", die)
        run.save_checkpoint(ARRAYS)

    def metrics() -> None:
        pytest.MonkeyPatch().setattr(os, "replace", die)
        run.save_metrics(ROWS)

    assert in_a_process(checkpoint) == -9
    assert in_a_process(metrics) == -9
    assert len(os.listdir(run.path)) == 4
    (run.path / ".notes").write_text("the user's own")
    with run.hold():
        left = set(os.listdir(run.path))
    assert left == {CONFIG, ENVIRONMENT, ".lock", ".notes"}


# -- writing is all or nothing ----------------------------------------------------------------


def write_all(run: Run) -> None:
    run.save_checkpoint(OTHERS)
    run.save_metrics(ROWS)
    run.save_result(RESULTS)


def check_old_or_new(run: Run) -> None:
    opened = Run.open(run.path)
    checkpoint = without_header(opened.load_checkpoint() or {})
    assert same(checkpoint, ARRAYS) or same(checkpoint, OTHERS)
    assert opened.metrics() in (ROWS[:1], ROWS)
    assert opened.result() in (None, RESULTS)


@pytest.mark.parametrize("operation", ["fsync", "replace"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("before", [True, False])
def test_killed_between_any_two_file_operations_a_folder_stays_whole(
    run: Run, operation: str, number: int, before: bool
) -> None:
    run.save_checkpoint(ARRAYS)
    run.save_metrics(ROWS[:1])
    real, calls = getattr(os, operation), 0

    def deadly(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == number and before:
            os.kill(os.getpid(), 9)
        real(*arguments)
        if calls == number:
            os.kill(os.getpid(), 9)

    def work() -> None:
        pytest.MonkeyPatch().setattr(os, operation, deadly)
        write_all(run)

    assert in_a_process(work) == -9
    check_old_or_new(run)


@pytest.mark.parametrize("limit", [1, 100, 700])
def test_a_file_that_does_not_fit_leaves_the_old_one(run: Run, limit: int) -> None:
    run.save_checkpoint(ARRAYS)
    run.save_metrics(ROWS[:1])
    before = sorted(os.listdir(run.path))

    def work() -> None:
        # The kernel itself refuses to write on, as it does on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        attempts: list[Callable[[], None]] = [
            partial(run.save_checkpoint, OTHERS),
            partial(run.save_metrics, [{"epoch": n} for n in range(100)]),
        ]
        for attempt in attempts:
            with pytest.raises(OSError) as error:
                attempt()
            assert error.value.errno == errno.EFBIG

    assert in_a_process(work) == 0
    assert sorted(os.listdir(run.path)) == before
    assert same(without_header(run.load_checkpoint() or {}), ARRAYS)
    assert run.metrics() == ROWS[:1]
