"""The manual and the template hold for who writes a driver: every member, and every type."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import drivers
from drivers import template
from support.paths import ROOT

MANUAL = (ROOT / "docs" / "write_a_driver.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "contract.md").read_text(encoding="utf-8")
STATED = [kind for kind in vars(drivers).values() if isinstance(kind, type) and is_dataclass(kind)]


@pytest.mark.parametrize("kind", STATED, ids=lambda kind: str(kind.__name__))
def test_every_field_of_the_contract_is_explained(kind: type) -> None:
    sections = re.findall(rf"^## `{kind.__name__}`\n(.*?)(?=^## |\Z)", REFERENCE, re.M | re.S)
    assert len(sections) == 1
    explained = set(re.findall(r"^\|`(\w+)`\|\S", sections[0], flags=re.M))
    assert {field.name for field in fields(kind)} <= explained


def strict(folder: Path, cache: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    """Strict mypy on some files, as for who has this package installed."""
    settings = folder / "mypy.ini"
    settings.write_text("[mypy]\nstrict = true\nfollow_imports = silent\n")
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", settings, "--cache-dir", cache, *files],
        cwd=folder,
        env={**os.environ, "MYPYPATH": os.pathsep.join([str(ROOT), str(folder / "src")])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_drivers_of_the_template_and_the_manual_are_strictly_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    cache = tmp_path / "cache"
    for kind in template.INPUTS:
        package = template.write(f"my-{kind.replace('_', '-')}", tmp_path, input_kind=kind)
        files = sorted(package.rglob("*.py"))
        assert len(files) == 3
        checked = strict(package, cache, *files)
        assert checked.returncode == 0, checked.stdout
    blocks = re.findall(r"^```python\n(.*?)^```", MANUAL, flags=re.M | re.S)
    assert any("class Counter(Device)" in block for block in blocks)
    paths = [tmp_path / f"manual_{number}.py" for number in range(len(blocks))]
    for path, block in zip(paths, blocks, strict=True):
        path.write_text(block)
        assert "type: ignore" not in block and "Any" not in block
    checked = strict(tmp_path, cache, *paths)
    assert checked.returncode == 0, checked.stdout
    wrong = tmp_path / "wrong.py"
    wrong.write_text(blocks[0].replace("stimulus.dense()", "stimulus.dense"))
    assert "error" in strict(tmp_path, cache, wrong).stdout
