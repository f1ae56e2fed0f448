"""Predicting from files, going on for longer, keeping the best epoch, and listing runs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hil
from hil.runs.folder import CONFIG, Run
from support.command_line import command, contents, refusal, weights

SMALL = ["--device", "emulator:ideal", "--hidden", "10"]
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
    done = command("train", task, *SMALL, *SETTINGS, *options, "--out", out)
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
        found = pd.read_parquet("out.parquet")
        assert list(found) == ["label", "score no", "score yes", "fired"]
        assert (found["label"] == run.predict(x)).all()
        np.testing.assert_array_equal(found[["score no", "score yes"]], run.scores(x))
    np.testing.assert_array_equal(found["fired"], (run.scores(x) > 1e-3).any(axis=1))
    silent = command("predict", "run", "new.csv")
    assert f"no output fired for {(~found['fired']).sum()}" in silent.stderr
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
    found = json.loads(command("evaluate", "best", "--json").stdout)
    assert found["test_accuracy"] == result["test_accuracy"]
    options = ["--set", "training.patience=2", "--set", "training.validation_fraction=0"]
    assert "validation" in refusal("train", "csv:all.csv?label=kind", *SMALL, *options)


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
    assert "no runs" in refusal("runs", "elsewhere")
    Path("runs/one", "environment.json").write_text("{}")
    left = command("runs")
    assert "runs/two" in left.stdout and "runs/one" in left.stderr and "runs/one" not in left.stdout
