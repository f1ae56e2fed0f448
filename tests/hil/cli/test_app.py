"""The commands, their help, and how quickly it comes."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from hil.cli import commands
from hil.cli.app import app, build_app
from hil.config import Config
from hil.learning import rules
from support.command_line import HIL, command, raw_on_a_terminal


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
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


NAMES = [
    "train", "resume", "predict", "evaluate", "report", "study", "board", "calibrate",
    "characterise", "check", "chips", "devices", "export", "lab", "new-driver", "runs", "tasks",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    found = command(name, "--help")
    assert found.exit_code == 0 and found.stdout.startswith("Usage:")


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
    found = CliRunner().invoke(app, ["say-hello", "you"])
    assert (found.exit_code, found.stdout) == (0, "hello you\n")
    found = CliRunner().invoke(app, ["say-hello", "nobody"])
    assert (found.exit_code, found.stderr) == (2, "hil: nobody: give a name\n")


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
    found = CliRunner().invoke(app, [], prog_name="hil", env=asked)
    assert all(word in found.stdout for word in offered), found.output
    assert all(
        line.startswith(words.split()[-1].rpartition(":")[2]) or line.startswith(words.split()[-1])
        for line in found.stdout.split()
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
