"""The shape of the project: files and functions of one subject each, and no import circle."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path
from runpy import run_path

import grimp
import pytest

from support.paths import ROOT

PACKAGES = ("hil", "drivers", "device_models", "machine_code")
TEXT = {".py", ".c", ".h", ".j2", ".toml"}
LINES_OF_A_FILE = 600
LINES_OF_A_FUNCTION = 100
NO_FILE = re.compile(r"(contract|checks|figures|\w*helpers?|\w*utils?|\w*manager)\.py")


def files(folder: Path) -> Iterator[Path]:
    """Files of the source tree below a folder, sorted."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and "build" not in path.parts:
            yield path


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def told(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (path for path in files(ROOT / package) if path.suffix in TEXT)


def modules() -> list[Path]:
    return [path for path in sources() if path.suffix == ".py"]


def of_tests() -> list[Path]:
    return [path for path in files(ROOT / "tests") if path.suffix == ".py"]


def test_files_are_short() -> None:
    everything = [*sources(), *of_tests()]
    assert {told(p): lines(p) for p in everything if lines(p) > LINES_OF_A_FILE} == {}


def test_functions_are_short() -> None:
    found = {}
    for path in [*modules(), *of_tests()]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                if length > LINES_OF_A_FUNCTION:
                    found[f"{told(path)}:{node.name}"] = length
    assert found == {}


def test_a_file_is_named_for_what_is_in_it() -> None:
    assert [told(path) for path in [*modules(), *of_tests()] if NO_FILE.fullmatch(path.name)] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside of functions count like any other."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    assert len(graph.modules) > 150
    circles = [
        (importer, imported)
        for importer in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
        if graph.chain_exists(importer=imported, imported=importer)
    ]
    assert circles == []


def test_no_program_of_benchmarks_hides_a_module_that_a_library_imports() -> None:
    """A program's own folder is searched first; numba imports coverage where it finds one."""
    names = {path.stem for path in (ROOT / "benchmarks").iterdir()}
    installed = {"coverage", *metadata.packages_distributions()}
    assert "emulator_speed" in names
    assert names & (sys.stdlib_module_names | installed) == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_tests_mirror_the_package(package: str) -> None:
    """A folder of tests is named for the folder whose behaviour it tests."""
    ours = {path.parent for path in of_tests() if path.is_relative_to(ROOT / "tests" / package)}
    assert ours
    for folder in sorted(ours):
        place = ROOT / folder.relative_to(ROOT / "tests")
        assert place.is_dir(), f"{told(folder)} tests {told(place)}, which does not exist"


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
