"""Studies as processes: killed, on several workers, on a scheduler, gone on with."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

from hil.studies import loader, pool
from support.command_line import command
from support.dask_cluster import cluster
from support.study_kit import refusal

HIL = [sys.executable, "-m", "hil", "study"]
PATIENCE = 240.0


@pytest.fixture(scope="module")
def reference(place: Path) -> bytes:
    """The table of the study that nothing disturbed, in one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        done = command("study", "study.toml", "--workers", "1", "--out", "reference")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "reference/report.html"
    return (place / "reference" / "trials.csv").read_bytes()


def hil(place: Path, *options: str, out: str) -> subprocess.CompletedProcess[str]:
    words = [*HIL, "study.toml", *options, "--out", out]
    return subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=PATIENCE)


def finished(path: Path) -> list[str]:
    """Keys of the finished trials, from the journal's whole lines."""
    if not (path / "journal.log").exists():
        return []
    content = (path / "journal.log").read_bytes()
    return [json.loads(line)["job"] for line in content[: content.rfind(b"\n") + 1].splitlines()]


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


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds workers by /proc")
def test_workers_and_the_coordinator_are_killed(place: Path, reference: bytes) -> None:
    path = place / "both"
    process = begun(place, "--workers", "2", out="both")
    wait(process, lambda: len(finished(path)) >= 1)
    for worker in workers(process)[:1]:  # a worker: its trial is given to another one
        os.kill(worker, signal.SIGKILL)
    wait(process, lambda: len(finished(path)) >= 5)
    done, below = finished(path), workers(process)
    process.kill()  # its workers end with it
    process.communicate()
    limit = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in below):
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert finished(path)[: len(done)] == done
    again = hil(place, "--workers", "2", out="both")
    assert again.returncode == 0, again.stderr
    assert len(set(finished(path))) == len(finished(path))
    assert (path / "trials.csv").read_bytes() == reference


class Deadly:
    """A job that ends the process that takes it."""

    def __reduce__(self) -> Any:
        return os._exit, (1,)


def test_a_trial_that_kills_every_worker_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "DEATHS", 2)
    jobs: Any = [(Deadly(), None)]
    with pool.open_pool(2) as evaluate, pytest.raises(ValueError, match="killed every worker"):
        list(evaluate(jobs))


def test_ctrl_c_of_a_terminal_reaches_the_workers_too(place: Path) -> None:
    words = [*HIL, "study.toml", "--workers", "2", "--out", "terminal"]
    process = subprocess.Popen(
        words, cwd=place, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait(process, lambda: len(finished(place / "terminal")) >= 1)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "hil: stopped; go on with: hil study terminal\n"


def test_ctrl_c_says_how_to_go_on(
    place: Path, reference: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = begun(place, "--workers", "1", out="stopped")
    wait(process, lambda: len(finished(place / "stopped")) >= 2)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: hil study stopped" in error and error.count("\n") == 1
    monkeypatch.chdir(place)
    again = command("study", "stopped")
    assert again.exit_code == 0, again.stderr
    assert (place / "stopped" / "trials.csv").read_bytes() == reference


def test_json_is_one_object(place: Path, reference: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    done = command("study", "study.toml", "--workers", "1", "--json", "--out", "reference")
    result = json.loads(done.stdout)
    assert result["trials"] == 8 and result["failed"] == 0
    with (place / result["table"]).open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 8 and {row["rule"] for row in rows} == {"adfa", "spsa"}
    assert (place / result["page"]).read_text(encoding="utf-8").startswith("<!doctype html>")


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
    assert "base.training.epochs there is 2, asked for is 7" in error
    assert "--budget" not in error and "choose another --out" in error
    error = refusal(["reference", "--task", "digits"], capsys)
    assert "goes on as it began" in error
    assert (place / "reference" / "trials.csv").read_bytes() == reference


def test_a_studys_own_file_is_the_study(place: Path, reference: bytes) -> None:
    """`study.toml` of the folder says all: read again, it is the same study."""
    first = loader.build(loader.read(place / "study.toml"))
    assert loader.build(loader.read(place / "reference" / "study.toml")) == first


@pytest.mark.thorough
def test_an_existing_scheduler_gives_the_same_table(place: Path, reference: bytes) -> None:
    with cluster(2) as address:
        done = hil(place, "--scheduler", address, out="elsewhere")
    assert done.returncode == 0, done.stderr
    assert (place / "elsewhere" / "trials.csv").read_bytes() == reference


def test_workers_of_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_versions(client: Client, **options: Any) -> Any:
        versions = real(client, **options)
        versions["client"]["packages"]["numpy"] = "0.1"
        return versions

    real = Client.get_versions
    with cluster(1) as address:
        monkeypatch.setattr(Client, "get_versions", get_versions)
        said = r"numpy .*here is 0\.1: install the same"
        with pytest.raises(ValueError, match=said) as error, pool.open_pool(1, address):
            pass
    assert "\n" not in str(error.value) and address in str(error.value)


def test_no_scheduler_and_one_without_workers(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(pool, "PATIENCE", 0.5)
    said = refusal(["study.toml", "--scheduler", "tcp://127.0.0.1:9", "--out", "nobody"], capsys)
    assert said.startswith("hil: --scheduler tcp://127.0.0.1:9: no scheduler there")
    with (
        cluster(0) as address,
        pytest.raises(ValueError, match="has no workers"),
        pool.open_pool(1, address),
    ):
        pass


def test_without_dask_a_scheduler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = r"pip install .*spikeloop\[dask\]"
    with pytest.raises(ValueError, match=said), pool.open_pool(1, "tcp://127.0.0.1:9"):
        pass
