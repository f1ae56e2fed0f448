"""What the texts say of where things are: the map of CONTRIBUTING, paths and names in backticks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from hil import encodings, sections, tasks
from hil.learning import gates, rate_estimators, rules
from support.paths import ROOT

CATALOGUES = (
    *(module.CATALOGUE for module in (encodings, gates, rate_estimators, rules, sections, tasks)),
)
PACKAGES = ("hil", "drivers", "device_models", "machine_code")
FOREIGN = "tests/hw/"  # of another repository, a source of a profile
PLACES = (*PACKAGES, "tests", "docs", "notebooks", "benchmarks", ".ci")
TEXTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "CHANGE" not in path.name
)


def quoted(path: Path) -> Iterator[str]:
    """What stands in backticks, outside of blocks."""
    plain = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", plain)


def tree(markdown: str) -> dict[str, str]:
    """The map: what is said of each path. A folder ends with a slash, its content is indented."""
    (block,) = re.findall(r"^```text\n(hil/.*?)^```", markdown, flags=re.M | re.S)
    said: dict[str, str] = {}
    above: list[str] = []
    for line in block.splitlines():
        indented, name, meaning = re.fullmatch(r"( *)(\S+)\s+(\S.*)", line).groups()  # type: ignore[union-attr]
        depth = len(indented) // 2
        assert len(indented) == 2 * depth <= 2 * len(above), line
        above = [*above[:depth], name]
        said["".join(above)] = meaning
    return said


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    return tree((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def test_everything_on_the_map_exists(shown: dict[str, str]) -> None:
    assert len(shown) > 15
    for path in shown:
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path


def test_paths_named_exist() -> None:
    named = {
        (path, words)
        for path in TEXTS
        for words in quoted(path)
        if not words.startswith(FOREIGN)
        and re.fullmatch(rf"({'|'.join(map(re.escape, PLACES))})/[\w./-]*", words)
    }
    assert len(named) > 30
    for path, words in named:
        if words.startswith("drivers/firmware/build"):  # made by its Makefile
            continue
        place = Path(words).parent if re.search(r"\b[A-Z]{3,}\b", words) else Path(words)
        assert (ROOT / place).exists(), f"{path.name}: {words}"


def test_modules_named_exist() -> None:
    named = {
        (path, words.removesuffix("()"))
        for path in TEXTS
        for words in quoted(path)
        if re.fullmatch(rf"({'|'.join(PACKAGES)})(\.\w+)+(\(\))?", words)
    }
    groups = {"hil.drivers", *(catalogue.group for catalogue in CATALOGUES)}  # entry points
    named = {(path, words) for path, words in named if words not in groups}
    assert len(named) > 10
    for path, words in named:
        module, *rest = words.split(".")
        thing = import_module(module)
        while rest:
            name = rest.pop(0)
            module = f"{module}.{name}"
            try:
                thing = getattr(thing, name) if hasattr(thing, name) else import_module(module)
            except ImportError:
                raise AssertionError(f"{path.name}: {words} does not exist") from None


def test_examples_import_what_exists() -> None:
    imports = [
        node
        for path in TEXTS
        for code in re.findall(
            r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S
        )
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGES)
    ]
    assert len(imports) > 5
    for node in imports:
        exec(compile(ast.Module([node], []), ast.unparse(node), "exec"), {})
