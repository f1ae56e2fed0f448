"""Studies as processes: killed, on several workers, on a scheduler, and refused."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.studies import loader, pool
from hil.studies.plan import cells, job, units
from hil.studies.trial import evaluate
from support.study_kit import GRID

HIL = [sys.executable, "-m", "hil", "study"]
PATIENCE = 240.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small task and a study of it: 14 trials and 2 networks to start from."""
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    y = np.arange(100) % 3
    x = np.clip(np.eye(9)[3 * y + 1].reshape(-1, 3, 3) + 0.3 * rng.random((100, 3, 3)), 0, 1)
    np.savez(folder / "images.npz", x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
    (folder / "study.toml").write_text(
        f"""
version = 1
name = "tiny"
[base]
task = "npz:{folder / "images.npz"}"
device = "emulator:mixed-signal?membrane_noise=0.1"
[base.network]
hidden = [12]
[base.training]
epochs = 4
batch = 20
validation_fraction = 0.25
[pretrain]
device = "emulator:ideal"
[factors.mode]
key = "mode"
levels = ["deploy", "fine_tune"]
[factors.rule]
key = "rule.name"
levels = ["adfa", "spsa", "bptt"]
[repeat]
what = "both"
times = 3
[budgets.small.repeat]
times = 1
""",
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="module")
def reference(place: Path) -> bytes:
    """The table of the study that nothing disturbed, in one process."""
    done = hil(place, "--workers", "1", out="reference")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "reference/report.html"
    return (place / "reference" / "trials.csv").read_bytes()


def hil(place: Path, *options: str, out: str) -> subprocess.CompletedProcess[str]:
    command = [*HIL, "study.toml", *options, "--out", out]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=PATIENCE)


def finished(path: Path) -> list[str]:
    """Keys of the finished trials, from the journal's whole lines."""
    if not (path / "journal.log").exists():
        return []
    content = (path / "journal.log").read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    found = [json.loads(line) for line in lines]
    return [line["user_attrs"]["job"] for line in found if line["op_code"] == 4]


def wait(process: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    """Until something holds, or the process has ended by itself."""
    limit = time.monotonic() + PATIENCE
    while not until() and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.01)


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Processes below the coordinator that evaluate trials."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if not entry.name.isdigit() or "spawn_main" not in (entry / "cmdline").read_text():
                continue
            if f"\nPPid:\t{process.pid}\n" in (entry / "status").read_text():
                found.append(int(entry.name))
    return found


def begun(place: Path, *options: str, out: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*HIL, "study.toml", *options, "--out", out],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_coordinator_is_killed_again_and_again(place: Path, reference: bytes) -> None:
    path, rng = place / "killed", np.random.default_rng(1)
    before: list[str] = []
    for wanted in (2, 6):
        process = begun(place, "--workers", "1", out="killed")
        wait(process, partial(lambda n: len(finished(path)) >= n, wanted))
        time.sleep(float(rng.uniform(0, 0.3)))
        process.kill()
        process.communicate()
        after = finished(path)
        assert after[: len(before)] == before
        before = after
    assert hil(place, "--workers", "1", out="killed").returncode == 0
    assert finished(path)[: len(before)] == before
    assert len(set(finished(path))) == len(finished(path))
    assert (path / "trials.csv").read_bytes() == reference


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds workers by /proc")
def test_workers_and_the_coordinator_are_killed(place: Path, reference: bytes) -> None:
    path = place / "both"
    process = begun(place, "--workers", "2", out="both")
    wait(process, lambda: len(finished(path)) >= 1)
    for worker in workers(process)[:1]:  # a worker: its trial is given to another one
        os.kill(worker, signal.SIGKILL)
    wait(process, lambda: len(finished(path)) >= 5)
    done, below = finished(path), workers(process)
    process.kill()  # the coordinator, and its workers with it
    for worker in below:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    process.communicate()
    assert finished(path)[: len(done)] == done
    again = hil(place, "--workers", "2", out="both")
    assert again.returncode == 0, again.stderr
    assert len(set(finished(path))) == len(finished(path))
    assert (path / "trials.csv").read_bytes() == reference


