"""Every import contract holds, and is broken by an import that it forbids."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from support.paths import ROOT

PACKAGES = ("hil", "drivers", "device_models")
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
NO_HOST = "the drivers know nothing of the host"
EMULATOR = "of the drivers the emulator alone touches the physics"
BLIND = "the host reaches the physics through the emulator alone"
BY_ADDRESS = "drivers are opened by address: the emulator is imported for the page of a chip alone"
TRUTH = "what is true of a chip reaches the host by its page alone"
PAGE = "the page of a chip is made by the command line alone"
PURE = "learning is pure: no device, no file, no clock"
COMMANDS = "nobody imports the command line"

# Contract, file that gets one more line (new where there is none), the line.
PLANTS = [
    (HOST, "hil/runs/folder.py", "import hil.loop.training"),
    (HOST, "hil/learning/rules/new_rule.py", "import hil.tasks"),
    (HOST, "hil/statistics.py", "def later():\n    from hil import config"),
    (HOST, "hil/new_module.py", ""),  # has no place in the layers yet
    (DOOR, "drivers/contract/device.py", "import drivers.registry"),
    (DOOR, "drivers/session/new_module.py", "import drivers.board.ports"),
    (DOOR, "drivers/new_package/__init__.py", ""),
    (CIRCLES, "drivers/board/frames.py", "import drivers.board.device"),
    (CIRCLES, "device_models/neuron_model.py", "import device_models.neurons.lif"),
    (ALONE, "device_models/chip.py", "import drivers"),
    (ALONE, "device_models/profiles/new_chip.py", "from hil import streams"),
    (NO_HOST, "drivers/board/device.py", "def later():\n    import hil.streams"),
    (EMULATOR, "drivers/board/link.py", "import device_models"),
    (EMULATOR, "drivers/simulators/xylo.py", "from device_models.neurons import lif"),
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

Linter = Callable[[], tuple[set[str], set[str], str]]


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


@pytest.fixture(scope="module")
def lint(copy: Path) -> Linter:
    """Lint the copy; gives the contracts that are kept, the broken ones, and all that was said."""

    def run() -> tuple[set[str], set[str], str]:
        done = subprocess.run(
            [sys.executable, "-c", LINT, "--no-cache"],
            cwd=copy,
            env={"PYTHONPATH": str(copy), "COLUMNS": "400", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        summary = done.stdout.splitlines()
        kept = {name for name in CONTRACTS if any(s.startswith(f"{name} KEPT") for s in summary)}
        broken = {
            name for name in CONTRACTS if any(s.startswith(f"{name} BROKEN") for s in summary)
        }
        return kept, broken, done.stdout + done.stderr

    return run


def test_the_packages_keep_every_contract(lint: Linter) -> None:
    kept, broken, said = lint()
    assert kept == set(CONTRACTS) and broken == set(), said


@pytest.mark.parametrize(
    ("contract", "file", "line"), PLANTS, ids=[f"{file}-{line}" for _, file, line in PLANTS]
)
def test_a_forbidden_import_is_refused(
    contract: str, file: str, line: str, copy: Path, lint: Linter
) -> None:
    path = copy / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    made = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        _, broken, said = lint()
    finally:
        if before is not None:
            path.write_text(before, encoding="utf-8")
        elif made:
            shutil.rmtree(path.parent)
        else:
            path.unlink()
    assert contract in broken, said
