"""Configuration on the command line."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from hil.loop import training
from hil.runs.folder import CONFIG, Run
from support.command_line import command, weights


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
