"""Pages of studies, and the text that tells of studies."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hil import config as configuration
from hil import sections
from hil.studies import folder, loader, schema
from hil.studies.validation import check
from support.html_page import Page
from support.paths import ROOT
from support.study_kit import GRID, SEARCH, Fake, Measured, carried_out, study

# -- pages ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every built-in study on its small budget, with trials that cost nothing."""
    place, found = tmp_path_factory.mktemp("studies"), {}
    for name in loader.names():
        made = loader.build(loader.read(name), budget="small")
        carried_out(made, place / name, Fake())
        found[name] = place / name
    return found


@pytest.mark.parametrize("name", loader.names())
def test_a_page_needs_no_network_and_holds_its_conclusions(
    name: str, built: dict[str, Path]
) -> None:
    text = (built[name] / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    links = page.values("src", "href", "xlink:href")
    assert all(link.startswith(("#", "data:")) for link in links)
    assert "script" not in page.tags
    assert {"table", "section"} <= set(page.tags)
    assert "svg" in page.tags or name == "benchmark"  # its curves are of costs, which no fake pays
    result = json.loads(
        (built[name] / "result.json").read_text(encoding="utf-8"),
        parse_constant=pytest.fail,  # no JSON knows NaN or Infinity
    )
    plain = re.sub(r"\s+", " ", text.replace("&#39;", "'").replace("&amp;", "&"))
    for claim in (*result["claims"], *result["not_told"]):
        assert claim in plain
    assert "NaN" not in text and "nan" not in re.findall(r">([^<]*)<", text)


@pytest.mark.parametrize("name", loader.names())
def test_every_claim_of_a_study_has_its_interval(name: str, built: dict[str, Path]) -> None:
    result = json.loads((built[name] / "result.json").read_text(encoding="utf-8"))
    for claim in result["claims"]:
        assert re.search(r"-?[\d.]+ to (-?[\d.]+|…)", claim), claim


def test_the_best_of_a_search_is_a_configuration_to_run(built: dict[str, Path]) -> None:
    ready = configuration.read(built["search"] / "best.toml")
    assert configuration.build(ready).model_dump(mode="json") == {
        **configuration.build(ready).model_dump(mode="json"),
        **{k: v for k, v in ready.items() if not isinstance(v, dict)},
    }


def test_a_study_without_sections_shows_means(tmp_path: Path) -> None:
    result = carried_out(study(GRID), tmp_path / "study", Fake())
    means, _ = result["sections"].values()  # and what was tuned
    assert len(means["means"]) == 2 * 3 * 5


@pytest.mark.parametrize("name", loader.names())
def test_every_study_answers_its_question(name: str, built: dict[str, Path]) -> None:
    result = json.loads((built[name] / "result.json").read_text(encoding="utf-8"))
    assert 1 <= len(result["answer"]) <= 4 and result["not_shown"] == []
    page = Page.read(built[name] / "report.html")
    assert page.all("h2")[0] == "The answer"
    for line in result["answer"]:
        assert " ".join(line.split()) in page.text and line[0].isupper() and line.endswith(".")
        assert "severity" not in line or name == "robustness"
        assert re.search(r"\d", line)


def losing(config: dict[str, Any]) -> dict[str, Any]:
    """Dead neurons cost accuracy, the more the higher the seed; nothing else does."""
    options = config["device_options"]
    lost = (0.6 + 0.01 * config["seed"]) * options.get("dead_fraction", 0.0)
    return {"test_accuracy": 0.9 + 0.01 * config["seed"] - lost}


def test_conclusions_name_what_was_varied_with_its_unit(tmp_path: Path) -> None:
    made = loader.build(loader.read("robustness"), budget="small", changes={"repeat": {"times": 4}})
    result = carried_out(made, tmp_path / "study", Measured(losing))
    (most,) = [claim for claim in result["claims"] if " loses most at " in claim]
    assert "at 20 % of dead neurons: 12.3 points (98.5 %: 11.6 to 13.0" in most
    assert any(
        re.search("(?i)deploying loses most at 20 % of dead neurons", line)
        for line in result["answer"]
    )
    page = Page.read(tmp_path / "study" / "report.html")
    assert {"dead neurons, %", "threshold mismatch, CV", "mode"} <= set(page.all("text"))
    assert "20 %" in page.all("td")
    table = (tmp_path / "study" / "trials.csv").read_text(encoding="utf-8")
    assert ",0.2," in table and "20 %" not in table  # as the file gives them


# -- texts ------------------------------------------------------------------------------------


def table_of(first: str) -> list[list[str]]:
    """Rows of the table in the text on studies whose first column is named so."""
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    lines = [re.split(r" *(?<!\\)\| *", line.strip())[1:-1] for line in text.splitlines()]
    start = next(n for n, cells in enumerate(lines) if cells and cells[0] == first)
    found = []
    for cells in lines[start + 2 :]:
        if not cells:
            return found
        found.append(cells)
    return found


def test_the_text_names_everything(built: dict[str, Path]) -> None:
    def names(first: str) -> set[str]:
        return {row[0].strip("`") for row in table_of(first)}

    assert names("study") == set(loader.names())
    assert names("section") == set(sections.names("study"))
    assert names("key of a study") == set(schema.Study.model_fields)
    files = {p.name for place in built.values() for p in place.iterdir()}
    assert names("file of a study") == {
        f"{n}/" if n == folder.WEIGHTS else n for n in files if n != folder.LOCK
    }
    for kind, _, keys in table_of("section"):
        fields = set(sections.get(kind.strip("`")).settings.model_fields)
        assert set(re.findall(r"`(\w+)`", keys)) == fields - {"title", "note", "measure", "answer"}


def test_the_study_of_the_text_makes_sense(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    example, tuning = map(tomllib.loads, re.findall(r"```toml\n(.*?)```", text, flags=re.S))
    result = carried_out(loader.build(example), tmp_path / "study", Fake())
    assert result["trials"] == 4 * 5
    rules_and_devices = loader.read("comparison")["factors"]
    check(loader.build({**example, "factors": rules_and_devices, "sections": [], **tuning}))


@pytest.mark.parametrize(
    ("objective", "said"),
    [("test_accuracy", "not test_accuracy"), ("-spike", "did you mean 'spikes'")],
)
def test_objectives_that_a_search_cannot_have(objective: str, said: str) -> None:
    changed = {**SEARCH["search"], "objectives": [objective]}
    with pytest.raises(ValueError, match=said):
        check(study({**SEARCH, "search": changed}))
