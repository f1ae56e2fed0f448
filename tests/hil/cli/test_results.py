"""What a run gives, in a terminal, piped and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hil
from hil.runs.folder import CONFIG, RESULT, Run
from support.command_line import SMALL, command, contents, on_a_terminal, process, refusal, weights

FIGURES = {
    "task", "rule", "observe", "device", "seed", "test_accuracy", "test_accuracy_ci95",
    "train_seconds", "device_seconds", "host_seconds", "samples_per_second", "peak_rss_mb",
}  # fmt: skip


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    path = tmp_path_factory.mktemp("piped") / "run"
    done = process("train", "digits", *SMALL, "--seed", "5", "--json", "--out", path)
    assert done.returncode == 0, done.stderr
    return path, done.stdout, done.stderr


def test_json_is_the_result_and_nothing_else(piped: tuple[Path, str, str]) -> None:
    path, printed, said = piped
    assert printed.count("\n") == 1
    assert re.fullmatch(r"(hil: [^\n]+: see the report\n)?", said)
    result = json.loads(printed)
    places = {"run": str(path), "page": str(path / "report.html")}
    assert result == places | json.loads((path / RESULT).read_text())
    assert result.keys() >= FIGURES
    assert (result["task"], result["rule"], result["seed"]) == ("digits", "adfa", 5)
    assert (result["observe"], result["device"]) == ("membrane", "emulator:mixed-signal")
    low, high = result["test_accuracy_ci95"]
    assert 0 <= low < result["test_accuracy"] < high <= 1
    assert result["train_seconds"] >= result["device_seconds"] > 0
    assert result["train_seconds"] >= result["host_seconds"] > 0
    assert result["samples_per_second"] > 0 and result["peak_rss_mb"] > 10


def test_a_command_in_a_new_process_is_the_same_run(
    piped: tuple[Path, str, str], trained: Path
) -> None:
    assert weights(piped[0]) == weights(trained)


def test_what_is_piped_is_plain(trained: Path) -> None:
    for arguments in (("tasks",), ("devices",), ("resume", trained)):
        done = process(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout and done.stdout.isascii()
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        assert all(len(row) == 2 for row in rows[:-1])
        assert rows[0] in (["task", "what it asks"], ["device", "what it is"], ["result", "value"])
    assert rows[-1] == [str(trained / "report.html")]
    assert ["task", "digits"] in rows


def test_the_lists_name_what_can_be_asked_for() -> None:
    listing = command("tasks").stdout
    assert all(name in listing for name in ("digits", "mnist", "yinyang", "npz:FILE"))
    listing = command("devices").stdout
    assert all(name in listing for name in ("emulator:ideal", "emulator:mixed-signal"))


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


def test_evaluating_reproduces_the_accuracy_and_changes_nothing(trained: Path) -> None:
    before = contents(trained), {p.name: p.stat().st_mtime_ns for p in trained.iterdir()}
    result = json.loads(command("evaluate", trained, "--json").stdout)
    own = json.loads((trained / RESULT).read_text())
    assert result["test_accuracy"] == result["trained_accuracy"] == own["test_accuracy"]
    assert result["test_accuracy_ci95"] == own["test_accuracy_ci95"]
    assert result["device"] == result["trained_on"] == own["device"]
    assert result["costs"]["inference"] == own["costs"]["inference"]
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
    # Hidden rates are estimated there too.
    assert re.search(r"spikes of neurons [1-9][\d. ]*, synaptic events [1-9]", result.stdout)
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


def test_a_run_is_tested_on_new_samples_from_a_file_of_any_format() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = np.where(y[:, None], 0.75, 0.25) + rng.uniform(-0.2, 0.2, (120, 3))
    frame = pd.DataFrame(x * [100, 0.01, 7] + [-50, 3, 0], columns=["volt", "gram", "step"])
    frame["kind"] = np.array(["no", "yes"])[y]
    frame[:80].to_csv("first.csv", index=False)
    small = ["--device", "emulator:ideal", "--epochs", "20", "--out", "run"]
    assert command("train", "csv:first.csv?label=kind", *small).exit_code == 0
    Path("first.csv").unlink()  # which is not asked for
    new = frame[80:]
    new.iloc[:, ::-1].to_csv("new.csv", index=False, sep=";")
    new.rename(columns={"kind": "label"}).to_parquet("new.parquet")
    np.savez("new.npz", x=new.iloc[:, :3].to_numpy(), y=new["kind"].to_numpy().astype(str))
    files = ("csv:new.csv", "parquet:new.parquet?label=label", "npz:new.npz")
    results = [json.loads(command("evaluate", "run", "--on", on, "--json").stdout) for on in files]
    assert [one["on"] for one in results] == list(files)
    assert results[0]["test_accuracy"] > 0.9
    for one in results[1:]:
        assert one["confusion"] == results[0]["confusion"]
    (a, b), (c, d) = results[0]["confusion"]
    assert a + b == c + d == 20 and (a + d) / 40 == results[0]["test_accuracy"]
    assert results[0]["classes"] == ["no", "yes"]
    shown = command("evaluate", "run", "--on", "csv:new.csv").stdout
    assert f"answers to no\t{a} no" in shown and "balanced accuracy" in shown
    new.drop(columns="gram").to_csv("less.csv", index=False)
    new.assign(kind="perhaps").to_csv("other.csv", index=False)
    assert "lacks gram" in refusal("evaluate", "run", "--on", "csv:less.csv")
    assert "labels 'perhaps'" in refusal("evaluate", "run", "--on", "csv:other.csv")
    assert "csv:FILE, hdf5:FILE, npz:FILE" in refusal("evaluate", "run", "--on", "digits")
    assert "one of them" in refusal("evaluate", "run", "--on", "csv:new.csv", "--data", "new.csv")


TINY = ["--device", "emulator:ideal", "--hidden", "10"]
SETTINGS = ["--set", "training.batch=10", "--set", "optimiser.schedule=constant"]
NAMES = ["a", "b", "c"]


@pytest.fixture
def table() -> pd.DataFrame:
    """Two classes that lie apart, in a file `all.csv`, and a run `run` on it."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = np.where(y[:, None], 0.8, 0.2) + rng.uniform(-0.2, 0.2, (60, 3))
    frame = pd.DataFrame(x, columns=NAMES).assign(kind=np.array(["no", "yes"])[y])
    frame.to_csv("all.csv", index=False)
    return frame


