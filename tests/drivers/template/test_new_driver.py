"""`hil new-driver`: a package that passes its own tests at once, or nothing at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drivers import template
from drivers.conformance import CHECKS
from hil.cli.app import app
from support.paths import ROOT

# Of each kind of input; one of them is asked of each kind of stimulus.
OWN_TESTS = {"current": 6, "current_trace": 7, "spikes": 6}


def command(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def environment(package: Path) -> dict[str, str]:
    """That of who installed the package: its code on the path, its entry point in a .dist-info."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    installed = package.parent / "installed"
    info = installed / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(lines))
    path = os.pathsep.join([str(package / "src"), str(installed), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path}


def run(package: Path, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=package,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Path:
    """A new package; the parameter is what its device takes."""
    monkeypatch.chdir(tmp_path)
    asked = ["--input", request.param] if hasattr(request, "param") else []
    made = command("new-driver", "my-chip2", *asked)
    assert (made.exit_code, made.stdout) == (0, "my-chip2\n")
    return tmp_path / "my-chip2"


@pytest.mark.parametrize(
    "package",
    [
        "spikes",
        *(
            pytest.param(takes, marks=pytest.mark.thorough)
            for takes in template.INPUTS
            if takes != "spikes"
        ),
    ],
    indirect=True,
)
def test_a_new_package_passes_its_own_tests_and_trains(
    package: Path, request: pytest.FixtureRequest
) -> None:
    takes = request.node.callspec.params["package"]
    env = environment(package)
    tests = run(package, env, "pytest", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    (passed, skipped) = re.findall(r"(\d+) passed, (\d+) skipped", tests.stdout)[0]
    assert int(passed) + int(skipped) == len(CHECKS) + OWN_TESTS[takes]
    assert int(skipped) < 28  # a plain chip has no recurrence, delays, sparse synapses or faults
    other = run(package, env, "pytest", "-p", "no:cacheprovider", "--device", "my-chip2:?a=1")
    assert other.returncode == 1 and "takes no options" in other.stdout
    (said,) = re.findall(r"^hil (train .*)$", (package / "README.md").read_text(), flags=re.M)
    trained = run(package, env, "hil", *said.split(), "--epochs", "2", "--out", "run")
    assert trained.returncode == 0, trained.stderr
    result = json.loads((package / "run" / "result.json").read_text())
    assert result["test_accuracy"] > 0.4


def test_a_new_driver_is_checked_at_once_when_it_is_installed(package: Path) -> None:
    """Until then the refusal says how, from the folder of the package as from the one around it."""
    for folder, place in ((package.parent, "my-chip2"), (package, ".")):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            refused = command("check", "my-chip2:")
        assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
        assert refused.stderr.endswith(f"is not installed: pip install -e {place}\n")
    checked = run(package, environment(package), "hil", "check", "my-chip2:")
    assert checked.returncode == 0 and " 0 failed" in checked.stdout


def test_the_line_of_a_new_device_is_its_own(package: Path) -> None:
    env = environment(package)
    stated = run(package, env, "hil", "devices")
    line = "my-chip2:SERIAL\tintegrate-and-fire neurons, 5-bit weights"
    assert stated.returncode == 0 and line in stated.stdout.splitlines()
    driver = package / "src/my_chip2/driver.py"
    code = driver.read_text()
    driver.write_text(code.replace("def catalogue", "def unlisted"))
    undescribed = run(package, env, "hil", "devices").stdout.splitlines()
    assert "my-chip2:\t`my-chip2:SERIAL`: opens the chip of that serial number." in undescribed
    driver.write_text(code.replace("import numpy as np", "import numpy as np\n\n1 / 0"))
    broken = run(package, env, "hil", "devices")
    (told,) = [line for line in broken.stdout.splitlines() if line.startswith("my-chip2:")]
    assert broken.returncode == 0 and "cannot be loaded: division by zero" in told
    assert len(broken.stdout.splitlines()) == len(undescribed)


def test_what_is_in_the_package(package: Path) -> None:
    files = {str(p.relative_to(package)) for p in package.rglob("*") if p.is_file()}
    assert files == {
        "pyproject.toml",
        "README.md",
        "src/my_chip2/__init__.py",
        "src/my_chip2/driver.py",
        "tests/test_driver.py",
    }
    for path in package.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "{{" not in text and "}}" not in text
            if path.suffix == ".py":
                compile(text, str(path), "exec")
    assert [p.name for p in package.parent.iterdir()] == ["my-chip2"]


def test_a_broken_driver_fails_the_tests_that_come_with_it(package: Path) -> None:
    driver = package / "src/my_chip2/driver.py"
    code = driver.read_text()
    assert code.count("active @ cells") == 1
    driver.write_text(code.replace("active @ cells", "active @ cells[:, ::-1]"))
    tests = run(package, environment(package), "pytest", "-p", "no:cacheprovider", "-rf")
    assert tests.returncode == 1
    assert "test_conformance[each-weight-acts-where-it-was-written]" in tests.stdout


def test_the_example_device_is_that_of_the_manual(tmp_path: Path) -> None:
    written = template.write("counter", tmp_path) / "src/counter/driver.py"
    markdown = (ROOT / "docs" / "write_a_driver.md").read_text(encoding="utf-8")
    assert written.read_text() in re.findall(r"^```python\n(.*?)^```", markdown, flags=re.M | re.S)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "lower-case"),
        ("My-Chip", "lower-case"),
        ("my_chip", "lower-case"),
        ("2chip", "lower-case"),
        ("-chip", "lower-case"),
        ("my--chip", "lower-case"),
        ("../chip", "lower-case"),
        ("chip\n", "lower-case"),
        ("emulator", "there is one of that name"),
        ("replay", "there is one of that name"),
        ("class", "Python has a module class"),
        ("json", "Python has a module json"),
        ("numpy", "Python has a module numpy"),
        ("drivers", "Python has a module drivers"),
    ],
)
def test_bad_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = command("new-driver", "--", name)
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
    assert words in refused.stderr and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_exists_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my-chip2"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to("nowhere")
    refused = command("new-driver", "my-chip2")
    assert refused.exit_code == 2 and "exists already" in refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["my-chip2"]
    assert kind != "file" or path.read_text() == "precious"


@pytest.mark.parametrize("writes", range(len(template.FILES)))
def test_nothing_is_left_of_a_package_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    monkeypatch.chdir(tmp_path)
    write, count = Path.write_text, 0

    def full(self: Path, *args: Any, **kwargs: Any) -> int:
        nonlocal count
        count += 1
        if count > writes:
            raise OSError(28, "No space left on device")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    refused = command("new-driver", "my-chip2")
    assert refused.exit_code == 2 and refused.stderr == "hil: No space left on device\n"
    assert list(tmp_path.iterdir()) == []
