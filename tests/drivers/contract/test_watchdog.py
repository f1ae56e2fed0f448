"""A driver that hangs is ended in one line, whatever it waits for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import drivers
from drivers.contract.answers import DriverCall
from drivers.contract.watchdog import WATCHDOG
from support.hanging_device import WAYS, Hanging
from support.paths import ROOT

INTERRUPTED = ("sleep", "loop", "lock", "queue", "retry")
LIMIT = 0.4  # seconds
LINE = (
    f"Hanging._run did not return within {LIMIT} s: look at what it waits for, or allow more with"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog looks more often than it needs to, so that tests last less."""
    monkeypatch.setattr("drivers.contract.watchdog.TICK", 0.05)


class Driver:
    """What `DriverCall` needs of a driver."""

    def __init__(self, limit: float) -> None:
        self.call_limit = limit


def hang(how: str, limit: float = LIMIT) -> str:
    with pytest.raises(drivers.DeviceHung) as caught, DriverCall(Driver(limit), "_run"):
        WAYS[how]()
    return str(caught.value)


@pytest.mark.parametrize("how", INTERRUPTED)
def test_whatever_waits_in_python_is_interrupted(how: str) -> None:
    handler, began = signal.getsignal(signal.SIGALRM), time.perf_counter()
    message = hang(how)
    assert time.perf_counter() - began > 0.9 * LIMIT  # and not for ever, as it would wait by itself
    assert (
        message.startswith(f"Driver._run did not return within {LIMIT} s: ") and "\n" not in message
    )
    assert signal.getsignal(signal.SIGALRM) == handler and not WATCHDOG.calls


def test_calls_within_their_limit_are_left_alone() -> None:
    driver = Driver(0.8)
    for _ in range(5):  # longer than the limit together
        with DriverCall(driver, "_run"):
            time.sleep(0.2)
    assert not WATCHDOG.calls


def test_time_in_which_nothing_runs_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, real = [0.0], time.monotonic
    monkeypatch.setattr("drivers.contract.watchdog.time.monotonic", lambda: real() + clock[0])
    with DriverCall(Driver(3.0), "_run"):
        time.sleep(0.2)
        clock[0] = 3600.0  # as after a process was suspended for an hour
        time.sleep(0.2)


def test_time_before_a_call_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with DriverCall(Driver(60.0), "_run"):  # the thread is there, and between two looks
        time.sleep(0.1)
    monkeypatch.setattr("drivers.contract.watchdog.TICK", 0.5)
    time.sleep(0.45)  # most of the time between two looks is over when the call begins
    began = time.perf_counter()
    hang("sleep", limit=0.7)
    assert time.perf_counter() - began > 0.6


def test_a_call_within_another_one_names_it_and_has_its_time() -> None:
    inner, outer = Driver(LIMIT), Driver(600.0)
    with DriverCall(outer, "_run"), DriverCall(inner, "_write"):
        time.sleep(1.5 * LIMIT)
    named = pytest.raises(
        drivers.DeviceHung, match=rf"Driver\._write did not return within {LIMIT}"
    )
    with named, DriverCall(inner, "_run"), DriverCall(outer, "_write"):
        time.sleep(100)


def test_an_alarm_of_others_goes_to_its_handler() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
    try:
        with DriverCall(Driver(60.0), "_run"):
            os.kill(os.getpid(), signal.SIGALRM)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard == [signal.SIGALRM]


def test_a_device_that_hung_is_closed_or_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.contract.answers.AFTER_HANGING", 0.2)
    driver = Driver(LIMIT)
    for limit in (LIMIT, 0.2):
        hung = pytest.raises(drivers.DeviceHung, match=f"did not return within {limit} s")
        with hung, DriverCall(driver, "_close"):
            time.sleep(100)


SCRIPT = """
import sys, threading
sys.path.insert(0, {tests!r})
from support.hanging_device import Hanging
from drivers import Network, Stimulus
from drivers.contract import watchdog

watchdog.LEAST_GRACE = 0.4

def go():
    device = Hanging({file!r}, how={how!r})
    device.call_limit = {limit}
    device.configure(Network.feed_forward((2, 2)))
    device.run(Stimulus.current([[0.0, 0.0]], steps=2))

if {thread}:
    other = threading.Thread(target=go)
    other.start()
    other.join()
else:
    go()
"""


def ended(tmp_path: Path, how: str, thread: bool = False) -> subprocess.CompletedProcess[str]:
    values = {"tests": str(ROOT / "tests"), "file": str(tmp_path), "how": how, "thread": thread}
    values["limit"] = LIMIT
    script = tmp_path / "hangs.py"
    script.write_text(SCRIPT.format(**values))
    return subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},  # else `tests/drivers` is taken for it
    )


@pytest.mark.parametrize(
    ("how", "thread"), [("native", False), ("swallow", False), ("sleep", True), ("loop", True)]
)
def test_what_cannot_be_interrupted_takes_the_process_with_it(
    tmp_path: Path, how: str, thread: bool
) -> None:
    found = ended(tmp_path, how, thread)
    assert found.returncode == 2 and found.stdout == ""
    assert found.stderr.startswith(f"hangs.py: {LINE}") and found.stderr.count("\n") == 1


# -- where the limit comes from ---------------------------------------------------------------


@pytest.fixture
def scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.registry.BUILTIN", {"hanging": "support.hanging_device:Hanging"})


def test_every_address_takes_a_limit(scheme: None, tmp_path: Path) -> None:
    plain = drivers.open("hanging:x")
    asked = drivers.open("hanging:x?run=3&call_limit=2.5", record=tmp_path / "a.session")
    assert plain.call_limit == drivers.Device.call_limit == 600
    assert asked.call_limit == 2.5


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_limit_that_is_none_is_refused(scheme: None, given: str) -> None:
    with pytest.raises(drivers.SettingError, match=rf"call_limit={given}: give seconds from 1"):
        drivers.open(f"hanging:x?call_limit={given}")


def test_a_device_that_hangs_while_it_is_opened(
    scheme: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hanging, "from_url", classmethod(lambda *_: time.sleep(100)))
    with pytest.raises(drivers.DeviceHung, match=r"Hanging\.from_url did not return within 1 s"):
        drivers.open("hanging:x?call_limit=1")


# -- whatever a driver raises -----------------------------------------------------------------


class Unreadable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (SystemExit(3), "SystemExit: 3;"),
        (Unreadable(), "Unreadable;"),
        (RuntimeError("one\n\ttwo\r\nthree"), "RuntimeError: one two three;"),
        (RuntimeError("x " * 5000), "RuntimeError: " + "x " * 250 + "...;"),
        (UserWarning("old"), "UserWarning: old;"),
        (StopIteration(), "StopIteration;"),
    ],
)
def test_whatever_a_driver_raises_is_one_line(raised: BaseException, told: str) -> None:
    with pytest.raises(drivers.DriverError) as caught, DriverCall(Driver(60.0), "_run"):
        raise raised
    assert str(caught.value).startswith(f"Driver._run raised {told} ")
    assert caught.value.__cause__ is raised


def test_ctrl_c_in_a_driver_stays_what_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), DriverCall(Driver(60.0), "_run"):
        raise KeyboardInterrupt


def test_threads_are_watched_side_by_side() -> None:
    seen: list[Any] = []

    def call() -> None:
        with DriverCall(Driver(60.0), "_run"):
            time.sleep(0.3)
            seen.append(len(WATCHDOG.calls))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen) == 3 and not WATCHDOG.calls
