"""What the public packages promise is there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parents[1]
PUBLIC = (
    *("hil", "hil.learning", "hil.tasks", "hil.encodings", "hil.sections"),
    *("drivers", "drivers.conformance", "device_models"),
)


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_exists(package: str) -> None:
    module = import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert module.__all__ and not missing


def test_every_public_name_is_in_the_reference_of_the_site() -> None:
    pytest.importorskip("mkdocs")
    site = run_path(str(ROOT / "docs" / "site.py"))
    lines = site["list_names"]()
    for package in PUBLIC:
        start = lines.index(f"## `{package}`")
        ends = [n for n, line in enumerate(lines) if line.startswith("## ") and n > start]
        text = "\n".join(lines[start : min(ends, default=None)])
        for name in import_module(package).__all__:
            thing = getattr(import_module(package), name)
            shown = getattr(thing, "__qualname__", name)
            assert f"`{name}`" in text or f".{shown}\n" in f"{text}\n", name
