"""Python that a file names runs only where the user named it too, or trusts the file."""

from __future__ import annotations

import ast
import json
from hashlib import sha256
from pathlib import Path

import pytest

import hil
from hil import config as configuration
from hil.extensions import Trust, UntrustedCode, find_code
from hil.runs.folder import Run
from hil.trust import code_of
from support.command_line import SMALL, command, refusal
from support.paths import ROOT

CHIP = """
from pathlib import Path
from device_models import neurons
MODEL = neurons.get("lif")
Path("canary").touch()
"""
ESTIMATOR = """
from pathlib import Path
from hil.learning.rate_estimators import get
OWN = get("rectified")
Path("canary").touch()
"""
SMALLEST = {"network": {"hidden": [5]}, "training": {"epochs": 1}}
NAMED = {
    "chip": 'device = "emulator:evil.py"',
    "chip and options": 'device = "emulator:./evil.py?chip=3"',
    "escaped": 'device = "emulator:ideal?neuron=evil%2Epy"',
    "neuron": 'device = "emulator:ideal?neuron=evil.py"',
    "neuron in the options": '[device_options]\nneuron = "evil.py"',
    "estimator": '[activity]\nestimator = "evil_estimator:OWN"',
}
STUDY = """
version = 1
name = "s"
[base]
{base}
[base.network]
hidden = [5]
[base.training]
epochs = 1
[factors.rule]
key = "rule.name"
levels = ["output_only"]
{more}
"""
STUDIES = {
    "base": STUDY.format(base='device = "emulator:evil.py"', more=""),
    "level": STUDY.format(
        base="", more='[factors.d]\nkey = "device"\nlevels = ["emulator:ideal", "emulator:evil.py"]'
    ),
    "set of a level": STUDY.format(
        base="",
        more='[[factors.d.levels]]\nlabel = "x"\nset = {device_options = {neuron = "evil.py"}}',
    ),
    "part": STUDY.format(
        base="",
        more='[parts.p]\nset = {activity = {estimator = "evil_estimator:OWN"}}\n'
        '[parts.p.factors.o]\nkey = "training.batch"\nlevels = [100]',
    ),
    "pretrained": STUDY.format(
        base="",
        more='[pretrain]\ndevice = "emulator:evil.py"\n'
        '[factors.m]\nkey = "mode"\nlevels = ["deploy"]',
    ),
    "tuned": STUDY.format(
        base="",
        more='[tune]\nby = ["rule"]\nsettings = 1\n[tune.factors.d]\nkey = "device"\n'
        'levels = ["emulator:evil.py"]',
    ),
}


@pytest.fixture(autouse=True)
def _with_evil_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("evil.py").write_text(CHIP)
    Path("evil_estimator.py").write_text(ESTIMATOR)


def ran() -> bool:
    canary = Path("canary")
    there = canary.exists()
    canary.unlink(missing_ok=True)
    return there


@pytest.mark.parametrize("case", NAMED)
def test_a_configuration_file_runs_no_code(case: str) -> None:
    Path("c.toml").write_text(NAMED[case])
    said = refusal("train", "digits", *SMALL, "--config", "c.toml")
    assert "evil" in said and "--trust" in said
    assert not ran()


@pytest.mark.parametrize("case", ["chip", "estimator"])
def test_whoever_trusts_the_file_runs_it(case: str) -> None:
    Path("c.toml").write_text(NAMED[case])
    done = command("train", "digits", *SMALL, "--config", "c.toml", "--trust", "--out", "run")
    assert done.exit_code == 0, done.stderr
    if case == "chip":  # Python imports a module once
        assert ran()
    code = json.loads(Path("run/environment.json").read_text())["code"]
    (digest,) = code.values()
    file = "evil.py" if case == "chip" else "evil_estimator.py"
    assert digest == sha256(Path(file).read_bytes()).hexdigest()


