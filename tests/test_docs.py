"""The texts say what the code does: tables, commands, addresses, links and examples."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import typer

import drivers
from hil import config as configuration
from hil import tasks as known_tasks
from hil.cli.app import app
from hil.extensions import Trust
from hil.runs.folder import Run
from support.extension_file import written

ROOT = Path(__file__).parents[1]
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
TINY: dict[str, Any] = {
    "network": {"hidden": [10], "steps": 10},
    "training": {"epochs": 1, "batch": 359},
}

Rows = list[list[str]]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def sections(markdown: str) -> Iterator[tuple[str, str]]:
    """Every heading with what stands below it, down to the next one."""
    plain = re.sub(r"^```.*?^```", lambda m: m[0].replace("#", " "), markdown, flags=re.M | re.S)
    starts = [*re.finditer(r"^#+ (.*)$", plain, flags=re.M)]
    ends = [start.start() for start in starts[1:]] + [len(markdown)]
    for start, end in zip(starts, ends, strict=True):
        yield start[1], markdown[start.end() : end]


def tables(markdown: str, first: str) -> dict[str, Rows]:
    """Rows of the tables whose first column has a certain header, by the heading above them."""
    found: dict[str, Rows] = {}
    for heading, body in sections(markdown):
        header = None
        for line in body.splitlines():
            if not line.startswith("|"):
                header = None
                continue
            cells = [c.strip() for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if header is None:
                header = cells[0]
            elif header == first and not set(line) <= set("|-: "):
                found.setdefault(heading, []).append(cells)
    return found


def rows(markdown: str, first: str) -> Rows:
    return [row for table in tables(markdown, first).values() for row in table]


def blocks(markdown: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", markdown, flags=re.M | re.S)


def test_the_reference_is_what_the_code_says() -> None:
    """Its pages are as `python docs/reference.py` writes them."""
    reference = run_path(str(ROOT / "docs" / "reference.py"))
    for name, made in reference["pages"]().items():
        assert text(f"docs/reference/{name}") == made, "run: python docs/reference.py"
        assert "||" not in made, f"{name}: something is not explained"


def test_a_page_of_the_reference_that_is_edited_is_found(tmp_path: Path) -> None:
    program = tmp_path / "reference.py"
    shutil.copytree(ROOT / "docs" / "reference", tmp_path / "reference")
    program.write_text(text("docs/reference.py"), encoding="utf-8")
    page = tmp_path / "reference" / "names.md"
    page.write_text(page.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    check = [sys.executable, str(program), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and "names.md" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_commands_shown_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = [
        part for path in TEXTS for b in blocks(path.read_text(), "sh") for part in b.split("\n")
    ]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    shown = [shlex.split(part, comments=True)[1:] for part in parts if part.startswith("hil ")]
    assert len({words[0] for words in shown}) > 10
    for name, *words in shown:
        asked = COMMANDS[name].make_context(name, words).params
        if name == "train":
            found = {key: asked[key] for key in ("task", "device", "observe") if asked[key]}
            found |= {"rule": {"name": asked["rule"]}} if asked["rule"] else {}
            with Trust(everything=True).in_force():
                configuration.build(found, configuration.parse_assignments(asked["assign"] or []))


def test_options_named_exist_and_every_one_is_named() -> None:
    commands = [
        c for top in COMMANDS.values() for c in (top, *getattr(top, "commands", {}).values())
    ]
    known = {o for c in commands for p in c.params for o in p.opts if o.startswith("--")}
    named: set[str] = set()
    for path in TEXTS:
        content = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"`(--[a-z][a-z-]*)", content))
        assert set(re.findall(r"`hil ([a-z][a-z-]*)", content)) <= set(COMMANDS), path
    assert named - {"--help"} == known


def test_addresses_open() -> None:
    held = r"(?:(?:fleet|tiled):(?:\w+=\d+,)?)?"
    pattern = held + r"emulator:[a-z-]*(?:\?[a-z_]+=[\w.&=-]+)?(?![\w?-]|\.(?:toml|py))"
    found = {address for path in TEXTS for address in re.findall(pattern, path.read_text())}
    assert len(found) > 5
    for address in found:
        drivers.open(address).close()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        assert "://" in link or (path.parent / link).exists(), link


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to run examples in, where the digits' own defaults are tiny."""
    folder = tmp_path_factory.mktemp("examples")
    tiny = dataclasses.replace(known_tasks.get("digits"), defaults=TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(known_tasks.CATALOGUE._builtin(), "digits", tiny)
        yield folder


def printed(code: str) -> list[str]:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(code, "example", "exec"), {})
    return out.getvalue().split()


def test_python_blocks_compile() -> None:
    for path in TEXTS:
        for code in blocks(path.read_text(encoding="utf-8"), "python"):
            compile(code, path.name, "exec")


def test_the_loop_of_the_readme_and_the_folder_it_leaves(workplace: Path) -> None:
    accuracy, page, elsewhere = printed(blocks(text("README.md"), "python")[0])
    run = Run.open((workplace / page).parent)
    result = run.result() or {}
    assert float(accuracy) == result["test_accuracy"] and 0 <= float(elsewhere) <= 1
    markdown = text("docs/run_folder.md")
    for first, names in {
        "file": {path.name for path in run.path.iterdir()},
        "metric": run.metrics()[0],
        "final figure": result,
        "cost": result["costs"]["training"],
        "entry": json.loads((run.path / "environment.json").read_text()),
    }.items():
        assert {row[0] for row in rows(markdown, first)} == {f"`{name}`" for name in names}


def test_the_inside_of_the_loop_of_the_readme_learns() -> None:
    (accuracy,) = printed(blocks(text("README.md"), "python")[1])
    assert float(accuracy) > 0.8
