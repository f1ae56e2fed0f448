"""The texts say what the code does: tables, commands, addresses, links and examples."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

import drivers
from device_models import profiles
from device_models.nonidealities import NonIdealities, by_name
from drivers.contract.files.messages import read_npz
from drivers.emulator.device import CHIP_OPTIONS
from hil import config as configuration
from hil import encodings, streams
from hil import tasks as known_tasks
from hil.cli.app import app
from hil.extensions import Trust
from hil.learning import gates, optimisers, rate_estimators, rules, surrogates
from hil.runs.folder import Run
from hil.tasks import formats
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


def test_every_nonideality_of_a_chip() -> None:
    assert rows(text("docs/chip.md"), "non-ideality") == [
        [
            f"`{f.name}`",
            f"{f.value:g}",
            f.unit or "-",
            f"{f.minimum:g} to {f.maximum:g}" + (", whole" if f.whole else ""),
            f.meaning,
        ]
        for f in by_name(NonIdealities()).values()
    ]


def test_every_option_of_a_nonideality_is_a_nonideality() -> None:
    profile = profiles.get("mixed-signal")
    stated = rows(text("docs/chip.md"), "set non-ideality")
    assert stated == [[f"`{n}`", f"{c.value:g}", c.source] for n, c in profile.cited.items()]


def test_limits_and_options_of_the_emulator() -> None:
    chip = text("docs/chip.md")
    assert [row[0] for row in rows(chip, "option")] == [f"`{name}`" for name in CHIP_OPTIONS]
    with drivers.open("emulator:") as device:
        info = dataclasses.asdict(device.info)
    limits = {
        key: info["capacity"][key]
        for key in ("layers", "inputs", "neurons", "batch", "steps", "delay")
    }
    limits |= {key: value for key, value in info["weights"][0].items() if key != "levels"}
    assert {row[0]: row[1] for row in rows(chip, "limit")} == {
        f"`{key}`": f"{value:g}" if value < 1e4 else f"{value:,}".replace(",", " ")
        for key, value in limits.items()
    }


def allowed(schema: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in the words of the tables."""
    if "anyOf" in schema:
        return " or ".join(map(allowed, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if schema["type"] == "array":
        return f"list of {allowed(schema['items'])}"
    if schema["type"] == "object":
        return f"{allowed(schema['additionalProperties'])} by name"
    kinds = {"integer": "whole", "number": "number", "string": "text", "boolean": "true or false"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return f"{kinds[schema['type']]} {', '.join(bounds)}".strip()


def keys(model: type[BaseModel], prefix: str = "") -> Rows:
    """Key, default and allowed values of each plain field, as the tables have them."""
    schema = model.model_json_schema()["properties"]
    return [
        [f"`{prefix}{name}`", f"`{json.dumps(field.default)}`", allowed(schema[name])]
        for name, field in model.model_fields.items()
        if not isinstance(field.default, BaseModel) and field.annotation != dict[str, Any]
    ]


def expected_keys() -> dict[str, Rows]:
    found = {"Top level": keys(configuration.Config)}
    for name, field in configuration.Config.model_fields.items():
        if isinstance(field.default, BaseModel):
            found[f"`{name}`"] = keys(type(field.default), f"{name}.")
    for kind, package in (("rule", rules), ("encoding", encodings)):
        for name in package.names():
            found[f"`{kind}.name = {name}`"] = keys(package.get(name).settings, f"{kind}.")
    return {heading: table for heading, table in found.items() if table}


def test_every_key_of_the_configuration() -> None:
    stated = tables(text("docs/configuration.md"), "key")
    assert {h: [row[:3] for row in table] for h, table in stated.items()} == expected_keys()
    assert all(len(row) == 5 and all(row) for table in stated.values() for row in table)


def test_every_default_of_a_task() -> None:
    assert rows(text("docs/configuration.md"), "task") == [
        [f"`{name}`", f"`{section}.{key}`", f"`{json.dumps(value)}`"]
        for name in known_tasks.names()
        for section, values in known_tasks.get(name).defaults.items()
        for key, value in values.items()
    ]


def test_every_format_of_files_and_its_options() -> None:
    shown = [(row[0], row[-1]) for row in rows(text("docs/library.md"), "address")]
    assert sorted(shown) == [
        (f"`{name}:FILE`", ", ".join(f"`{o}`" for o in (*formats.get(name).options, "test")))
        for name in formats.names()
    ]


def test_every_default_of_a_rule_on_a_task() -> None:
    assert rows(text("docs/configuration.md"), "tuned rule") == [
        [f"`{rule}`", f"`{name}`", f"`{section}.{key}`", f"`{json.dumps(value)}`"]
        for name in known_tasks.names()
        for rule, sections in known_tasks.get(name).by_rule.items()
        for section, values in sections.items()
        for key, value in values.items()
    ]


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("g", gates.names()),
        ("surrogate", get_args(surrogates.Name)),
        ("estimator", rate_estimators.names()),
        ("schedule", get_args(optimisers.Schedule)),
        ("rule", rules.names()),
        ("stream", get_args(streams.Stream)),
    ],
)
def test_everything_that_has_a_name_is_explained(first: str, names: Iterable[str]) -> None:
    found = rows(text("docs/learning.md") + text("docs/architecture.md"), first)
    assert sorted(row[0] for row in found) == sorted(f"`{name}`" for name in names)


def test_commands_shown_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = [
        part for path in TEXTS for b in blocks(path.read_text(), "sh") for part in b.split("\n")
    ]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    shown = [shlex.split(part, comments=True)[1:] for part in parts if part.startswith("hil ")]
    assert {words[0] for words in shown} == set(COMMANDS)
    for name, *words in shown:
        asked = COMMANDS[name].make_context(name, words).params
        if name == "train":
            found = {key: asked[key] for key in ("task", "device", "observe") if asked[key]}
            found |= {"rule": {"name": asked["rule"]}} if asked["rule"] else {}
            with Trust(everything=True).in_force():
                configuration.build(found, configuration.assignments(asked["assign"] or []))


def test_options_named_exist_and_every_one_is_named() -> None:
    known = {o for c in COMMANDS.values() for p in c.params for o in p.opts if o.startswith("--")}
    named: set[str] = set()
    for path in TEXTS:
        content = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"`(--[a-z]+)", content))
        assert set(re.findall(r"`hil ([a-z][a-z-]*)", content)) <= set(COMMANDS), path
    assert named - {"--help"} == known


