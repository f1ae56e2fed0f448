"""A folder of someone else: no command runs, reads or loads what lies there unless it is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.command_line import SMALL

WATCH = Path(__file__).parents[2] / "support" / "opened"
# What libraries that are in use read in the folder that they work in, or take for a module.
CONFIGURATIONS = {
    ".numba_config.yaml": "cache_dir: kept\nopt: 0\n",
    "matplotlibrc": "lines.linewidth: 9\n",
    "brian_preferences": "codegen.target = 'cython'\n",
    "dask.yaml": "distributed:\n  worker:\n    preload: evil\n",
    "distributed.yaml": "worker:\n  preload: evil\n",
    "setup.cfg": "[build_ext]\nforce = 1\n",
    "pydistutils.cfg": "[build_ext]\nforce = 1\n",
    "alembic.ini": "[alembic]\nscript_location = evil\n",
    "conftest.py": "evil",
    "pytest.ini": "[pytest]\naddopts = -p evil\n",
    "tox.ini": "[pytest]\naddopts = -p evil\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p evil'\n",
    "pyvenv.cfg": "home = .\n",
    "Makefile": "all:\n\ttouch evil\n",
    ".env": "PYTHONPATH=.\n",
    ".netrc": "default login evil\n",
    "kept/index.nbi": "evil",
    "__pycache__/numpy.cpython-311.pyc": "evil",
    "evil.dist-info/entry_points.txt": "[numba_extensions]\ninit = evil:run\n",
}
MODULES = ("numpy", "numba", "brian2", "yaml", "json", "multiprocessing", "sitecustomize")
MODULES += ("usercustomize", "rich", "scipy", "hil", "drivers", "pickle", "nir", "dask", "optuna")
FILES = tuple(f"{name}.py" for name in MODULES)

STUDY = """version = 1
name = "small"
[base]
task = "digits"
device = "emulator:ideal"
[base.network]
hidden = [10]
[base.training]
epochs = 1
[factors.rule]
key = "rule.name"
levels = ["adfa", "bp"]
[repeat]
what = "seed"
times = 1
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with all of that in it."""
    folder = tmp_path / "planted"
    for name, text in CONFIGURATIONS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in FILES:
        (folder / name).write_text("raise SystemExit('evil')")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("WATCHED_FOLDER", f"{folder.resolve()}{os.sep}")
    monkeypatch.setenv("WATCHED_LOG", str(tmp_path / "log"))
    path = [str(WATCH), *(p for p in sys.path if p)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    # As an installed command: the folder of the program is searched first, not the working folder.
    (tmp_path / "hil").write_text(
        "from hil.cli.app import main\nif __name__ == '__main__':\n    main()\n"
    )
    (tmp_path / "study.toml").write_text(STUDY)
    return folder


def list_opened(folder: Path, *program: str) -> set[str]:
    """What a Python program opens of what was planted there."""
    log = folder.with_name("log")
    log.write_text("")
    done = subprocess.run([sys.executable, *program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    opened = set(log.read_text().splitlines())
    return {name for name in opened if name in CONFIGURATIONS or name in FILES}


def test_libraries_do_read_what_was_planted(planted: Path) -> None:
    opened = list_opened(planted, "-P", "-c", "import numba, brian2")
    assert opened >= {".numba_config.yaml", "brian_preferences"}


QUICK = (f"train digits {' '.join(SMALL)} --out out", "study ../study.toml --workers 2", "devices")
LONG = (
    "check emulator:ideal",
    "chips loihi",
    "tasks",
    "calibrate emulator:mixed-signal --layers 4,5,3",
    "characterise emulator:mixed-signal --layers 4,5,3",
    "new-driver out",
)


@pytest.mark.parametrize(
    "line", [*QUICK, *(pytest.param(line, marks=pytest.mark.thorough) for line in LONG)]
)
def test_a_command_opens_nothing_there(planted: Path, line: str) -> None:
    assert list_opened(planted, str(planted.with_name("hil")), *line.split()) == set()
