import contextlib
import gzip
import json
import os
import pty
import re
import resource
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import hil
from drivers import DeviceInfo, LinkError, ProbeOffer, Readout
from drivers.emulator.device import Emulator
from hil.cli.app import app
from hil.loop import training
from hil.runs.folder import CHECKPOINT, CONFIG, ENVIRONMENT, METRICS, RESULT, VERSION, Run

HIL = [sys.executable, "-m", "hil"]
SMALL = ["--hidden", "30", "--epochs", "1"]
FIGURES = {
    "task", "rule", "observe", "device", "seed", "test_accuracy", "test_accuracy_ci95",
    "train_seconds", "device_seconds", "host_seconds", "samples_per_second", "peak_rss_mb",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HIL, *map(str, arguments)], capture_output=True, text=True, **options)


def refusal(*arguments: str | Path, code: int = 2) -> str:
    """The one line that a command says before it gives up; no new file may be left."""
    before = contents(Path.cwd())
    result = command(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert re.fullmatch(r"hil: [^\n]+\n", result.stderr), result.stderr
    assert contents(Path.cwd()) == before
    return result.stderr


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != ".lock"
    }


def weights(run: Path) -> list[bytes]:
    arrays = Run.open(run).load_checkpoint()
    assert arrays is not None
    return [arrays[f"weights/{p}"].tobytes() for p in range(2)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the default, noisy chip."""
    path = tmp_path_factory.mktemp("trained") / "run"
    done = command("train", "digits", *SMALL, "--seed", "5", "--out", path)
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    path = tmp_path / "copied"
    path.mkdir()
    for file in trained.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    return path


# -- requests that cannot be met --------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("train digitz", ["'digitz'", "did you mean 'digits'", "fashion_mnist", "npz:FILE"]),
        ("train digits --rule adfaa", ["'adfaa'", "did you mean 'adfa'", "output_only"]),
        ("train digits --device emulater:ideal", ["'emulater'", "did you mean 'emulator'"]),
        ("train digits --device ideal", ["'ideal'", "scheme:target"]),
        ("train digits --device emulator:idael", ["'idael'", "did you mean 'ideal'"]),
        ("train digits --device emulator:ideal?leak=1", ["'leak'", "did you mean 'leak_cv'"]),
        ("train digits --device emulator:ideal?leak_cv=3", ["leak_cv = 3", "0 to 2"]),
        ("train digits --device emulator:ideal?leak_cv=nan", ["leak_cv = nan", "0 to 2"]),
        ("train digits --device emulator:ideal?weight_bits=2.5", ["weight_bits", "whole", "16"]),
        ("train digits --device emulator:ideal?leak_cv", ["leak_cv", "key=value"]),
        ("train digits --device emulator:ideal?chip=-1", ["chip = -1", "0 to"]),
        ("train digits --device emulator:ideal?neuron=lift", ["'lift'", "did you mean 'lif'"]),
        ("train digits --device emulator:ideal?reset=none", ["'none'", "soft", "hard"]),
        ("train digits --observe spike", ["'spike'", "'membrane' or 'spikes'"]),
        ("train digits --seed -1", ["seed = -1", "0"]),
        ("train digits --seed 9223372036854775808", ["seed", "9223372036854775808"]),
        ("train digits --epochs 0", ["training.epochs = 0", "greater than 0"]),
        ("train digits --hidden 0", ["network.hidden = 0", "greater than 0"]),
        ("train digits --hidden abc", ["--hidden abc", "500,500"]),
        ("train digits --hidden 10,,10", ["--hidden 10,,10", "500,500"]),
        ("train digits --hidden=", ["--hidden", "500,500"]),
        ("train digits --hidden 70000", ["70000 neurons", "65536"]),
        ("train digits --set training.batch=2000", ["2000 samples", "1024"]),
        ("train digits --set network.steps=200000", ["200000 steps", "100000"]),
        ("train digits --set activity.every=50", ["every 50 steps", "run of 20"]),
        ("train digits --set activity.estimator=crossing", ["did you mean 'crossings'"]),
        ("train digits --set network.settings.treshold=1", ["did you mean 'threshold'"]),
        ("train digits --set network.settings.threshold=99", ["threshold = 99 V", "0.1 to 10"]),
        ("train digits --set trainin.epochs=3", ["'trainin'", "did you mean 'training'"]),
        ("train digits --set training.epoch=3", ["'training.epoch'", "did you mean 'epochs'"]),
        ("train digits --set rule.gian=3", ["'rule.gian'", "did you mean 'gain'"]),
        ("train digits --rule dfa --set rule.gain=3", ["'rule.gain'", "steepness"]),
        ("train digits --set encoding.gian=3", ["'encoding.gian'", "did you mean 'gain'"]),
        ("train digits --set training.epochs=many", ["training.epochs = 'many'", "integer"]),
        ("train digits --set training.epochs", ["--set training.epochs", "section.key=value"]),
        ("train digits --set training=3", ["training = 3", "training.key=value"]),
        ("train digits --config missing.toml", ["missing.toml", "No such file"]),
        ("train digits --config .", ["Is a directory"]),
        ("train npz:missing.npz", ["missing.npz", "no such file"]),
        ("train npz:", ["npz:FILE"]),
        ("resume missing", ["missing is no run folder"]),
        ("evaluate missing", ["missing is no run folder"]),
        ("report missing", ["missing is no run folder"]),
        ("resume .", ["is no run folder"]),
    ],
)
def test_a_bad_request_is_one_line_and_leaves_nothing(arguments: str, expected: list[str]) -> None:
    message = refusal(*arguments.split(" "))
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    "content, expected",
    [
        ("[training\n", "no valid TOML"),
        ("[training]\nepoch = 3\n", "did you mean 'epochs'"),
        ("[rule]\nname = 'adfa'\nsteepness = 3\n", "'rule.steepness'"),
        ("seed = '1'\n", "seed = '1'"),
        ("task = 3\n", "task = 3"),
    ],
)
def test_a_bad_configuration_is_one_line(content: str, expected: str) -> None:
    Path("bad.toml").write_text(content)
    assert expected in refusal("train", "--config", "bad.toml")


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("trian", ["No such command 'trian'", "train"]),
        ("train digits --sed 3", ["No such option: --sed", "--seed"]),
        ("train digits --seed one", ["--seed", "integer"]),
        ("train digits --seed", ["--seed", "requires an argument"]),
        ("train digits mnist", ["unexpected extra argument", "mnist"]),
        ("resume", ["Missing argument", "RUN"]),
        ("report", ["Missing argument", "RUN"]),
    ],
)
def test_wrong_usage_is_answered_in_plain_words(arguments: str, expected: list[str]) -> None:
    result = command(*arguments.split(" "))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.isascii()
    for part in expected:
        assert part in result.stderr.splitlines()[-1]


# -- data that cannot be used -----------------------------------------------------------------


def arrays(**changes: Any) -> dict[str, Any]:
    x, y = np.eye(6, dtype=np.float32), np.arange(6) % 3
    return {"x_train": x, "y_train": y, "x_test": x, "y_test": y, **changes}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"x_train": np.full((6, 6), np.nan)}, "x_train holds NaN"),
        ({"x_test": np.ones((6, 5), np.float32)}, "x_test has samples of shape (5,)"),
        ({"x_train": np.ones(6)}, "x_train has shape (6,)"),
        ({"y_train": np.arange(5)}, "y_train has shape (5,)"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 7])}, "number the classes 0 to 3"),
        ({"y_test": np.array([0, 1, 2, 0, 1, 7])}, "labels 0 to 7"),
        ({"y_test": np.array([0, 1, 2, 0, 1, -1])}, "labels -1 to 2"),
        ({"y_test": np.arange(6) / 2}, "float64"),
        ({"x_train": np.empty((0, 6), np.float32), "y_train": np.arange(0)}, "x_train is empty"),
    ],
)
def test_bad_arrays_are_one_line(changes: dict[str, Any], expected: str) -> None:
    np.savez("own.npz", **arrays(**changes))
    message = refusal("train", "npz:own.npz", "--set", "training.validation_fraction=0")
    assert "own.npz" in message and expected in message


def test_a_bad_archive_is_one_line() -> None:
    found = arrays()
    del found["y_test"]
    np.savez("own.npz", **found)
    assert "holds no y_test" in refusal("train", "npz:own.npz")
    np.savez("own.npz", **arrays())
    Path("own.npz").write_bytes(Path("own.npz").read_bytes()[:-40])
    assert "cut short" in refusal("train", "npz:own.npz")
    Path("own.npz").write_text("1, 2, 3")
    assert "no npz archive" in refusal("train", "npz:own.npz")


def test_bad_files_of_a_task_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_DATA_DIR", str(Path.cwd()))
    folder = Path("mnist")
    folder.mkdir()
    pixels = bytes([0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(36)
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 9]) + bytes(range(9))
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    cut = folder / "train-images-idx3-ubyte.gz"
    cut.write_bytes(cut.read_bytes()[:-12])
    assert f"{cut}: the gzip stream is cut short" in refusal("train", "mnist")
    cut.unlink()
    assert "train-images-idx3-ubyte is missing" in refusal("train", "mnist")


# -- devices that cannot serve ----------------------------------------------------------------


class Limited(Emulator):
    """An emulated chip that lets itself be told what it shows and takes."""

    facts: dict[str, Any]

    @property
    def info(self) -> DeviceInfo:
        return replace(super().info, **self.facts)


@pytest.mark.parametrize(
    "facts, arguments, expected",
    [
        ({"probes": (ProbeOffer("membrane"),)}, "--observe spikes", "spikes of hidden layers"),
        ({"probes": (ProbeOffer("spikes"),)}, "--rule adfa", "membrane"),
        (
            {"probes": (ProbeOffer("membrane", "hidden"),)},
            "--set readout.source=membrane",
            "readout.source=counts",
        ),
        ({"stimuli": ("spikes",)}, "--set encoding.name=current", "takes spikes"),
        ({"max_layers": 2}, "--hidden 10,10", "3 neuron layers"),
        ({"max_inputs": 63}, "--hidden 10", "64 inputs"),
        ({"max_batch": 49}, "--set training.batch=50", "50 samples in a batch"),
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


# -- places and moments that are bad ----------------------------------------------------------


def test_a_place_that_cannot_be_written_is_one_line() -> None:
    Path("file").write_text("mine")
    assert "file/run cannot be made" in refusal("train", "digits", "--out", "file/run")
    assert "exists already" in refusal("train", "digits", "--out", "file")


def test_a_full_disk_is_one_line_with_the_way_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:  # the checkpoint of the second epoch
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        result = command("train", "digits", "--hidden", "30", "--epochs", "2", "--out", "run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "hil: No space left on device; go on with: hil resume run\n"
    assert len(Run.open("run").metrics()) == 1
    assert command("resume", "run").exit_code == 0
    assert len(Run.open("run").metrics()) == 2


def test_ctrl_c_while_data_are_loaded_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hil.tasks.load", stop)
    assert refusal("train", "digits", code=130) == "hil: stopped\n"


def test_too_little_memory_is_one_line() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, resource.RLIM_INFINITY))

    found = process("train", "digits", "--hidden", "30000,30000", preexec_fn=limit)
    assert (found.returncode, found.stdout) == (2, "")
    assert re.fullmatch(r"hil: [^\n]*memory[^\n]*\n", found.stderr)
    assert not Path("runs").exists()


def test_whoever_stops_reading_is_not_told_off() -> None:
    pipe = f"{shlex.join(HIL)} tasks | true"
    found = subprocess.run(pipe, shell=True, capture_output=True)
    assert found.stderr == b""


# -- run folders that are not as they should be -----------------------------------------------


COMMANDS = ["resume", "evaluate", "report"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_of_a_newer_version_is_one_line(name: str, copied: Path) -> None:
    (copied / ENVIRONMENT).write_text(json.dumps({"version": VERSION + 1}))
    assert "upgrade" in refusal(name, copied)


@pytest.mark.parametrize(
    "file, content, names",
    [
        (CONFIG, b"[training\n", COMMANDS),
        (CONFIG, b"seeed = 3\n", COMMANDS),
        (RESULT, b'{"test_acc', COMMANDS),
        (RESULT, b"[]", COMMANDS),
        (METRICS, b'{"epoch": 1, "st', ["report"]),
        (CHECKPOINT, b"PK\x03\x04", ["evaluate"]),
        (CHECKPOINT, b"", ["evaluate"]),
        ("snapshot.npz", b"PK\x03\x04", ["report"]),
    ],
)
def test_a_damaged_file_is_one_line(
    file: str, content: bytes, names: list[str], copied: Path
) -> None:
    (copied / file).write_bytes(content)
    for name in names:
        if file == CONFIG and name == "resume":
            (copied / RESULT).unlink()
        assert file in refusal(name, copied) or "seeed" in refusal(name, copied)


def test_a_damaged_checkpoint_stops_a_resumed_run(copied: Path) -> None:
    (copied / RESULT).unlink()
    path = copied / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-100])
    message = refusal("resume", copied)
    assert str(path) in message and "hil train --config" in message


def test_without_a_checkpoint_there_is_nothing_to_evaluate(copied: Path) -> None:
    (copied / CHECKPOINT).unlink()
    assert "no checkpoint" in refusal("evaluate", copied)


def test_a_run_in_use_is_one_line(copied: Path) -> None:
    (copied / RESULT).unlink()
    with Run.open(copied).locked():
        assert "in use by another process" in refusal("resume", copied)


# -- what a run gives -------------------------------------------------------------------------


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
    assert found == json.loads((path / RESULT).read_text())
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
    assert rows[-1] == [str(trained / "report.html")]
    assert ["task", "digits"] in rows


def test_the_lists_name_what_can_be_asked_for() -> None:
    found = command("tasks").stdout
    assert all(name in found for name in ("digits", "mnist", "yinyang", "npz:FILE"))
    found = command("devices").stdout
    assert all(name in found for name in ("emulator:ideal", "emulator:mixed-signal"))


def on_a_terminal(*arguments: str | Path) -> tuple[int, str]:
    """Exit code of a command in a terminal, and all that was ever drawn there."""
    screen, end = pty.openpty()
    running = subprocess.Popen([*HIL, *map(str, arguments)], stdin=end, stdout=end, stderr=end)
    os.close(end)
    drawn = b""
    with contextlib.suppress(OSError):  # which is how a terminal ends
        while found := os.read(screen, 65536):
            drawn += found
    os.close(screen)
    return running.wait(), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())


def test_a_terminal_shows_progress_and_then_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    code, drawn = on_a_terminal(
        "train", "digits", "--hidden", "30", "--epochs", "9", "--out", "run"
    )
    assert code == 0
    first = drawn.index("preparing")
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
    assert piped.stderr == "hil: hidden layer 1 has dead neurons: see the report\n"
    said = json.loads((Path("run") / RESULT).read_text())["findings"]
    assert [line[:40] for line in said] == ["[epoch 2] hidden layer 1 has dead neuron"]
    code, drawn = on_a_terminal("train", "digits", *options, "--out", "drawn")
    assert code == 0
    assert drawn.count("hidden layer 1 has dead neurons") == 1
    assert drawn.count("[epoch 1] hidden layer 1 has dead neurons: ") == 1


# -- configuration on the command line --------------------------------------------------------


def test_the_configuration_of_a_run_runs_it_again(trained: Path) -> None:
    assert command("train", "--config", trained / CONFIG, "--out", "again").exit_code == 0
    assert weights(Path("again")) == weights(trained)
    assert Path("again", CONFIG).read_text() == (trained / CONFIG).read_text()


def test_options_lie_on_the_file_and_set_on_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file.toml").write_text(
        "seed = 1\ntask = 'yinyang'\n[training]\nepochs = 11\nbatch = 12\n"
        "[rule]\nname = 'adfa'\ngain = 7.0\n[network]\nhidden = [13]\n"
    )
    made: list[dict[str, Any]] = []

    def keep(run: Run, *_: object) -> None:
        made.append(tomllib.loads((run.path / CONFIG).read_text()))
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", keep)
    base = ["train", "--config", "file.toml"]
    for arguments in (
        [],
        ["digits", "--seed", "2", "--epochs", "3", "--hidden", "20,21", "--observe", "spikes"],
        ["--seed", "2", "--set", "seed=3", "--epochs", "3", "--set", "training.epochs=4"],
        ["--rule", "dfa"],
        ["--rule", "adfa", "--set", "rule.shift=0.5"],
    ):
        assert command(*base, *arguments).exit_code == 130
    file, options, sets, renamed, kept = made
    assert (file["seed"], file["task"], file["training"]["epochs"]) == (1, "yinyang", 11)
    assert (file["rule"]["gain"], file["network"]["hidden"]) == (7, [13])
    assert (options["seed"], options["task"], options["observe"]) == (2, "digits", "spikes")
    assert (options["training"]["epochs"], options["training"]["batch"]) == (3, 12)
    assert options["network"]["hidden"] == [20, 21]
    assert (sets["seed"], sets["training"]["epochs"]) == (3, 4)
    assert renamed["rule"]["name"] == "dfa" and "gain" not in renamed["rule"]
    assert (kept["rule"]["gain"], kept["rule"]["shift"]) == (7, 0.5)


# -- evaluating and reporting -----------------------------------------------------------------


def test_evaluating_reproduces_the_accuracy_and_changes_nothing(trained: Path) -> None:
    before = contents(trained), {p.name: p.stat().st_mtime_ns for p in trained.iterdir()}
    found = json.loads(command("evaluate", trained, "--json").stdout)
    own = json.loads((trained / RESULT).read_text())
    assert found["test_accuracy"] == found["trained_accuracy"] == own["test_accuracy"]
    assert found["test_accuracy_ci95"] == own["test_accuracy_ci95"]
    assert found["device"] == found["trained_on"] == own["device"]
    assert (contents(trained), {p.name: p.stat().st_mtime_ns for p in trained.iterdir()}) == before


def test_what_was_trained_on_an_ideal_chip_is_the_same_on_another() -> None:
    ideal = ["--device", "emulator:ideal"]
    trained = command("train", "digits", *SMALL, *ideal, "--json", "--out", "run")
    deployed = command("evaluate", "run", *ideal, "--json")
    assert (
        json.loads(deployed.stdout)["test_accuracy"] == json.loads(trained.stdout)["test_accuracy"]
    )


def test_a_run_can_be_deployed_on_another_device(trained: Path) -> None:
    result = command("evaluate", trained, "--device", "emulator:ideal")
    assert result.exit_code == 0
    assert "device\temulator:ideal" in result.stdout
    assert "(on emulator:mixed-signal)" in result.stdout
    assert "'idael'" in refusal("evaluate", trained, "--device", "emulator:idael")


def test_pages_are_written_and_named(copied: Path, trained: Path) -> None:
    (copied / "report.html").unlink()
    assert command("report", copied).stdout == f"{copied}/report.html\n"
    assert (copied / "report.html").stat().st_size > 1000
    assert command("report", copied, trained, "--out", "both.html").stdout == "both.html\n"
    assert Path("both.html").stat().st_size > 1000
    assert "file" in refusal_after(lambda: Path("file").write_text(""), copied)


def refusal_after(prepare: Callable[[], object], run: Path) -> str:
    prepare()
    return refusal("report", run, "--out", "file/page.html")


# -- quick to start ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program, absent",
    [
        ("import hil", ["numpy", "typer", "rich"]),
        ("from hil.cli.app import app; app(['--help'], standalone_mode=False)", ["numpy", "rich"]),
    ],
)
def test_help_loads_nothing_heavy(program: str, absent: list[str]) -> None:
    heavy = [*absent, "brian2", "scipy", "sklearn", "matplotlib", "pydantic", "jinja2"]
    check = f"{program}\nimport sys\nassert not {{*sys.modules}} & {{*{heavy!r}}}"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", ["train", "resume", "evaluate", "report", "devices", "tasks"])
def test_every_command_explains_itself(name: str) -> None:
    found = command(name, "--help")
    assert found.exit_code == 0 and found.stdout.startswith("Usage:")
    assert name in command("--help").stdout