def test_every_command_has_a_row() -> None:
    stated = [row[0] for row in rows(text("README.md"), "command")]
    assert sorted(stated) == sorted(f"`hil {name}`" for name in COMMANDS)


def test_addresses_open() -> None:
    pattern = r"(?:fleet:)?emulator:[a-z-]*(?:\?[a-z_]+=[\w.&=-]+)?(?![\w?-]|\.(?:toml|py))"
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
        patch.setattr("hil.tasks.digits.TASK", tiny)
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
    files = {path.name for path in run.path.iterdir()}
    markdown = text("docs/run_folder.md")
    for first, names in {
        "file": files,
        "metric": run.metrics()[0],
        "final figure": result,
        "cost": result["costs"]["training"],
        "entry": json.loads((run.path / "environment.json").read_text()),
        "snapshot": run.load_snapshot() or {},
        "preparation": read_npz(run.path / "preparation.npz", ("preparation",), 1),
        "array": run.load_checkpoint() or {},
    }.items():
        numbered = {re.sub(r"(?<=[_/])\d+(?=/|$)", "N", name) for name in names}
        assert {row[0] for row in rows(markdown, first)} == {f"`{name}`" for name in numbered}


def test_the_inside_of_the_loop_of_the_readme_learns() -> None:
    (accuracy,) = printed(blocks(text("README.md"), "python")[1])
    assert float(accuracy) > 0.8
