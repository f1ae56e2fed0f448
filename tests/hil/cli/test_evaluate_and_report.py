"""Evaluating and reporting."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from hil.runs.folder import RESULT
from support.command_line import SMALL, command, contents, refusal


def test_evaluating_reproduces_the_accuracy_and_changes_nothing(trained: Path) -> None:
    before = contents(trained), {p.name: p.stat().st_mtime_ns for p in trained.iterdir()}
    found = json.loads(command("evaluate", trained, "--json").stdout)
    own = json.loads((trained / RESULT).read_text())
    assert found["test_accuracy"] == found["trained_accuracy"] == own["test_accuracy"]
    assert found["test_accuracy_ci95"] == own["test_accuracy_ci95"]
    assert found["device"] == found["trained_on"] == own["device"]
    assert found["costs"]["inference"] == own["costs"]["inference"]
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
    found = [json.loads(command("evaluate", "run", "--on", on, "--json").stdout) for on in files]
    assert [one["on"] for one in found] == list(files)
    assert found[0]["test_accuracy"] > 0.9
    for one in found[1:]:
        assert one["confusion"] == found[0]["confusion"]
    (a, b), (c, d) = found[0]["confusion"]
    assert a + b == c + d == 20 and (a + d) / 40 == found[0]["test_accuracy"]
    assert found[0]["classes"] == ["no", "yes"]
    shown = command("evaluate", "run", "--on", "csv:new.csv").stdout
    assert f"answers to no\t{a} no" in shown and "balanced accuracy" in shown
    new.drop(columns="gram").to_csv("less.csv", index=False)
    new.assign(kind="perhaps").to_csv("other.csv", index=False)
    assert "lacks gram" in refusal("evaluate", "run", "--on", "csv:less.csv")
    assert "labels 'perhaps'" in refusal("evaluate", "run", "--on", "csv:other.csv")
    assert "csv:FILE, hdf5:FILE, npz:FILE" in refusal("evaluate", "run", "--on", "digits")
    assert "one of them" in refusal("evaluate", "run", "--on", "csv:new.csv", "--data", "new.csv")