def train(out: str, *options: str) -> None:
    task = "csv:all.csv?label=kind"
    done = command("train", task, *TINY, *SETTINGS, *options, "--out", out)
    assert done.exit_code == 0, done.output


def test_files_are_answered_as_arrays_are(table: pd.DataFrame) -> None:
    train("run", "--epochs", "3")
    before = contents(Path("run"))
    x = table[NAMES].to_numpy()
    run = hil.load("run")
    table[NAMES].to_csv("new.csv", index=False)
    table[["c", "kind", "a", "b"]].to_parquet("new.parquet")  # labels are left out
    np.savez("new.npz", x=x)
    for file in ("new.csv", "new.parquet", "npz:new.npz"):
        done = command("predict", "run", file, "--out", "out.parquet")
        assert done.exit_code == 0, done.output
        frame = pd.read_parquet("out.parquet")
        assert list(frame) == ["label", "score no", "score yes", "fired"]
        assert (frame["label"] == run.predict(x)).all()
        np.testing.assert_array_equal(frame[["score no", "score yes"]], run.scores(x))
    np.testing.assert_array_equal(frame["fired"], (run.scores(x) > 1e-3).any(axis=1))
    silent = command("predict", "run", "new.csv")
    assert f"no output fired for {(~frame['fired']).sum()}" in silent.stderr
    assert len(silent.stdout.splitlines()) == 61
    assert contents(Path("run")) == before


