"""A rule, a gate, an encoding and a task in a file outside of the package, as a stranger has it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import hil
from hil import config as configuration
from hil.extensions import UntrustedCode
from hil.runs.folder import Run
from support.command_line import command, process, refusal, weights
from support.extension_file import SMALL, four, python, written
from support.paths import ROOT

DEVICE = ("--device", "emulator:ideal")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path)


def done(*arguments: str | Path) -> str:
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def arrays() -> dict[str, np.ndarray]:
    """Samples of two classes that a line tells apart."""
    x = np.random.default_rng(1).random((200, 4), dtype=np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.int64)
    return {"x_train": x[:140], "y_train": y[:140], "x_test": x[140:], "y_test": y[140:]}


def settings(run: str = "run") -> dict[str, object]:
    return Run.open(run).config().model_dump(mode="json")


# -- the command line -------------------------------------------------------------------------


def test_four_in_one_file_are_trained_with_and_learn() -> None:
    done("train", *four(), *DEVICE, "--set", "rule.size=0.2", "--out", "run")
    here, kept = f"{Path.cwd()}/mine.py", settings()
    assert kept["task"] == f"{here}:HALVES"
    assert kept["rule"] == {"name": f"{here}:SIGNED", "g": f"{here}:BELL", "size": 0.2}
    assert kept["encoding"] == {"name": f"{here}:PAIRS", "gain": 1.0}
    result = Run.open("run").result()
    assert result is not None and result["layers"] == [8, 20, 2]
    assert result["test_accuracy"] > 0.85
    code = json.loads(Path("run/environment.json").read_text())["code"]
    digest = sha256(Path("mine.py").read_bytes()).hexdigest()
    assert code == {f"{here}:{n}": digest for n in ("HALVES", "SIGNED", "BELL", "PAIRS")}
    assert sorted(p.name for p in Path.cwd().iterdir()) == ["mine.py", "mine_too.py", "run"]


def test_a_run_that_was_stopped_ends_as_one_that_was_not() -> None:
    done("train", *four(), *DEVICE, "--epochs", "2", "--out", "whole")
    program = "import hil, mine; hil.train(mine.HALVES, on_epoch=lambda m: 1 / 0, out='run', "
    program += "rule={'name': mine.SIGNED, 'g': mine.BELL}, encoding={'name': mine.PAIRS}, "
    program += "device='emulator:ideal', training={'epochs': 2})"
    stopped = python(program)
    assert stopped.returncode and "ZeroDivisionError" in stopped.stderr
    rule = settings()["rule"]
    assert rule == {"name": "mine:SIGNED", "g": "mine:BELL", "size": 0.1}
    went_on = process("resume", "run", "--trust")  # python -m hil finds what lies beside
    assert went_on.returncode == 0, went_on.stderr
    assert weights(Path("run")) == weights(Path("whole"))


def test_a_resumed_run_needs_trust_and_the_same_file() -> None:
    done("train", *four(), *DEVICE, *SMALL, "--out", "run")
    Path("run/result.json").unlink()
    before = Path("mine.py").read_text()
    Path("mine.py").write_text(before + "open('ran', 'w')\n")
    assert "--trust" in refusal("resume", "run")
    assert "mine.py:HALVES was changed since this began" in refusal("resume", "run", "--trust")
    Path("mine.py").write_text(before)
    done("resume", "run", "--trust")
    assert not Path("ran").exists()


def test_a_network_is_evaluated_where_its_rule_and_gate_are_not() -> None:
    np.savez("own.npz", **arrays())
    own = ("train", "npz:own.npz", *DEVICE, *SMALL, "--rule", "mine.py:SIGNED")
    estimator = "activity.estimator=mine_too.py:CLIPPED"
    done(*own, "--set", "rule.g=mine.py:BELL", "--set", estimator, "--out", "run")
    expected = Run.open("run").result()
    assert expected is not None
    Path("mine.py").unlink()
    Path("mine_too.py").unlink()
    shutil.move("run", "elsewhere")
    for more in ((), DEVICE):
        found = json.loads(done("evaluate", "elsewhere", "--json", *more))
        assert found["test_accuracy"] == expected["test_accuracy"]
        assert found["rule"].endswith("mine.py:SIGNED")
    done("report", "elsewhere")
    Path("elsewhere/result.json").unlink()
    assert "mine.py: no such file" in refusal("resume", "elsewhere", "--trust")


def test_what_an_evaluation_needs_is_said_in_a_line() -> None:
    done("train", *four(), *DEVICE, *SMALL, "--out", "run")
    assert "mine.py:HALVES' is Python code that a file names" in refusal("evaluate", "run")
    done("evaluate", "run", "--trust")
    Path("mine.py").unlink()
    assert re.search(r"task .*HALVES' cannot be loaded", refusal("evaluate", "run", "--trust"))


NAMED = {
    "task": 'task = "evil.py:X"',
    "rule": '[rule]\nname = "evil.py:X"',
    "gate": '[rule]\ng = "evil.py:X"',
    "gate in a package": '[rule]\ng = "evil_package.inside:X"',
    "encoding": '[encoding]\nname = "evil.py:X"',
    "estimator": '[activity]\nestimator = "evil.py:X"',
    "section": '[report]\nsections = ["evil.py:X"]',
    "module": '[rule]\nname = "evil:X"',
}


@pytest.mark.parametrize("case", NAMED)
def test_code_that_a_file_names_does_not_run(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for file in ("evil.py", "evil_package/__init__.py"):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text("open('ran', 'w')\nX = 1\n")
    Path("c.toml").write_text(NAMED[case])
    task = () if case == "task" else ("digits",)
    said = refusal("train", *task, *SMALL, "--config", "c.toml")
    assert "evil" in said and "--trust" in said
    small = {"network": {"hidden": [5]}, "training": {"epochs": 1}}
    usual = configuration.build({"device": "emulator:ideal"}, small).model_dump(mode="json")
    sections = configuration.merge_layers(usual, tomllib.loads(NAMED[case]))
    Run.create(Path("run"), configuration.parse_record(sections))
    for asked in (("resume", "run"), ("train", "--from", "run", "--out", "next")):
        assert "evil" in refusal(*asked)
    command("report", "run")
    with pytest.raises(UntrustedCode):
        hil.resume("run")
    assert not Path("ran").exists()
    trusted = command("resume", "run", "--trust")
    assert trusted.exit_code == 2 and "evil" in trusted.stderr  # 1 is none of these
    assert Path("ran").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent.py:X", "absent.py:X' cannot be loaded: .*absent.py: no such file"),
        ("mine.py:SIGNS", "cannot be loaded: .*mine.py has no SIGNS"),
        ("mine.py:BELL", "mine.py:BELL' is no RuleFamily but of type Gate"),
        ("mine:SIGNED", "cannot be loaded: ModuleNotFoundError: No module named 'mine'"),
        ("sined", "no rule 'sined': known: FILE.py:NAME, adfa, .*module:NAME"),
        ("broken.py:X", "line 2: ZeroDivisionError"),
        ("ends.py:X", "SystemExit: 3"),
        ("text.py:X", "SyntaxError: invalid syntax .text.py, line 1"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_in_a_line(name: str, says: str) -> None:
    Path("broken.py").write_text("x = 1\n1 / 0\n")
    Path("ends.py").write_text("raise SystemExit(3)\n")
    Path("text.py").write_text("a rule of mine\n")
    assert re.search(says, refusal("train", "digits", "--rule", name))


def test_a_setting_that_the_rule_does_not_have_is_refused() -> None:
    said = refusal("train", "--rule", "mine.py:SIGNED", "--set", "rule.sise=1")
    assert "configuration key 'rule.sise' is unknown: did you mean 'size'?" in said
    said = refusal("train", "--rule", "mine.py:SIGNED", "--set", "rule.size=100")
    assert "rule.size = 100" in said and "less than or equal to 10" in said


def test_an_installed_package_brings_names_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "extensions.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^```toml\n(.*?)^```", page, flags=re.M | re.S)
    groups = tomllib.loads(table)["project"]["entry-points"]
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))
    ]
    facts = tmp_path / "site" / "mine-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for file in ("mine.py", "mine_too.py"):
        shutil.move(file, "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    own = ("encoding.name=pairs", "rule.g=bell", "activity.estimator=clipped")
    sections = 'report.sections=["sizes"]'
    options = [word for setting in (*own, sections) for word in ("--set", setting)]
    done("train", "halves", "--rule", "signed", *options, *DEVICE, *SMALL, "--out", "run")
    assert "<h2>Files</h2>" in Path("run/report.html").read_text()
    code = json.loads(Path("run/environment.json").read_text())["code"]
    assert set(code) == {f"{group}:{name}" for group, names in groups.items() for name in names}
    assert "left or right" in done("tasks")
    Path("run/result.json").unlink()
    done("resume", "run")
    monkeypatch.setattr("sys.path", [place for place in sys.path if "site" not in Path(place).name])
    assert "no task 'halves'" in refusal("evaluate", "run")


def test_a_file_that_is_named_as_a_module_is_asked_after() -> None:
    said = refusal("train", "digits", *SMALL, "--rule", "mine_not_here:SIGNED")
    assert "did you mean" not in said
    Path("rule_here.py").write_text("import nothing_such\n")
    said = refusal("train", "digits", *SMALL, "--rule", "rule_here:SIGNED")
    assert "did you mean rule_here.py:SIGNED?" in said


def test_the_way_on_names_the_trust_that_it_needs() -> None:
    done("train", *four(), *DEVICE, "--epochs", "1", "--out", "run")
    said = refusal("train", *four(), *DEVICE, "--out", "run")
    assert "hil resume run --trust" in said
