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
from pydantic.fields import FieldInfo

import drivers
from device_models import neurons
from device_models.figures import figures
from device_models.profiles import PROFILES, Imperfections
from drivers.emulator import CHIP_OPTIONS
from hil import config as configuration
from hil import encodings, feedback_functions, optimisers, rules, streams, surrogates, tasks
from hil.cli import app
from hil.run import Run

ROOT = Path(__file__).parents[1]
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
TINY = {"network": {"hidden": [10], "steps": 10}, "training": {"epochs": 2, "batch": 200}}

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


def span(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"


# -- the chip ---------------------------------------------------------------------------------


def test_every_figure_of_a_chip() -> None:
    expected = [
        [
            f"`{f.name}`",
            f"{f.value:g}",
            f.unit or "–",
            span(f.minimum, f.maximum) + (", whole" if f.whole else ""),
            f.meaning,
        ]
        for f in figures(Imperfections()).values()
    ]
    assert rows(text("docs/chip.md"), "figure") == expected


def test_every_profile() -> None:
    chip = text("docs/chip.md")
    expected = {
        f"`{p.name}`": [[f"`{n}`", f"{c.value:g}", c.source] for n, c in p.cited.items()]
        for p in PROFILES.values()
        if p.cited
    }
    assert tables(chip, "set figure") == expected
    for profile in PROFILES.values():
        assert profile.description in dict(sections(chip))[f"`{profile.name}`"]


def test_every_neuron_model() -> None:
    chip = text("docs/chip.md")
    for name in neurons.names():
        model = neurons.get(name)
        heading = f"Neuron `{name}`"
        assert tables(chip, "parameter")[heading] == [
            [
                f"`{p_name}`",
                f"{p.value:g}",
                p.unit,
                span(p.minimum, p.maximum),
                f"`{p.setting}`" if p.setting else "–",
                f"`{p.mismatch.figure}` ({p.mismatch.acts})" if p.mismatch else "–",
                p.meaning,
            ]
            for p_name, p in model.parameters.items()
        ]
        body = dict(sections(chip))[heading]
        for statement in (model.equations, model.threshold, *model.resets.values()):
            for line in statement.strip().splitlines():
                assert line.strip() in body
        assert model.source in body


def test_limits_and_options_of_the_emulator() -> None:
    chip = text("docs/chip.md")
    assert [row[0] for row in rows(chip, "option")] == [f"`{name}`" for name in CHIP_OPTIONS]
    with drivers.open("emulator:") as device:
        stated = {row[0].strip("`"): row[1] for row in rows(chip, "limit")}
        info = dataclasses.asdict(device.info) | dataclasses.asdict(device.info.weights[0])
        assert stated == {name: str(info[name]) for name in stated}
        assert {n for n in info if n.startswith(("max_", "min", "maximum"))} <= stated.keys()


# -- the configuration ------------------------------------------------------------------------


def allowed(schema: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in the words of the tables."""
    if "anyOf" in schema:
        return " or ".join(allowed(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kinds = {"integer": "whole", "number": "number", "string": "text", "boolean": "true or false"}
    if schema["type"] == "array":
        return f"list of {allowed(schema['items'])}"
    if schema["type"] == "object":
        return f"names with {allowed(schema['additionalProperties'])}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return " ".join([kinds[schema["type"]], ", ".join(bounds)]).strip()


def is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def keys(model: type[BaseModel], prefix: str = "") -> Rows:
    """Key, default and allowed values of a section, as its table has them."""
    schema = model.model_json_schema()["properties"]
    return [
        [f"`{prefix}{name}`", f"`{json.dumps(field.default)}`", allowed(schema[name])]
        for name, field in model.model_fields.items()
        if not is_section(field) and not isinstance(field.default, dict) or prefix
    ]


def expected_keys() -> dict[str, Rows]:
    found = {"Top level": keys(configuration.Config)}
    for name, field in configuration.Config.model_fields.items():
        if is_section(field):
            found[f"Section `{name}`"] = keys(field.annotation, f"{name}.")  # type: ignore[arg-type]
    for kind, package in (("rule", rules), ("encoding", encodings)):
        for name in package.names():
            found[f"`{kind}.name = {name}`"] = keys(package.module(name).Settings, f"{kind}.")
    return {heading: table for heading, table in found.items() if table}


def test_every_key_of_the_configuration() -> None:
    stated = tables(text("docs/configuration.md"), "key")
    assert {h: [row[:3] for row in table] for h, table in stated.items()} == expected_keys()
    for table in stated.values():
        for key, *_, unit, meaning in table:
            assert unit and meaning, key


def test_every_default_of_a_task() -> None:
    expected = [
        [f"`{name}`", f"`{section}.{key}`", f"`{json.dumps(value)}`"]
        for name in tasks.names()
        for section, values in tasks.get(name).defaults.items()
        for key, value in values.items()
    ]
    assert rows(text("docs/configuration.md"), "task") == expected


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("g", get_args(feedback_functions.Family)),
        ("surrogate", get_args(surrogates.Name)),
        ("estimator", activity.names()),
        ("schedule", get_args(optimisers.Schedule)),
        ("rule", rules.names()),
        ("stream", get_args(streams.Stream)),
    ],
)
def test_everything_that_has_a_name_is_explained(first: str, names: tuple[str, ...]) -> None:
    found = rows(text("docs/learning.md") + text("docs/architecture.md"), first)
    assert sorted(row[0] for row in found) == sorted(f"`{name}`" for name in names)


# -- commands, addresses, links ---------------------------------------------------------------


def shown_commands() -> list[list[str]]:
    lines = [line for path in TEXTS for b in blocks(path.read_text(), "sh") for line in b.split("\n")]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [shlex.split(part, comments=True)[1:] for part in parts if part.startswith("hil ")]


def test_commands_shown_are_accepted() -> None:
    shown = shown_commands()
    assert {words[0] for words in shown} >= set(COMMANDS)
    for name, *words in shown:
        asked = COMMANDS[name].make_context(name, list(words)).params
        if name == "train":
            sections = {
                key: asked[key] for key in ("task", "device", "observe", "seed") if asked[key]
            }
            if asked["rule"]:
                sections["rule"] = {"name": asked["rule"]}
            configuration.build(sections, configuration.assignments(asked["assign"] or []))


def test_options_named_exist_and_every_one_is_named() -> None:
    known = {o for c in COMMANDS.values() for p in c.params for o in p.opts if o.startswith("-")}
    texts = {path: path.read_text(encoding="utf-8") for path in TEXTS}
    for path, content in texts.items():
        for command in re.findall(r"`hil ([a-z]+)", content):
            assert command in COMMANDS, f"{path}: hil {command}"
        for option in re.findall(r"`(--[a-z]+)", content):
            assert option in known, f"{path}: {option}"
    assert known <= set(re.findall(r"`(--[a-z]+)", texts[ROOT / "README.md"]))


def test_addresses_open() -> None:
    found = {
        address
        for path in TEXTS
        for address in re.findall(r"emulator:[a-z-]*(?:\?[a-z_]+=[\w.&=-]+)?", path.read_text())
    }
    assert len(found) > 5
    for address in found:
        drivers.open(address).close()


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            headings = [heading for heading, _ in sections(target.read_text(encoding="utf-8"))]
            assert anchor in map(slug, headings), link


# -- examples ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to run examples in, where the digits' own defaults are tiny."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MPLBACKEND", "Agg")
        patch.setattr(
            "hil.tasks.digits.TASK", dataclasses.replace(tasks.get("digits"), defaults=TINY)
        )
        yield folder


def printed(code: str, name: str) -> list[str]:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(code, name, "exec"), {})
    return out.getvalue().split()


def test_python_blocks_compile() -> None:
    for path in TEXTS:
        for code in blocks(path.read_text(encoding="utf-8"), "python"):
            compile(code, path.name, "exec")


def test_the_loop_of_the_readme_and_the_folder_it_leaves(workplace: Path) -> None:
    accuracy, page, elsewhere = printed(blocks(text("README.md"), "python")[0], "README.md")
    assert 0 < float(accuracy) <= 1 and 0 < float(elsewhere) <= 1
    run = Run.open((workplace / page).parent)
    evidence, checkpoint = run.load_evidence(), run.load_checkpoint()
    result = run.result()
    assert evidence is not None and checkpoint is not None and result is not None
    environment = json.loads((run.path / "environment.json").read_text())

    def numbered(names: Iterable[str]) -> set[str]:
        return {re.sub(r"\d+$", "N", name) for name in names}

    markdown = text("docs/run_folder.md")
    for first, names in {
        "file": {path.name for path in run.path.iterdir()},
        "metric": run.metrics()[0].keys(),
        "figure of the result": result.keys(),
        "entry": environment.keys(),
        "evidence": numbered(evidence),
        "array": numbered([*checkpoint, "config"]),
    }.items():
        assert {row[0] for row in rows(markdown, first)} == {f"`{name}`" for name in names}


def test_the_inside_of_the_loop_of_the_readme_learns() -> None:
    (accuracy,) = printed(blocks(text("README.md"), "python")[1], "README.md")
    assert float(accuracy) > 0.9


def test_the_notebook_runs_from_top_to_bottom(workplace: Path) -> None:
    notebook = json.loads(text("notebooks/first_loop.ipynb"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    printed("\n".join("".join(cell["source"]) for cell in cells), "first_loop.ipynb")
    assert [path.name for path in (workplace / "runs").glob("*seed1")] == ["digits-adfa-seed1"]
