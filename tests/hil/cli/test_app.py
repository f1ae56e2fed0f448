"""The commands, their help, and how quickly it comes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from hil.cli import commands
from hil.cli.app import app, build_app
from hil.config import Config
from hil.learning import rules
from hil.loop import training
from hil.runs.folder import CONFIG, Run
from support.command_line import HIL, SMALL, command, raw_on_a_terminal, weights


@pytest.mark.parametrize(
    "program, absent",
    [
        ("import hil", ["numpy", "typer", "rich"]),
        ("from hil.cli.app import app; app(['--help'], standalone_mode=False)", ["numpy", "rich"]),
    ],
)
def test_help_loads_nothing_heavy(program: str, absent: list[str]) -> None:
    heavy = [*absent, "brian2", "scipy", "sklearn", "pydantic", "jinja2"]
    check = f"{program}\nimport sys\nassert not {{*sys.modules}} & {{*{heavy!r}}}"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


NAMES = [
    "train", "resume", "predict", "evaluate", "report", "study", "board", "calibrate",
    "characterise", "check", "chips", "devices", "diagnose", "export", "lab", "new-driver", "runs",
    "tasks",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    result = command(name, "--help")
    assert result.exit_code == 0 and result.stdout.startswith("Usage:")


def test_what_is_used_most_stands_first() -> None:
    listed = command("--help").stdout.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in listed if line.strip()] == NAMES


def test_a_file_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "say_hello.py").write_text(
        "def say_hello(name: str) -> None:\n"
        '    """Say hello."""\n'
        "    if name == 'nobody':\n"
        "        raise ValueError('nobody: give a name')\n"
        "    print('hello', name)\n"
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    app = build_app()
    result = CliRunner().invoke(app, ["say-hello", "you"])
    assert (result.exit_code, result.stdout) == (0, "hello you\n")
    result = CliRunner().invoke(app, ["say-hello", "nobody"])
    assert (result.exit_code, result.stderr) == (2, "hil: nobody: give a name\n")


def test_a_file_without_its_command_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nothing_here.py").write_text("")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    with pytest.raises(AttributeError, match="nothing_here"):
        build_app()


def test_the_help_names_what_there_is() -> None:
    plain = " ".join(command("train", "--help").stdout.split())
    *others, last = rules.names()
    assert f"{', '.join(others)} or {last}." in plain
    *others, last = get_args(Config.model_fields["observe"].annotation)
    assert f": {', '.join(others)} or {last}." in plain


def test_the_version_is_that_of_the_package() -> None:
    assert command("--version").stdout == f"hil {version('spikeloop')}\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("hil tra", {"train"}),
        ("hil train d", {"digits"}),
        ("hil train c", {"csv:"}),
        ("hil train digits --rule bp", {"bp", "bptt"}),
        ("hil train digits --device emulator:bra", {"emulator:brainscales-2", "-raw"}),
        ("hil train digits --ep", {"--epochs"}),
        ("hil study rob", {"robustness"}),
        ("hil chips loi", {"loihi"}),
    ],
)
def test_a_shell_completes_commands_options_and_names(words: str, offered: set[str]) -> None:
    asked = {"_HIL_COMPLETE": "complete_bash", "COMP_WORDS": words}
    asked |= {"COMP_CWORD": str(len(words.split()) - 1)}
    result = CliRunner().invoke(app, [], prog_name="hil", env=asked)
    assert all(word in result.stdout for word in offered), result.output
    assert all(
        line.startswith(words.split()[-1].rpartition(":")[2]) or line.startswith(words.split()[-1])
        for line in result.stdout.split()
    )


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
    line = "from hil.progress import *\nwith display() as shown: shown.write('a', 'yellow')"
    progress = [sys.executable, "-c", line]
    assert coloured.search(raw_on_a_terminal(progress))
    monkeypatch.setenv("NO_COLOR", "1")
    for command_line in (progress, [*HIL, "tasks"], [*HIL, "--help"], [*HIL, "train", "digitz"]):
        assert not coloured.search(raw_on_a_terminal(command_line))


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


def shell(command_line: str, **settings: str) -> subprocess.CompletedProcess[str]:
    words = command_line.replace("hil ", f"{shlex.join(HIL)} ", 1)
    env = {**os.environ, **settings}
    return subprocess.run(["sh", "-c", words], capture_output=True, text=True, env=env)


def test_a_training_does_not_need_anybody_who_reads_its_messages() -> None:
    """Nor a home, and it fails by no warning of a library."""
    Path("file").write_text("")
    hostile = {"PYTHONWARNINGS": "error", "HOME": f"{Path('file').resolve()}"}
    done = shell(f"hil train digits {shlex.join(SMALL)} --out run 2>/dev/full", **hostile)
    assert done.returncode == 0
    assert done.stdout.startswith("result\t") and done.stdout.endswith("run/report.html\n")


@pytest.mark.parametrize("words", ["--help", "tasks", "devices --help"])
def test_a_full_disk_below_the_output_is_one_line(words: str) -> None:
    done = shell(f"hil {words} >/dev/full")
    assert (done.returncode, done.stderr) == (2, "hil: No space left on device\n")


def test_a_refusal_that_cannot_be_written_keeps_its_exit_code() -> None:
    assert shell("hil train xor 2>/dev/full").returncode == 2
    assert shell("hil tasks >&-").returncode == 0
    assert shell("hil tasks 2>&-").stdout.startswith("task\t")


def test_ctrl_c_while_a_command_ends_changes_nothing() -> None:
    late = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT); "
    program = [HIL[0], "-c", f"{late}from hil.cli.app import main; main()", "tasks"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
