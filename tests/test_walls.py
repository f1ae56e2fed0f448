"""Every import contract holds, and is broken by an import that it forbids."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import zip_longest
from pathlib import Path

import pytest

from support.paths import ROOT

PACKAGES = ("hil", "drivers", "device_models", "machine_code")
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
]
LINT = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"

HOST = "the host is built in layers"
DOOR = "the door is built in layers"
CIRCLES = "no folder imports a neighbour that imports it"
ALONE = "the physics stands alone"
COMPILER = "what compiles knows nothing of what it compiles"
NO_HOST = "the drivers know nothing of the host"
EMULATOR = "of the drivers the emulator alone touches the physics"
BLIND = "the host reaches the physics through the emulator alone"
BY_ADDRESS = "drivers are opened by address: the emulator is imported for the page of a chip alone"
TRUTH = "what is true of a chip reaches the host by its page alone"
PAGE = "the page of a chip is made by the command line alone"
PURE = "learning is pure: no device, no file, no clock"
COMMANDS = "nobody imports the command line"

Plant = tuple[str, str, str]
# Contract, file that gets one more line (new where there is none), the line.
PLANTS: list[Plant] = [
    (HOST, "hil/runs/folder.py", "import hil.loop.training"),
    (HOST, "hil/learning/rules/new_rule.py", "import hil.tasks"),
    (HOST, "hil/statistics.py", "def later():\n    from hil import config"),
    (HOST, "hil/new_module.py", ""),  # has no place in the layers yet
    (DOOR, "drivers/contract/device.py", "import drivers.registry"),
    (DOOR, "drivers/session/new_module.py", "import drivers.board.ports"),
    (DOOR, "drivers/new_package/__init__.py", ""),
    (CIRCLES, "drivers/board/frames.py", "import drivers.board.device"),
    (CIRCLES, "device_models/neurons/__init__.py", "import device_models.mismatch"),
    (ALONE, "device_models/chip.py", "import drivers"),
    (ALONE, "device_models/profiles/new_chip.py", "from hil import streams"),
    (COMPILER, "machine_code/library.py", "import device_models.chip"),
    (NO_HOST, "drivers/board/device.py", "def later():\n    import hil.streams"),
    (EMULATOR, "drivers/board/link.py", "import device_models"),
    (EMULATOR, "drivers/simulators/xylo.py", "from device_models import neurons"),
    (EMULATOR, "drivers/registry.py", "def later():\n    from device_models import chip"),
    (EMULATOR, "drivers/new_driver.py", "from device_models import engine"),
    (EMULATOR, "drivers/board/new_module.py", "import device_models.chip"),
    (BLIND, "hil/loop/controller.py", "from device_models import profiles"),
    (BLIND, "hil/loop/new_module.py", "def later():\n    import device_models.chip"),
    (BLIND, "drivers/contract/device.py", "import device_models"),  # and so the host, indirectly
    (BY_ADDRESS, "hil/loop/training.py", "from drivers.emulator.device import Emulator"),
    (BY_ADDRESS, "drivers/simulators/new_driver.py", "import drivers.emulator.device"),
    (TRUTH, "hil/loop/controller.py", "from drivers.emulator.datasheet import datasheet"),
    (TRUTH, "hil/cli/commands/lists.py", "from drivers.emulator import chip_instance"),
    (TRUTH, "drivers/registry.py", "import drivers.emulator.datasheet"),  # by way of the door
    (PAGE, "hil/studies/trial.py", "import hil.reports.chip_page"),
    (PURE, "hil/learning/optimisers.py", "import time"),
    (PURE, "hil/learning/losses.py", "def later():\n    from pathlib import Path"),
    (PURE, "hil/learning/rules/new_rule.py", "from drivers import Probe"),
    (PURE, "hil/learning/rules/new_rule.py", "import os.path"),
    (PURE, "hil/discovery.py", "import tempfile"),  # and so learning, indirectly
    (COMMANDS, "hil/studies/pool.py", "from hil.cli import output"),
    (COMMANDS, "hil/__init__.py", "def later():\n    from hil.cli import errors"),
]

Report = dict[str, str]
"""What the linter says of each contract that is broken."""


def test_every_contract_has_a_plant() -> None:
    assert {contract for contract, _, _ in PLANTS} == set(CONTRACTS)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages once more, with the contracts."""
    folder = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "build")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> Report:
    """Lint a copy of the packages."""
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "400", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    broken = {name for name in CONTRACTS if f"\n{name} BROKEN" in done.stdout}
    assert {name for name in CONTRACTS if f"\n{name} KEPT" in done.stdout} == {*CONTRACTS} - broken
    names = "|".join(map(re.escape, CONTRACTS))
    parts = re.split(rf"^({names})\n-+$", done.stdout, flags=re.M)
    report = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert {*report} == broken, done.stdout + done.stderr
    return report


@pytest.fixture(scope="module")
def reports(copy: Path) -> dict[Plant, Report]:
    """The report in which each plant should be named: those of a round are linted together.

    A round has one plant of each contract, so that none hides behind another one of its own.
    """
    own = [[plant for plant in PLANTS if plant[0] == contract] for contract in CONTRACTS]
    found: dict[Plant, Report] = {}
    for row in zip_longest(*own):
        plants = [plant for plant in row if plant is not None]
        texts: dict[Path, str | None] = {}
        for _, file, line in plants:
            path = copy / file
            path.parent.mkdir(exist_ok=True)
            texts.setdefault(path, path.read_text(encoding="utf-8") if path.exists() else None)
            with path.open("a", encoding="utf-8") as handle:
                handle.write(f"\n{line}\n")
        found.update(dict.fromkeys(plants, lint(copy)))
        for path, text in texts.items():
            if text is not None:
                path.write_text(text, encoding="utf-8")
            elif path.name == "__init__.py":
                shutil.rmtree(path.parent)
            else:
                path.unlink()
    return found


def test_the_packages_keep_every_contract(copy: Path) -> None:
    assert lint(copy) == {}


@pytest.mark.parametrize("plant", PLANTS, ids=[f"{file}-{line}" for _, file, line in PLANTS])
def test_a_forbidden_import_is_refused(plant: Plant, reports: dict[Plant, Report]) -> None:
    contract, file, _ = plant
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    parent, _, name = module.rpartition(".")
    circle = re.compile(rf"No cycles are allowed in {parent}\.\n.*\n+(- .*\n)*- \.{name} -> ")
    said = reports[plant].get(contract, "")
    assert circle.search(said) if contract == CIRCLES else module in said, reports[plant]
