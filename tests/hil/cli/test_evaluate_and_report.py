"""Evaluating and reporting."""

import json
import re
from collections.abc import Callable
from pathlib import Path

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