def test_files_that_do_not_fit_are_refused(table: pd.DataFrame) -> None:
    train("run", "--epochs", "1")
    table[["a", "b"]].to_csv("few.csv", index=False)
    table[NAMES].assign(id=1).to_csv("more.csv", index=False)
    np.savez("few.npz", x=table[["a", "b"]].to_numpy())
    assert "lacks c" in refusal("predict", "run", "few.csv")
    assert "csv:more.csv?label=kind&drop=id" in refusal("predict", "run", "more.csv")
    assert "(samples, 3)" in refusal("predict", "run", "few.npz")
    assert "no run folder" in refusal("predict", "nowhere", "all.csv")
    assert ".parquet" in refusal("predict", "run", "all.csv", "--out", "x.txt")
    assert "no folder" in refusal("predict", "run", "all.csv", "--out", "x/y.csv")


def test_a_longer_run_is_the_one_trained_so_long_from_the_start(table: pd.DataFrame) -> None:
    train("short", "--epochs", "2")
    train("long", "--epochs", "4")
    assert "2 are done" in refusal("resume", "short", "--epochs", "2")
    done = command("resume", "short", "--epochs", "4")
    assert done.exit_code == 0, done.output
    assert weights(Path("short")) == weights(Path("long"))
    one, other = (json.loads(Path(run, "result.json").read_text()) for run in ("short", "long"))
    assert one["epochs"] == 4 and one["test_accuracy"] == other["test_accuracy"]
    assert Path("short", CONFIG).read_text() == Path("long", CONFIG).read_text()


def test_the_best_epoch_is_kept_and_ends_the_training(table: pd.DataFrame) -> None:
    train("best", "--epochs", "50", "--set", "training.patience=2")
    run = Run.open("best")
    result, curve = run.result(), [row["validation_accuracy"] for row in run.metrics()]
    assert result is not None
    kept = result["kept_epoch"]
    assert kept == 1 + int(np.argmax(curve)) and len(curve) == result["epochs"] == kept + 2
    assert result["validation_accuracy"] == max(curve)
    train("until", "--epochs", str(kept))
    assert all(
        (a == b).all()
        for a, b in zip(hil.load("best").weights, hil.load("until").weights, strict=True)
    )
    evaluation = json.loads(command("evaluate", "best", "--json").stdout)
    assert evaluation["test_accuracy"] == result["test_accuracy"]
    options = ["--set", "training.patience=2", "--set", "training.validation_fraction=0"]
    assert "validation" in refusal("train", "csv:all.csv?label=kind", *TINY, *options)


def test_runs_are_listed_with_what_they_differ_in(table: pd.DataFrame) -> None:
    train("runs/one", "--epochs", "1")
    train("runs/two", "--epochs", "1", "--seed", "3", "--set", "homeostasis.weight=0.5")
    header, *rows = command("runs").stdout.splitlines()
    assert header.startswith("run\tmade") and [row.split("\t")[0] for row in rows] == [
        "runs/one",
        "runs/two",
    ]
    assert "seed=3" in rows[1] and "homeostasis.weight=0.5" in rows[1] and " %" in rows[1]
    assert Run.open("runs/one").environment()["made"][:16].replace("T", " ") in rows[0]
    command("train", "digits", *TINY, "--epochs", "1", "--rule", "dfa", "--out", "runs/three")
    (other,) = [row for row in command("runs").stdout.splitlines() if "runs/three" in row]
    assert other.split("\t")[-1] == "seed=0, rule.name=dfa"  # all else follows from the task
    assert "no runs" in refusal("runs", "elsewhere")
    Path("runs/one", "environment.json").write_text("{}")
    left = command("runs")
    assert "runs/two" in left.stdout and "runs/one" in left.stderr and "runs/one" not in left.stdout