def test_what_the_command_line_names_runs_although_a_file_names_it_too() -> None:
    Path("c.toml").write_text(NAMED["neuron in the options"])
    done = command(
        *("train", "digits", *SMALL, "--config", "c.toml", "--set", "device_options.neuron=evil.py")
    )
    assert done.exit_code == 0, done.stderr
    assert ran()
    refusal(
        "train", "digits", *SMALL, "--config", "c.toml", "--set", "device_options.neuron=./x.py"
    )
    done = command("train", "digits", *SMALL, "--config", "c.toml", "--device", "emulator:ideal")
    assert done.exit_code == 2, "the options of the file remain, and their code with them"
    assert not ran()


def test_a_run_folder_runs_no_code() -> None:
    made = Run.create(Path("run"), configuration.build(SMALLEST, {"device": "emulator:evil.py"}))
    for arguments in (("resume", "run"), ("train", "--from", "run", "--out", "next")):
        said = refusal(*arguments)
        assert "evil.py" in said
    with pytest.raises(UntrustedCode):
        hil.resume("run")
    assert not ran()
    assert hil.resume("run", trust=True).path == made.path
    assert ran()
    for arguments in (("evaluate", "run"), ("train", "--from", "run", "--out", "next")):
        assert "evil.py" in refusal(*arguments)
    assert command("evaluate", "run", "--device", "emulator:ideal").exit_code == 0
    assert not ran()
    assert command("evaluate", "run", "--trust").exit_code == 0
    assert hil.evaluate("run", device="emulator:evil.py")["test_accuracy"] > 0
    assert ran()


def test_a_program_names_its_own_device_and_code_stays_as_it_was() -> None:
    done = hil.train("digits", device="emulator:evil.py", **SMALLEST)
    assert ran()
    (done.path / "result.json").unlink()
    before = Path("evil.py").read_text()
    Path("evil.py").write_text(before + "# changed\n")
    assert "evil.py was changed since this began" in refusal("resume", done.path, "--trust")
    assert not ran()
    Path("evil.py").write_text(before)
    assert command("resume", done.path, "--trust").exit_code == 0


@pytest.mark.parametrize("case", STUDIES)
def test_a_study_runs_no_code(case: str) -> None:
    Path("s.toml").write_text(STUDIES[case])
    said = refusal("study", "s.toml", "--workers", "1", "--out", "study")
    assert "evil" in said and "--trust" in said
    assert not ran()


def test_a_study_that_is_trusted_runs_in_other_processes_too() -> None:
    Path("s.toml").write_text(STUDIES["base"])
    done = command("study", "s.toml", "--workers", "2", "--out", "study", "--trust")
    assert done.exit_code == 0, done.stderr
    assert ran()
    code = json.loads(Path("study/environment.json").read_text())["code"]
    assert code == {"evil.py": sha256(Path("evil.py").read_bytes()).hexdigest()}
    assert "evil.py" in refusal("study", "study", "--workers", "1")
    named = command("study", "s.toml", "--device", "emulator:evil.py", "--out", "other")
    assert named.exit_code == 0, named.stderr


def test_trust_is_in_what_was_given() -> None:
    config = configuration.build({"device": "emulator:a.py?neuron=b.py"})
    assert code_of(config) == ("a.py", "b.py")
    assert find_code({"x": ["emulator:a.py?neuron=b.py", "npz:c.py", 3]}) == {"a.py", "b.py"}
    Trust.of(everything=True).check(["a.py"])
    Trust.of({"device": "emulator:a.py"}).check(["a.py"])
    Trust.of({"device_options": {"neuron": "a.py"}}).check(["a.py"])
    for given in ("emulator:b.py", "a.py.py", "", "emulator:a.toml"):
        with pytest.raises(UntrustedCode, match=r"a\.py"):
            Trust.of(given).check(["a.py"])


def test_the_host_opens_what_a_configuration_names_in_one_place() -> None:
    """Elsewhere an address comes from the command line or a program."""
    for path in (ROOT / "hil").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "drivers.open":
                asked = ast.unparse(node)
                assert path.name == "trust.py" or "config" not in asked, f"{path}: {asked}"
