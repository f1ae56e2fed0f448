"""Pages and statistics of studies: against oracles, and against what they must not say."""

from __future__ import annotations

import json
import math
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from hil import config as configuration
from hil import statistics
from hil.cli.commands import study as command
from hil.studies import folder, loader, schema
from hil.studies.coordinator import Progress
from hil.studies.plan import Cell, Choice, Unit
from hil.studies.report import sections, wording
from hil.studies.table import MEASURES, Row, by_unit, grouped
from hil.studies.validation import check
from support.paths import ROOT
from support.study_kit import GRID, SEARCH, Fake, carried_out, study

FLOATS = st.floats(-1e3, 1e3)
SAMPLES = st.lists(FLOATS, min_size=2, max_size=20)


# -- statistics -------------------------------------------------------------------------------


@given(values=SAMPLES)
def test_a_mean_has_students_interval(values: list[float]) -> None:
    found = statistics.mean(values)
    assert found.units == len(values) and found.value == pytest.approx(np.mean(values))
    assert found.interval is not None and found.deviation is not None
    scale = np.std(values, ddof=1) / math.sqrt(len(values))
    assume(scale > 1e-9)
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), scale)
    assert found.interval == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(2000):
        low, high = statistics.mean(rng.normal(3, 2, 4).tolist()).interval or (0.0, 0.0)
        inside += low <= 3 <= high
    assert abs(inside / 2000 - 0.95) < 0.02


def test_one_unit_has_no_interval() -> None:
    assert statistics.mean([0.5]) == statistics.Mean(0.5, None, None, 1)
    assert statistics.paired([0.5], [0.4]).t_test is None
    equal = statistics.paired([0.3, 0.9], [0.2, 0.8])  # but for the last bit
    assert equal.mean.deviation == 0 and equal.t_test is None and equal.wilcoxon is None


@settings(max_examples=25)
@given(pairs=st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=15))
def test_a_paired_difference_is_scipys(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    assume(np.std(a - b, ddof=1) > 1e-6)
    found = statistics.paired(a.tolist(), b.tolist())
    assert found.t_test == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-6, abs=1e-12)
    other = statistics.paired(b.tolist(), a.tolist())
    assert other.mean.value == -found.mean.value and other.t_test == found.t_test
    low, high = found.mean.interval or (0, 0)
    assert (found.t_test < 0.05) == (not low <= 0 <= high) or abs(found.t_test - 0.05) < 1e-9


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_a_step_down_of_bonferroni(p: list[float]) -> None:
    found = statistics.holm(p)
    for one, adjusted in zip(p, found, strict=True):
        assert one <= adjusted <= min(1.0, one * len(p)) + 1e-12
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(found)[order]) >= -1e-12).all()
    assert min(found) == pytest.approx(min(1.0, min(p) * len(p)))


def test_holm_of_a_textbook() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(x=st.lists(FLOATS, min_size=4, max_size=30), seed=st.integers(0, 99))
def test_a_rank_correlation_does_not_depend_on_the_scale(x: list[float], seed: int) -> None:
    y = np.random.default_rng(seed).standard_normal(len(x)).tolist()
    assume(len(set(x)) > 1)
    found = statistics.rank_correlation(x, y)
    assert found.rho is not None and found.interval is not None
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    low, high = found.interval
    assert -1 <= low <= found.rho <= high <= 1
    other = statistics.rank_correlation(y, x)
    assert other.rho == pytest.approx(found.rho)


def test_too_few_pairs_have_no_correlation() -> None:
    assert statistics.rank_correlation([1, 2, 3], [1, 2, 3]).interval is None
    assert statistics.rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).rho is None


def test_a_bootstrap_interval_is_that_of_the_mean() -> None:
    values = [[v] for v in np.random.default_rng(0).normal(5, 1, 200)]
    bounds = statistics.bootstrap(values, lambda s: float(np.mean([v[0] for v in s])))
    assert bounds is not None
    expected = statistics.mean([v[0] for v in values]).interval
    assert expected is not None and bounds == pytest.approx(expected, abs=0.03)
    assert statistics.bootstrap(values[:2], lambda s: 0.0) is None


# -- claims -----------------------------------------------------------------------------------


