"""Devices that cannot serve, and places and moments that are bad."""

import os
import re
import resource
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hil
from drivers import DeviceInfo, LinkError, ProbeOffer, Readout
from drivers.emulator.device import Emulator
from hil.runs.folder import Run
from support.command_line import HIL, command, process, refusal
from support.restated import restated


class Limited(Emulator):
    """An emulated chip that lets itself be told what it shows and takes."""

    facts: dict[str, Any]

    @property
    def info(self) -> DeviceInfo:
        return restated(super().info, **self.facts)


@pytest.mark.parametrize(
    "facts, arguments, expected",
    [
        ({"probes": (ProbeOffer("membrane"),)}, "--observe spikes", "spikes of hidden layers"),
        ({"probes": (ProbeOffer("spikes"),)}, "--rule bptt", "use --rule adfa or"),
        (
            {"probes": (ProbeOffer("membrane", "hidden"),)},
            "--set readout.source=membrane",
            "use readout.source=",
        ),
        ({"stimuli": ("spikes",)}, "--set encoding.name=current", "takes spikes"),
        ({"layers": 2}, "--hidden 10,10", "network.hidden=[10]"),
        ({"inputs": 63}, "--hidden 10", "64 inputs"),
        ({"steps": 19}, "--set network.steps=20", "network.steps=19"),
    ],
)
def test_what_a_device_cannot_serve_is_refused_before_training(
    facts: dict[str, Any], arguments: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limited, "facts", facts, raising=False)
    monkeypatch.setattr("drivers.registry.BUILTIN", {"limited": f"{__name__}:Limited"})
    device = ["--device", "limited:ideal"]
    assert expected in refusal("train", "digits", *device, *arguments.split(" "))
    with pytest.raises(ValueError, match=re.escape(expected)):
        hil.train("digits", device="limited:ideal", **as_sections(arguments.split(" ")))
    assert not Path("runs").exists()


def as_sections(arguments: list[str]) -> dict[str, Any]:
    """The same request to the function as to the command."""
    option, value = arguments
    if option == "--set":
        section, _, key = value.partition("=")[0].partition(".")
        text = value.partition("=")[2]
        return {section: {key: int(text) if text.isdigit() else text}}
    if option == "--hidden":
        return {"network": {"hidden": [int(size) for size in value.split(",")]}}
    return {option.removeprefix("--"): value}


class Broken(Emulator):
    """An emulated chip whose line breaks after the first batch."""

    def _run(self, *arguments: Any) -> Readout:
        if getattr(self, "ran", False):
            raise LinkError("no answer for 3 s: check the cable")
        self.ran = True
        return super()._run(*arguments)


def test_a_broken_line_is_told_with_the_way_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.registry.BUILTIN", {"broken": f"{__name__}:Broken"})
    result = command("train", "digits", "--device", "broken:ideal", "--out", "a run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "hil: no answer for 3 s: check the cable; go on with: hil resume 'a run'\n"
    )
    assert Run.open("a run").result() is None


class Crashes(Emulator):
    """An emulated chip whose driver has a mistake that shows at the third batch."""

    def _run(self, *arguments: Any) -> Readout:
        self.ran = getattr(self, "ran", 0) + 1
        if self.ran == 3:
            raise IndexError("list index out of range")
        return super()._run(*arguments)


class HalfCounts(Emulator):
    """An emulated chip whose driver gives halves of spikes."""

    def _run(self, *arguments: Any) -> Readout:
        good = super()._run(*arguments)
        return replace(good, counts=good.counts / 2)


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("Crashes", "Crashes._run raised IndexError: list index out of range"),
        ("HalfCounts", "HalfCounts._run gave counts as float64"),
    ],
)
def test_a_mistake_of_a_driver_is_told_with_the_way_to_go_on(
    driver: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.registry.BUILTIN", {"mine": f"{__name__}:{driver}"})
    result = command("train", "digits", "--device", "mine:ideal", "--out", "run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"hil: {words}") and result.stderr.count("\n") == 1
    assert result.stderr.endswith("; go on with: hil resume run\n")
    assert Run.open("run").result() is None


def test_a_place_that_cannot_be_written_is_one_line() -> None:
    Path("file").write_text("mine")
    assert "file/run cannot be made" in refusal("train", "digits", "--out", "file/run")
    assert "exists already" in refusal("train", "digits", "--out", "file")


def test_a_full_disk_is_one_line_with_the_way_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += "checkpoint" in Path(f"/proc/self/fd/{handle}").readlink().name
        if calls == 2:  # that of the second epoch
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        result = command("train", "digits", "--hidden", "30", "--epochs", "2", "--out", "run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "hil: run/checkpoint.npz: No space left on device; go on with: hil resume run\n"
    )
    assert len(Run.open("run").metrics()) == 1
    assert command("resume", "run").exit_code == 0
    assert len(Run.open("run").metrics()) == 2


def test_ctrl_c_while_data_are_loaded_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hil.tasks.load", stop)
    assert refusal("train", "digits", code=130) == "hil: stopped\n"


def test_ctrl_c_in_code_from_a_string_ends_with_a_code(tmp_path: Path) -> None:
    (tmp_path / "stopped.py").write_text("""exec("raise KeyboardInterrupt")""", encoding="utf-8")
    done = process("train", "digits", "--device", "emulator:stopped.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (130, "hil: stopped\n")


def test_too_little_memory_is_one_line() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, resource.RLIM_INFINITY))

    done = process("train", "digits", "--hidden", "11000,11000", preexec_fn=limit)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"hil: [^\n]*memory[^\n]*\n", done.stderr)
    assert not Path("runs").exists()


def test_whoever_stops_reading_is_not_told_off() -> None:
    pipe = f"{shlex.join(HIL)} tasks | true"
    done = subprocess.run(pipe, shell=True, capture_output=True)
    assert done.stderr == b""
