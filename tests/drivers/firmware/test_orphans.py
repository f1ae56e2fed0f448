"""What is started ends with its starter, however that one ends."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from support.firmware_ports import need, ports
from support.paths import ROOT, tries

STARTER = """
import sys
from drivers import firmware
board = firmware.start(sys.argv[1])
print(board._process.pid, board._watch.pid, flush=True)
sys.stdin.read()
"""


def gone(pid: int, patience: float = 60.0) -> bool:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat") as state:
                if state.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("port", ports("native", "mps2"))
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_a_board_ends_with_its_starter(port: str, way: signal.Signals) -> None:
    need(port)
    command = [sys.executable, "-c", STARTER, port]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as starter:
        assert starter.stdout is not None
        pids = [int(word) for word in starter.stdout.readline().split()]
        assert not gone(pids[0], patience=0.1)
        starter.send_signal(way)
    assert all(gone(pid) for pid in pids)


def test_a_starter_killed_at_any_moment_leaves_nothing() -> None:
    """A mark in the environment of the starter is found in all that it started."""
    need("native")
    from drivers import firmware

    firmware.build("native")
    rng = np.random.default_rng(0)
    for number in range(tries(3, 12)):
        mark = f"ORPHAN_TEST={os.getpid()}.{number}"
        starter = subprocess.Popen(
            [sys.executable, "-m", "hil", "board", "demo"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict([mark.split("=")])},
            cwd=ROOT,
        )
        until = time.monotonic() + 120
        # What is started may be gone again at the next look: the compiler asked for its version.
        while (started := len(marked(mark))) < 2 and time.monotonic() < until:
            assert starter.poll() is None
            time.sleep(0.001)
        assert started >= 2
        time.sleep(rng.uniform(0, 0.01))
        starter.kill()
        starter.wait()
        # A shell without a terminal may wait for seconds until a busy machine lets it run and end.
        until = time.monotonic() + 60
        while marked(mark) and time.monotonic() < until:
            time.sleep(0.2)
        left = marked(mark)
        assert not left, subprocess.getoutput(
            f"ps -o pid,ppid,stat,wchan,etime,args -p {','.join(map(str, left))}"
        )


def marked(mark: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                if mark.encode() in environment.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            continue
    return found
