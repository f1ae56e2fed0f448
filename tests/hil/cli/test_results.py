"""What a run gives, in a terminal, piped and as JSON."""

import json
import re
from pathlib import Path

import pytest

from hil.runs.folder import RESULT
from support.command_line import SMALL, command, on_a_terminal, process, weights

FIGURES = {
    "task", "rule", "observe", "device", "seed", "test_accuracy", "test_accuracy_ci95",
    "train_seconds", "device_seconds", "host_seconds", "samples_per_second", "peak_rss_mb",
}  # fmt: skip


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    path = tmp_path_factory.mktemp("piped") / "run"
    found = process("train", "digits", *SMALL, "--seed", "5", "--json", "--out", path)
    assert found.returncode == 0, found.stderr
    return path, found.stdout, found.stderr


def test_json_is_the_result_and_nothing_else(piped: tuple[Path, str, str]) -> None:
    path, printed, said = piped
    assert printed.count("\n") == 1
    assert re.fullmatch(r"(hil: [^\n]+: see the report\n)?", said)
    found = json.loads(printed)
    places = {"run": str(path), "page": str(path / "report.html")}
    assert found == places | json.loads((path / RESULT).read_text())
    assert found.keys() >= FIGURES
    assert (found["task"], found["rule"], found["seed"]) == ("digits", "adfa", 5)
    assert (found["observe"], found["device"]) == ("membrane", "emulator:mixed-signal")
    low, high = found["test_accuracy_ci95"]
    assert 0 <= low < found["test_accuracy"] < high <= 1
    assert found["train_seconds"] >= found["device_seconds"] > 0
    assert found["train_seconds"] >= found["host_seconds"] > 0
    assert found["samples_per_second"] > 0 and found["peak_rss_mb"] > 10


def test_a_command_in_a_new_process_is_the_same_run(
    piped: tuple[Path, str, str], trained: Path
) -> None:
    assert weights(piped[0]) == weights(trained)


def test_what_is_piped_is_plain(trained: Path) -> None:
    for arguments in (("tasks",), ("devices",), ("resume", trained)):
        found = process(*arguments)
        assert (found.returncode, found.stderr) == (0, "")
        assert "\x1b" not in found.stdout and found.stdout.isascii()
        rows = [line.split("\t") for line in found.stdout.splitlines()]
        assert all(len(row) == 2 for row in rows[:-1])
        assert rows[0] in (["task", "what it asks"], ["device", "what it is"], ["result", "value"])
    assert rows[-1] == [str(trained / "report.html")]
    assert ["task", "digits"] in rows


def test_the_lists_name_what_can_be_asked_for() -> None:
    found = command("tasks").stdout
    assert all(name in found for name in ("digits", "mnist", "yinyang", "npz:FILE"))
    found = command("devices").stdout
    assert all(name in found for name in ("emulator:ideal", "emulator:mixed-signal"))


def test_a_terminal_shows_progress_and_then_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    code, drawn = on_a_terminal(
        "train", "digits", "--hidden", "30", "--epochs", "4", "--out", "run"
    )
    assert code == 0
    first = drawn.index("opening the device")
    batches = re.search(r"epoch \d .*\d+/\d+ batches, [\d.]+/s, \d:\d\d:\d\d left", drawn)
    epoch = re.search(r"epoch 1: training [\d.]+ %, validation [\d.]+ %, [\d.]+ s", drawn)
    assert batches and epoch
    assert first < batches.start()
    result = drawn[drawn.rindex("test accuracy") :]
    assert epoch.start() < drawn.rindex("test accuracy")
    assert result.split()[-1] == "run/report.html"


def test_findings_are_told_once_and_in_one_line_when_piped() -> None:
    options = ["--epochs", "2", "--hidden", "40", "--device", "emulator:ideal?dead_fraction=0.2"]
    piped = command("train", "digits", *options, "--out", "run")
    assert piped.exit_code == 0
    line = r"hil: hidden layer 1 has dead neurons(; class \d is never answered)?: see the report\n"
    assert re.fullmatch(line, piped.stderr)
    said = json.loads((Path("run") / RESULT).read_text())["findings"]
    assert [(f["epoch"], f["where"]) for f in said if f["kind"] == "dead"] == [
        (2, "hidden layer 1")
    ]
    code, drawn = on_a_terminal("train", "digits", *options, "--out", "drawn")
    assert code == 0
    assert drawn.count("hidden layer 1 has dead neurons") == 1
    assert drawn.count("[epoch 1] hidden layer 1 has dead neurons: ") == 1
