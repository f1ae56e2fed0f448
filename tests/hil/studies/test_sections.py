"""Sections of a study's page: what they say, and what they must not."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hil import statistics
from hil.sections import words
from hil.sections.comparisons import Comparison
from hil.sections.trials import Cell, Level, Row, Unit, average_by_unit, group_rows
from hil.studies import page, schema
from support.study_kit import GRID, study

# -- claims -----------------------------------------------------------------------------------


@given(data=st.data())
def test_no_claim_without_an_interval_or_from_too_few(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    shares = st.lists(st.floats(0, 1), min_size=size, max_size=size)
    found = statistics.paired_difference(data.draw(shares), data.draw(shares))
    p = None if found.t_test is None else min(1.0, 3 * found.t_test)
    claim = Comparison("one", "two", found, "test_accuracy", p, 3)
    if claim.is_supported:
        assert size >= statistics.FEWEST and p is not None and p < words.SIGNIFICANCE
        assert re.search(r"98.5 %: -?[\d.]+ to -?[\d.]+; \d pairs, p = ", str(claim))
        above = "above" in str(claim)
        assert above == (found.mean.value > 0) and above != ("below" in str(claim))
    elif size < statistics.FEWEST:
        assert "too few for a claim" in str(claim)
    else:
        assert "cannot be told apart" in str(claim) or "no spread" in str(claim)


# -- sections ---------------------------------------------------------------------------------


def row(number: int, part: str, unit: int, accuracy: float | None, **levels: Any) -> Row:
    choices = {
        name: Level(schema.label(level), level if isinstance(level, float) else None)
        for name, level in levels.items()
    }
    outcome = {"error": "no"} if accuracy is None else {"test_accuracy": accuracy}
    return Row(number, Cell(part, choices), Unit(unit, unit, unit), outcome)


def shown(rows: list[Row], **section: Any) -> Any:
    sections_ = {**GRID, "sections": [section]}
    ((_, make),) = page.make_sections(study(sections_), rows)
    return make()


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
    assert [claim.is_supported for claim in found.claims] == [True]


def test_units_count_once_whatever_is_averaged_over() -> None:
    rows = [
        row(n, "noise", n % 3, 0.5 + 0.1 * (n % 3), rule="adfa", severity=n / 10) for n in range(12)
    ]
    assert average_by_unit(rows, "test_accuracy") == pytest.approx({0: 0.5, 1: 0.6, 2: 0.7})
    found = shown(rows, kind="means", by=["rule"])
    assert found.tables[0].rows[0][3] == "3"


def test_groups_come_in_the_order_of_their_levels() -> None:
    rows = [
        row(0, "noise", 0, 0.5, rule="bp", severity=0.1),
        row(1, "noise", 0, 0.5, rule="adfa", severity=0.1),
        row(2, "noise", 0, 0.5, rule="bp", severity=0.0),
    ]
    assert list(group_rows(rows, ["severity", "rule"])) == [
        ("0.1", "bp"),
        ("0.1", "adfa"),
        ("0", "bp"),
    ]


def test_the_gap_is_from_the_worst_to_the_best_of_each_repetition() -> None:
    means = {  # of three devices as deployed, and after 10 and 100 samples
        "ideal": {0: 0.9, 10: 0.9, 100: 0.9},
        "far": {0: 0.5, 10: 0.8, 100: 0.897},
        "near": {0: 0.7, 10: 0.8, 100: 0.85},
    }
    rows = []
    for rule, device, seen, unit in product(("a", "b"), means, (0, 10, 100), range(3)):
        accuracy = means[device][seen] + 0.01 * unit * (device == "far" and not seen)
        lost = 0.1 * (rule == "b" and seen > 0)
        levels = {"rule": rule if seen else "put", "severity": float(seen)}
        if seen or rule == "a":
            each = row(len(rows), "noise", unit, accuracy - lost, mode=device, **levels)
            each.outcome["shown"] = seen
            rows.append(each)
    rows.append(row(len(rows), "noise", 0, None, mode="near", rule="b", severity=100.0))
    found = shown(
        rows,
        kind="gap",
        factor="mode",
        reference="ideal",
        by=["rule", "severity"],
        lines=["rule"],
    )
    widths, needed = (table.rows for table in found.tables)
    assert {line[0]: line[3] for line in widths} == {
        "put · 0": "39.0",  # 40, 39 and 38 points
        "a · 10": "10.0",
        "a · 100": "5.0",
        "b · 10": "10.0",
        "b · 100": "5.0",
    }
    assert widths[0][1:3] == ["ideal (90.0)", "far (51.0)"]
    assert {line[0]: line[2:] for line in needed} == {
        "ideal": ["0", "0"],
        "far": ["100", "none"],  # within 0.5 points
        "near": ["none", "none"],
    }
    assert [claim.is_supported for claim in found.claims] == [True, True]
    json.dumps(found.data, allow_nan=False)


@given(data=st.data())
def test_the_yield_is_over_chips_and_its_interval_over_repetitions(data: st.DataObject) -> None:
    repetitions, chips = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 9))
    share = st.integers(0, 100).map(lambda hundredths: hundredths / 100)
    drawn = {
        level: np.array(
            data.draw(st.lists(share, min_size=repetitions * chips, max_size=repetitions * chips))
        ).reshape(repetitions, chips)
        for level in ("one", "many")
    }
    rows = [
        row(n, "", unit, float(value), weights=level)
        for level, values in drawn.items()
        for n, (unit, value) in enumerate((u, v) for u, each in enumerate(values) for v in each)
    ]
    made = {k: v for k, v in GRID.items() if k != "tune"}
    made = {**made, "factors": {"weights": {"key": "rule.name", "levels": ["one", "many"]}}}
    section = {"kind": "chip_yield", "factor": "weights", "reference": "one", "least": 0.6}
    ((_, make),) = page.make_sections(study({**made, "parts": {}, "sections": [section]}), rows)
    found = make().data["levels"]
    for level, values in drawn.items():
        shares = [np.mean(each >= 0.6) for each in values]
        medians, lows = np.median(values, axis=1), np.quantile(values, 0.05, axis=1)
        for name, expected in (("yield", shares), ("median", medians), ("5th percentile", lows)):
            value, interval = found[level][name]
            assert value == pytest.approx(np.mean(expected))
            assert (interval is None) == (repetitions < 2 or np.ptp(expected) == 0)
            if interval is not None:
                half = stats.t.ppf(1 - (1 - statistics.LEVEL) / 2, repetitions - 1)
                half *= np.std(expected, ddof=1) / np.sqrt(repetitions)
                cut = np.clip([np.mean(expected) - half, np.mean(expected) + half], 0, 1)
                assert interval == pytest.approx(cut)


def test_a_population_is_over_chips_whatever_the_repetitions() -> None:
    """Yield as SciPy has it, of chips by their mean; spreads as they were drawn."""
    rng, between, within = np.random.default_rng(0), 0.03, 0.01
    chips = 0.9 + between * rng.standard_normal(400)
    values = chips + within * rng.standard_normal((3, 400))
    rows = [
        Row(
            chip,
            Cell("", {"rule": Level("one"), "severity": Level("2", 2.0)}),
            Unit(unit, unit, chip),
            {"test_accuracy": value},
        )
        for (unit, chip), value in np.ndenumerate(values)
    ]
    section = {"kind": "population", "x": "severity", "factor": "rule", "least": 0.9}
    (found,) = shown(rows, **section).data["populations"]
    means = values.mean(axis=0)
    good = int((means >= 0.9).sum())
    exact = stats.binomtest(good, 400).proportion_ci(0.95, method="exact")
    assert found["yield"][0] == good / 400 and found["chips"] == 400
    assert found["yield"][1] == pytest.approx((exact.low, exact.high))
    assert found["quantiles"] == pytest.approx(np.quantile(means, [0.05, 0.5, 0.95]))
    assert found["between"] == pytest.approx(between, rel=0.1)
    assert found["within"] == pytest.approx(within, rel=0.1)
    (once,) = shown(rows[:400], **section).data["populations"]
    assert once["within"] is None and once["between"] == pytest.approx(np.std(values[0], ddof=1))
