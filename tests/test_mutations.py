"""The list of mutations is about the project as it is; `benchmarks/mutations.py` makes them."""

from __future__ import annotations

import ast
import tomllib
from types import ModuleType

import pytest

from support.benchmark_programs import loaded
from support.paths import ROOT


@pytest.fixture(scope="module")
def mutations() -> ModuleType:
    return loaded("mutations")


def parse(file: str, text: str) -> object:
    return tomllib.loads(text) if file.endswith(".toml") else ast.dump(ast.parse(text))


def test_every_mutation_can_be_made(mutations: ModuleType) -> None:
    """What is replaced is there once, and what comes of it is another program."""
    listed = mutations.read()
    assert len({m.meaning for m in listed}) == len(listed)
    assert {m.file.split("/")[0] for m in listed} == {"hil", "drivers", "device_models"}
    texts = {m.file: (ROOT / m.file).read_text(encoding="utf-8") for m in listed}
    parsed = {file: parse(file, text) for file, text in texts.items()}
    for mutation in listed:
        changed = parse(mutation.file, mutation.applied(texts[mutation.file]))
        assert changed != parsed[mutation.file], mutation.meaning


def test_a_text_that_is_not_there_once_is_refused(mutations: ModuleType) -> None:
    mutation = mutations.Mutation("a meaning", "a/file.py", "x = 1", "x = 2", ["tests"])
    assert mutation.applied("x = 1\ny = 1\n") == "x = 2\ny = 1\n"
    for text, times in (("x = 3\n", 0), ("x = 1\nx = 1\n", 2)):
        with pytest.raises(ValueError, match=rf"a/file.py, 'a meaning'.* is there {times} times"):
            mutation.applied(text)


def test_the_tests_named_exist(mutations: ModuleType) -> None:
    for name in {test for mutation in mutations.read() for test in mutation.tests}:
        file, _, function = name.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not function or function in defined, name