def test_ctrl_c_of_a_terminal_reaches_the_workers_too(place: Path) -> None:
    command = [*HIL, "study.toml", "--workers", "2", "--out", "terminal"]
    process = subprocess.Popen(
        command, cwd=place, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait(process, lambda: len(finished(place / "terminal")) >= 1)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "hil: stopped; go on with: hil study terminal\n"


def test_ctrl_c_says_how_to_go_on(place: Path, reference: bytes) -> None:
    process = begun(place, "--workers", "1", out="stopped")
    wait(process, lambda: len(finished(place / "stopped")) >= 2)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: hil study stopped" in error and error.count("\n") == 1
    again = subprocess.run([*HIL, "stopped"], cwd=place, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert (place / "stopped" / "trials.csv").read_bytes() == reference


# -- a scheduler ------------------------------------------------------------------------------


@contextmanager
def cluster(count: int, environment: dict[str, str] | None = None) -> Iterator[str]:
    """A Dask scheduler with workers, in processes of their own."""
    file = Path(tempfile.gettempdir()) / f"scheduler-{os.getpid()}-{time.monotonic_ns()}"
    own = {**os.environ, **(environment or {})}
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    started = [
        subprocess.Popen(
            [*command, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    ]
    try:
        limit = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < limit and started[0].poll() is None
            time.sleep(0.05)
        address = str(json.loads(file.read_text())["address"])
        for _ in range(count):
            worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
            started.append(
                subprocess.Popen(
                    [*worker, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=own,
                )
            )
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(30)
        file.unlink(missing_ok=True)


def test_an_existing_scheduler_gives_the_same_table(place: Path, reference: bytes) -> None:
    with cluster(2) as address:
        done = hil(place, "--scheduler", address, out="elsewhere")
    assert done.returncode == 0, done.stderr
    assert (place / "elsewhere" / "trials.csv").read_bytes() == reference


def test_workers_of_other_versions_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = pool.versions()
    with cluster(1) as address:
        monkeypatch.setattr(pool, "versions", Imposter({**real, "numpy": "0.1"}))
        said = r"numpy .*here is 0\.1: install the same"
        with pytest.raises(ValueError, match=said) as error, pool.pool(1, address):
            pass
    assert "\n" not in str(error.value) and address in str(error.value)


class Imposter:
    """This process's versions here, the true ones where it is sent to."""

    def __init__(self, here: dict[str, str]) -> None:
        self._here = here

    def __call__(self) -> dict[str, str]:
        return self._here

    def __reduce__(self) -> Any:
        return getattr, (pool, "versions")


def test_no_scheduler_and_one_without_workers(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = hil(place, "--scheduler", "tcp://127.0.0.1:9", out="nobody")
    assert done.returncode == 2
    assert done.stderr.startswith("hil: --scheduler tcp://127.0.0.1:9: no scheduler there")
    assert done.stderr.count("\n") == 1
    monkeypatch.setattr(pool, "PATIENCE", 2.0)
    with (
        cluster(0) as address,
        pytest.raises(ValueError, match="has no workers"),
        pool.pool(1, address),
    ):
        pass


# -- a trial ----------------------------------------------------------------------------------


def jobs(place: Path) -> list[Any]:
    found = loader.build(loader.read(place / "study.toml"), budget="small")
    return [step for cell in cells(found) for step in job(found, units(found)[0], cell.settings)]


def test_a_trial_is_the_run_of_the_same_configuration(place: Path, tmp_path: Path) -> None:
    """Accuracy of a trial against that of `hil train` with its configuration."""
    from hil.config import build
    from hil.loop.training import train
    from hil.runs.folder import Run

    (first, *_) = jobs(place)
    outcome, weights = evaluate(first)
    run = Run.create(tmp_path / "run", build(json.loads(first.config)))
    result = train(run)
    assert outcome["test_accuracy"] == result["test_accuracy"]
    assert outcome["validation_accuracy"] == result["validation_accuracy"]
    assert outcome["curve"] == [row["validation_accuracy"] for row in run.metrics()]
    for name, kept in run.weights().items():
        np.testing.assert_array_equal(weights[name], kept)
    batches, validation = -(-60 // 20), -(-20 // 20)
    assert outcome["device_runs"] == 4 * (batches + validation)
    assert outcome["samples"] == 4 * (60 + 20)


def test_a_deployed_network_is_not_trained(place: Path) -> None:
    source, deploy, *_ = jobs(place)
    assert source.keep and not deploy.train and deploy.start == source.key
    _, weights = evaluate(source)
    outcome, kept = evaluate(deploy, weights)
    assert kept == {} and outcome["device_runs"] == 0 and outcome["curve"] == []
    assert 0 <= outcome["test_accuracy"] <= 1 and 0 <= outcome["validation_accuracy"] <= 1


def test_a_trial_in_a_thread_of_a_fresh_process() -> None:
    """As on a worker of Dask, whose tasks are not in the main thread."""
    code = """
import json, threading
from hil.config import build
from hil.studies.plan import Job
from hil.studies.trial import evaluate
found = []
text = json.dumps(build({"training": {"epochs": 1}, "network": {"hidden": [5]}}).model_dump())
thread = threading.Thread(target=lambda: found.append(evaluate(Job(text))))
thread.start(); thread.join()
print(found[0][0]["test_accuracy"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and 0 <= float(done.stdout) <= 1, done.stderr


# -- refusals ---------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(place: Path, tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text((place / "study.toml").read_text(), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (None, ["comparisn"], "no study 'comparisn': did you mean 'comparison'?"),
        (None, ["study.toml", "--budget", "0"], "budget '0': known: default, small"),
        (None, ["study.toml", "--workers", "0"], "--workers 0: give at least 1"),
        (None, ["missing.toml"], "study missing.toml: No such file or directory"),
        (("version = 1", "version = 2"), ["study.toml"], "is of version 2: this spikeloop reads"),
        (("version = 1", ""), ["study.toml"], "has no version"),
        (('["deploy", "fine_tune"]', "[]"), ["study.toml"], "factors.mode has no levels"),
        (('["deploy", "fine_tune"]', '["deploi"]'), ["study.toml"], "mode = 'deploi': give one of"),
        (("[factors.rule]", "[factor.rule]"), ["study.toml"], "key 'factor' is unknown"),
        (('key = "rule.name"', 'key = "rul.name"'), ["study.toml"], "'rul' is unknown"),
        (("times = 3", "times = 0"), ["study.toml"], "repeat.times = 0"),
        (("times = 3", "times = x"), ["study.toml"], "is no valid TOML"),
        (None, ["study.toml", "--set", "factors.ruel.levels=['bp']"], "did you mean 'rule'?"),
        (None, ["study.toml", "--set", "rule.name=bp"], "--set rule.name: the study varies it"),
        (None, ["study.toml", "--set", "traning.epochs=1"], "'traning' is unknown"),
        (None, ["study.toml", "--set", "sections=[{kind='maps'}]"], "did you mean 'map'?"),
        (
            None,
            ["study.toml", "--set", "sections=[{kind='means',by=['rul']}]"],
            "no factor 'rul': did you mean 'rule'?",
        ),
        (None, ["study.toml", "--device", "emulator:idea"], "did you mean 'ideal'?"),
        (None, ["study.toml", "--device", "emulator:ideal?nose=1"], "'nose' is unknown"),
        (None, ["study.toml", "--task", "digit"], "did you mean 'digits'?"),
        (None, ["study.toml", "--set", "start=runs/x"], "start: trials start as their mode says"),
        (None, ["study.toml", "--out", "study.toml"], "study.toml is a file"),
        (None, ["study.toml", "--out", "."], "holds something else than a study"),
        (
            None,
            ["study.toml", "--device", "replay:x", "--workers", "2"],
            "replay:x is one device: use --workers 1",
        ),
    ],
)
def test_bad_input_is_one_line(
    elsewhere: Path,
    change: tuple[str, str] | None,
    options: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if change is not None:
        file = elsewhere / "study.toml"
        before = file.read_text(encoding="utf-8")
        assert change[0] in before
        file.write_text(before.replace(*change, 1), encoding="utf-8")
    monkeypatch.chdir(elsewhere)
    assert refusal(options, capsys).count(said) == 1
    assert [path.name for path in elsewhere.iterdir()] == ["study.toml"]


def refusal(options: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    from hil.cli.app import app

    with pytest.raises(SystemExit) as end:
        app(["study", *options])
    out, error = capsys.readouterr()
    assert end.value.code == 2 and out == "" and error.count("\n") == 1, error
    assert error.startswith("hil: ")
    return error


def test_results_of_another_study_in_the_folder(
    place: Path,
    reference: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    options = ["study.toml", "--out", "reference", "--workers", "1"]
    error = refusal([*options, "--set", "training.epochs=7"], capsys)
    assert "holds the results of another study" in error
    assert "base.training.epochs there is 4, asked for is 7" in error
    assert "--budget" not in error and "choose another --out" in error
    error = refusal(["reference", "--task", "digits"], capsys)
    assert "goes on as it began" in error
    assert (place / "reference" / "trials.csv").read_bytes() == reference


def test_a_folder_in_use_is_refused(place: Path, tmp_path: Path) -> None:
    from support.study_kit import Fake, evaluated, study

    held, entered = threading.Event(), threading.Event()

    class Slow(Fake):
        def __call__(self, requests: Any) -> Any:
            entered.set()
            held.wait(60)
            return super().__call__(requests)

    running = threading.Thread(
        target=lambda: evaluated(study(GRID), tmp_path / "study", Slow()), daemon=True
    )
    running.start()
    assert entered.wait(60)
    with pytest.raises(ValueError, match="in use by another process"):
        evaluated(study(GRID), tmp_path / "study", Fake())
    held.set()
    running.join()


def test_a_studys_own_file_is_the_study(place: Path, reference: bytes) -> None:
    """`study.toml` of the folder says all: read again, it is the same study."""
    first = loader.build(loader.read(place / "study.toml"))
    assert loader.build(loader.read(place / "reference" / "study.toml")) == first


@pytest.mark.parametrize(
    ("name", "budget"),
    [(n, b) for n in loader.names() for b in ("default", *loader.read(n)["budgets"])],
)
def test_every_built_in_study_makes_sense(name: str, budget: str) -> None:
    from hil.studies.folder import dumped
    from hil.studies.validation import check

    found = loader.build(loader.read(name), budget=budget)
    check(found)
    assert loader.build(tomllib.loads(dumped(found))) == found


def test_json_is_one_object(place: Path, reference: bytes) -> None:
    done = hil(place, "--workers", "1", "--json", out="reference")
    result = json.loads(done.stdout)
    assert result["trials"] == 18 and result["failed"] == 0
    with (place / result["table"]).open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 18 and {row["rule"] for row in rows} == {"adfa", "spsa", "bptt"}
    assert (place / result["page"]).read_text(encoding="utf-8").startswith("<!doctype html>")


# -- devices that are no emulated chip --------------------------------------------------------


def test_parts_that_a_board_has_no_options_for_are_left_out() -> None:
    from hil.studies.validation import check, fitting

    robust = loader.build(loader.read("robustness"), device="board:simulated://?seed=1")
    left, reasons = fitting(robust)
    assert list(left.parts) == ["sampling"]
    assert "threshold_cv" in reasons["threshold"] and len(reasons) == len(robust.parts) - 1
    check(left)
    emulated = loader.build(loader.read("robustness"))
    assert fitting(emulated) == (emulated, {})


def test_a_study_of_which_nothing_is_left_is_refused() -> None:
    from hil.studies.validation import fitting

    only = {"parts": {"bits": GRID["parts"]["bits"]}}
    found = loader.build({**GRID, **only}, device="board:simulated://")
    with pytest.raises(ValueError, match="'weight_bits' is unknown"):
        fitting(found)


def test_the_chip_of_a_unit_is_an_option_of_the_address() -> None:
    def devices(address: str, **repeat: Any) -> list[str]:
        sections = {**GRID, "parts": {}, "repeat": {"what": "both", "times": 2, **repeat}}
        found = loader.build(sections, device=address)
        configs = [json.loads(job(found, unit)[0].config) for unit in units(found)]
        return [f"{c['device']} {c['device_options']} {c['seed']}" for c in configs]

    ideal = "emulator:ideal?adc_bits=6"
    assert devices(ideal) == [f"{ideal} {{'chip': 0}} 0", f"{ideal} {{'chip': 1}} 1"]
    assert devices(f"{ideal}&chip=7") == [f"{ideal} {{'chip': 7}} 0", f"{ideal} {{'chip': 8}} 1"]
    assert devices(ideal, what="chip")[1] == f"{ideal} {{'chip': 1}} 0"
    assert devices(ideal, what="seed")[1] == f"{ideal} {{'chip': 0}} 1"
    board = "board:socket://127.0.0.1:9"
    assert devices(board, what="chip") == [f"{board} {{}} 0", f"{board} {{}} 1"]
    boards = devices("board:simulated://?seed=3", option="seed")
    assert boards == ["board:simulated:// {'seed': 3} 0", "board:simulated:// {'seed': 4} 1"]


def test_a_study_whose_every_trial_fails_says_so_and_still_has_a_page(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(elsewhere)
    sampling = "activity.every=99"  # more than there are steps
    options = ["study.toml", "--workers", "1", "--set", sampling, "--out", "none"]
    assert "no trial worked, the page says why: none/report.html" in refusal(options, capsys)
    text = (elsewhere / "none" / "report.html").read_text(encoding="utf-8")
    assert "membranes are sampled every 99 steps of a run of 20" in text