@given(data=st.data())
def test_no_claim_without_an_interval_or_from_too_few(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    shares = st.lists(st.floats(0, 1), min_size=size, max_size=size)
    found = statistics.paired(data.draw(shares), data.draw(shares))
    p = None if found.t_test is None else min(1.0, 3 * found.t_test)
    claim = wording.comparison("one", "two", found, "test_accuracy", p, 3)
    if claim.supported:
        assert size >= statistics.FEWEST and p is not None and p < 0.05
        assert re.search(r"95 %: -?[\d.]+ to -?[\d.]+; \d pairs, p = ", claim.text)
        above = "above" in claim.text
        assert above == (found.mean.value > 0) and above != ("below" in claim.text)
    elif size < statistics.FEWEST:
        assert "too few for a claim" in claim.text
    else:
        assert "cannot be told apart" in claim.text or "no spread" in claim.text


# -- sections ---------------------------------------------------------------------------------


def row(number: int, part: str, unit: int, accuracy: float | None, **levels: Any) -> Row:
    choices = {
        name: Choice(schema.label(level), level if isinstance(level, float) else None, {})
        for name, level in levels.items()
    }
    outcome = {"error": "no"} if accuracy is None else {"test_accuracy": accuracy}
    return Row(number, Cell(part, choices), Unit(unit, unit, unit), outcome)


def shown(rows: list[Row], **section: Any) -> Any:
    sections_ = {**GRID, "sections": [section]}
    return sections.build(study(sections_), rows)[0]


def curves(losses: dict[str, list[float]]) -> list[Row]:
    """Accuracies of four units at severities 0, 0.1, ... that fall from 0.9 by these losses."""
    found = []
    for mode, lost in losses.items():
        for place, loss in enumerate(lost):
            for unit in range(4):
                accuracy = 0.9 + 0.01 * unit - loss
                severity = round(0.1 * place, 1)
                found.append(row(len(found), "noise", unit, accuracy, mode=mode, severity=severity))
    return found


def test_the_tolerated_severity_is_where_the_line_crosses() -> None:
    rows = curves({"deploy": [0.0, 0.02, 0.06], "scratch": [0.0, 0.005, 0.005]})
    found = shown(rows, kind="tolerance", severity="severity", lines=["mode"])
    table = {line[1]: line[2:5] for line in found.tables[0].rows}
    # 1 point: halfway to 0.1; 2 points: at 0.1; 5 points: three quarters of the way to 0.2.
    assert [cell.split(" ")[0] for cell in table["deploy"]] == ["0.05", "0.1", "0.175"]
    assert [cell.split(" ")[0] for cell in table["scratch"]] == ["none"] * 3
    assert [line[1] for line in found.tables[1].rows] == ["scratch", "deploy"]


@given(
    losses=st.lists(st.integers(0, 20).map(lambda n: n / 100), min_size=2, max_size=5),
    points=st.integers(0, 9).map(lambda n: (n + 0.5) / 100),
)
def test_a_tolerated_severity_is_bracketed_by_the_severities_tried(
    losses: list[float], points: float
) -> None:
    rows = curves({"deploy": [0.0, *losses]})
    found = shown(rows, kind="tolerance", severity="severity", lines=["mode"], losses=[points])
    text = found.tables[0].rows[0][2].split(" ")[0]
    first = next((n for n, loss in enumerate(losses, 1) if loss >= points), None)
    if first is None:
        assert text == "none"
    else:
        assert 0.1 * (first - 1) - 1e-3 <= float(text) <= 0.1 * first + 1e-3


def test_what_is_recovered_is_a_share_of_what_was_lost() -> None:
    rows = curves(
        {"deploy": [0.0, 0.2, 0.005], "fine_tune": [0.0, 0.05, 0.0], "scratch": [0.0, 0.3, 0.0]}
    )
    found = shown(rows, kind="recovery", severity="severity")
    by_mode = {(line[1], line[3]): line[4] for line in found.tables[0].rows}
    assert by_mode["0.1", "fine_tune"].startswith("75 % ")
    assert by_mode["0.1", "scratch"].startswith("-50 % ")
    assert by_mode["0.2", "fine_tune"] == "nothing lost"
    json.dumps(found.data, allow_nan=False)  # result.json is for any reader of JSON


def test_pairs_are_of_equal_unit_and_failures_take_no_part() -> None:
    rows = [
        *(row(u, "noise", u, 0.5 + 0.1 * u, rule="adfa", severity=0.0) for u in range(4)),
        *(
            row(9 + u, "noise", u, 0.52 + 0.1 * u + 0.001 * u, rule="bp", severity=0.0)
            for u in (3, 1)
        ),
        row(20, "noise", 2, None, rule="bp", severity=0.0),
        row(21, "noise", 0, 0.521, rule="bp", severity=0.0),
    ]
    found = shown(rows, kind="pairs", factor="rule", reference="adfa")
    (line,) = found.tables[0].rows
    assert line[line.index("bp") + 1] == "2.2" and "3" in line
    assert [claim.supported for claim in found.claims] == [True]


def test_units_count_once_whatever_is_averaged_over() -> None:
    rows = [
        row(n, "noise", n % 3, 0.5 + 0.1 * (n % 3), rule="adfa", severity=n / 10) for n in range(12)
    ]
    assert by_unit(rows, "test_accuracy") == pytest.approx({0: 0.5, 1: 0.6, 2: 0.7})
    found = shown(rows, kind="means", by=["rule"])
    assert found.tables[0].rows[0][3] == "3"


def test_groups_come_in_the_order_of_their_levels() -> None:
    rows = [
        row(0, "noise", 0, 0.5, rule="bp", severity=0.1),
        row(1, "noise", 0, 0.5, rule="adfa", severity=0.1),
        row(2, "noise", 0, 0.5, rule="bp", severity=0.0),
    ]
    assert list(grouped(rows, ["severity", "rule"])) == [
        ("0.1", "bp"),
        ("0.1", "adfa"),
        ("0", "bp"),
    ]


# -- pages ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would fetch, and tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in ("meta", "br", "img", "link", "use", "path", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


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
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert page.open == [] and "script" not in page.tags
    assert {"table", "svg", "section"} <= set(page.tags)
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


@pytest.mark.parametrize("name", [n for n in loader.names() if n != "search"])
def test_a_study_of_one_unit_claims_nothing_and_says_so(name: str, tmp_path: Path) -> None:
    made = loader.build(loader.read(name), budget="small", changes={"repeat": {"times": 1}})
    result = carried_out(made, tmp_path / "study", Fake())
    assert result["claims"] == []
    assert "Too small for a claim" in (tmp_path / "study" / "report.html").read_text()


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


# -- progress and texts -----------------------------------------------------------------------


def test_progress_tells_rate_and_rest() -> None:
    assert command.pace(Progress("trials", 10, 40, 5, 30.0)) == "10/40 trials, 10/min, 0:03:00 left"
    assert command.pace(Progress("trials", 10, 40, 0, 30.0)) == "10/40 trials"


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
    assert names("section") == set(sections.names())
    assert names("key of a study") == set(schema.Study.model_fields)
    files = {p.name for place in built.values() for p in place.iterdir()}
    assert names("file of a study") == {
        f"{n}/" if n == folder.WEIGHTS else n for n in files if n != folder.LOCK
    }
    assert [(r[0].strip("`"), r[1].replace("\\", "")) for r in table_of("measure")] == list(
        MEASURES.items()
    )
    for kind, _, keys in table_of("section"):
        fields = set(sections.module(kind.strip("`")).Settings.model_fields)
        assert set(re.findall(r"`(\w+)`", keys)) == fields - {"title", "note", "measure"}


def test_the_study_of_the_text_makes_sense(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, flags=re.S)
    made = loader.build(tomllib.loads(example))
    result = carried_out(made, tmp_path / "study", Fake())
    assert result["trials"] == 4 * 5


@pytest.mark.parametrize(
    ("objective", "said"),
    [("test_accuracy", "not test_accuracy"), ("-spike", "did you mean 'spikes'")],
)
def test_objectives_that_a_search_cannot_have(objective: str, said: str) -> None:
    changed = {**SEARCH["search"], "objectives": [objective]}
    with pytest.raises(ValueError, match=said):
        check(study({**SEARCH, "search": changed}))
