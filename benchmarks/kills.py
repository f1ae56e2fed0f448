"""Kill trainings and a study at random moments, go on with them, and see that nothing tells.

    python benchmarks/kills.py 100 [KIND ...]

The kinds are `emulator`, a run on an emulated chip, `board`, one on the firmware as a process of
this machine, and `study`, on two workers. The kills are shared out among them. A command is killed
(SIGKILL) anywhere in the time that it takes undisturbed, and gone on with, until it has ended; then
the next chain of kills begins. Each chain has to end with the weights, metrics, results and table
of the command that nobody killed, and leave no process, draft or other file behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

# As `hil`, with a checkpoint at the end of every epoch.
HIL = [
    sys.executable,
    "-c",
    "from hil.loop import epochs; epochs.CHECKPOINT_SECONDS = 0.0; "
    "from hil.cli.app import app; app()",
]
SMALL = ["--hidden", "20", "--epochs", "3", "--seed", "3"]
CHIP = "emulator:mixed-signal?chip=5&membrane_noise=0.1&spike_loss=0.05&programming_noise=0.05"
KINDS = ("emulator", "board", "study")
MARK = "KILLS_MARK"
GONE = 10.0  # seconds that what a killed command started may take to end
STUDY = """
version = 1
name = "tiny"
[base]
device = "emulator:mixed-signal?membrane_noise=0.1"
[base.network]
hidden = [12]
[base.training]
epochs = 1
[factors.rule]
key = "rule.name"
levels = ["adfa", "bp", "output_only"]
[factors.mode]
key = "mode"
levels = ["scratch", "deploy"]
[pretrain]
device = "emulator:ideal"
[repeat]
what = "both"
times = 2
"""


def main() -> None:
    """Kill as often as asked, and print a row for each kind."""
    times, kinds = int(sys.argv[1]), sys.argv[2:] or list(KINDS)
    print("| kind | kills | chains | ended alike | leftovers | undisturbed, s |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(kinds):
            share = times * (number + 1) // len(kinds) - times * number // len(kinds)
            print("|", " | ".join(map(str, killed(kind, share, Path(folder)))), "|", flush=True)


def killed(kind: str, times: int, place: Path, seed: int = 0) -> tuple[object, ...]:
    """Kill a command of a kind so many times.

    Args:
        kind: One of `KINDS`.
        times: How many kills.
        place: A folder for what is written.
        seed: Of the moments.

    Returns:
        The kind, the kills, the chains, those that ended alike, what was left behind, and the
        seconds that the command takes undisturbed.
    """
    (place / "study.toml").write_text(STUDY, encoding="utf-8")
    if kind == "board":
        from drivers import firmware

        with firmware.start("native") as board:
            return _chains(kind, f"board:{board.url}", times, place, Random(seed))
    return _chains(kind, CHIP, times, place, Random(seed))


def _chains(kind: str, device: str, times: int, place: Path, rng: Random) -> tuple[object, ...]:
    reference, path = place / f"{kind}-reference" / "it", place / kind / "it"
    for each in (reference, path):
        each.parent.mkdir()
    began = time.monotonic()
    _ended(_begun(kind, device, reference, "reference"))
    seconds = time.monotonic() - began
    kills = chains = alike = left = 0
    while kills < times:
        mark, fresh, began = f"{os.getpid()}.{kind}.{kills}", not path.exists(), time.monotonic()
        process = _begun(kind, device, path, mark)
        try:
            process.wait(rng.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        _read(process)
        if fresh and process.returncode == 0:  # the machine has more time now than it had
            seconds = min(seconds, time.monotonic() - began)
        left += _waited(lambda mark=mark: not marked(mark))  # type: ignore[misc]
        if process.returncode == 0 or kills == times:
            if process.returncode:
                _ended(_begun(kind, device, path, mark))
            chains += 1
            alike += outcome(kind, path) == outcome(kind, reference)
            left += files(path.parent) != files(reference.parent)
            path.parent.rename(place / f"{kind}-{chains}")
            path.parent.mkdir()
        elif process.returncode != -signal.SIGKILL:
            raise SystemExit(f"{kind}: ended by itself with {process.returncode}")
    return kind, kills, chains, alike, left, round(seconds, 1)


def _begun(kind: str, device: str, path: Path, mark: str) -> subprocess.Popen[bytes]:
    """Begin a command, or go on with what it has written."""
    if kind == "study":
        arguments = ["study", "study.toml", "--workers", "2", "--out", str(path)]
    elif path.exists():
        arguments = ["resume", str(path)]
    else:
        arguments = ["train", "digits", "--device", device, *SMALL, "--out", str(path)]
    return subprocess.Popen(
        [*HIL, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, MARK: mark},
        cwd=path.parents[1],
    )


def _read(process: subprocess.Popen[bytes]) -> str:
    said = process.communicate()[1].decode()
    if process.returncode not in (0, -signal.SIGKILL):
        print(said, file=sys.stderr)
    return said


def _ended(process: subprocess.Popen[bytes]) -> None:
    _read(process)
    if process.returncode:
        raise SystemExit(f"ended with {process.returncode}")


def _waited(until: Callable[[], bool]) -> bool:
    """Tell if something did not come to hold in time."""
    limit = time.monotonic() + GONE
    while not until():
        if time.monotonic() > limit:
            return True
        time.sleep(0.02)
    return False


def marked(mark: str) -> list[int]:
    """Processes whose environment has the mark."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path("/proc", pid, "environ").read_bytes()
        except OSError:
            continue
        if f"{MARK}={mark}".encode() in environment.split(b"\0"):
            found.append(int(pid))
    return found


def files(folder: Path) -> list[str]:
    """All files of a folder, by their path below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def outcome(kind: str, path: Path) -> dict[str, Any]:
    """Outcome of a command, without times; of a board, without what it was paid again."""
    if kind == "study":
        weights = {file.name: _arrays(file) for file in (path / "weights").iterdir()}
        return {"table": (path / "trials.csv").read_bytes(), "weights": weights}
    from hil.runs.folder import Run

    run = Run.open(path)
    arrays = _arrays(path / "checkpoint.npz")
    timed = ("train_state", "config") if kind == "emulator" else ("train_state", "config", "costs/")
    return {
        "arrays": {name: a for name, a in arrays.items() if not name.startswith(timed)},
        "metrics": [_timeless(row) for row in run.metrics()],
        "result": _timeless(json.loads((path / "result.json").read_text()), kind == "emulator"),
        "snapshot": _arrays(path / "snapshot.npz"),
    }


def _arrays(path: Path) -> dict[str, bytes]:
    with np.load(path) as found:
        return {name: found[name].tobytes() for name in found.files}


def _timeless(row: dict[str, Any], paid: bool = True) -> dict[str, Any]:
    return {
        key: value
        for key, value in row.items()
        if "second" not in key and key != "peak_rss_mb" and (paid or key != "costs")
    }


if __name__ == "__main__":
    main()
