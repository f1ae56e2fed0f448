"""The benchmark of rules: its file, an outsider's entries, and what its sections conclude."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from hil.extensions import Trust
from hil.sections.trials import Cell, Level, Row, Unit
from hil.studies import loader, page, schema
from support.study_kit import study

GRID: dict[str, Any] = {
    "version": 1,
    "name": "grid",
    "factors": {
        "rule": {"key": "rule.name", "levels": ["bptt", "adfa"]},
        "chip_kind": {"key": "device", "levels": ["emulator:ideal", "emulator:loihi"]},
    },
}
CHANCE = np.random.default_rng(5).normal(0, 0.004, (2, 2, 6))
# On one chip one rule wins, on the other one the other.
MEANS = np.array([[0.9, 0.8], [0.7, 0.83]])[:, :, np.newaxis] + CHANCE


def rows() -> list[Row]:
    made = []
    for r, c in np.ndindex(2, 2):
        rule, chip = ("bptt", "adfa")[r], ("ideal", "loihi")[c]
        for unit in range(6):
            accuracy = float(MEANS[r, c, unit])
            outcome = {
                "test_accuracy": accuracy,
                "curve": [accuracy - 0.3, accuracy],
                "paid": [{"device_runs": 10.0 * (r + 1)}, {"device_runs": 20.0 * (r + 1) + unit}],
                "read_bits": 1000.0 / (1 + 9 * r),
                "shown": 10,
            }
            levels = {"rule": Level(rule), "chip_kind": Level(chip)}
            made.append(Row(len(made), Cell("", levels), Unit(unit, unit, unit), outcome))
    return made


def shown(**section: Any) -> Any:
    ((_, make),) = page.make_sections(study({**GRID, "sections": [section]}), rows())
    return make()


def test_a_change_of_the_winner_is_told_by_tests_that_scipy_agrees_with() -> None:
    found = shown(kind="winners", factor="rule", by=["chip_kind"])
    assert [row[1] for row in found.tables[1].rows] == ["bptt", "adfa"]
    assert [claim.is_supported for claim in found.claims] == [True]
    raw = [stats.ttest_rel(MEANS[0, c], MEANS[1, c]).pvalue for c in range(2)]
    low, high = sorted(raw)
    adjusted = {low: min(1, 2 * low), high: max(2 * low, high)}
    shown_p = [float(row[-2]) for row in found.tables[2].rows]
    np.testing.assert_allclose(shown_p, [adjusted[p] for p in raw], rtol=0.06)  # two digits


def test_rules_are_ranked_by_their_mean_over_the_places() -> None:
    ranking = shown(kind="winners", factor="rule", by=["chip_kind"]).tables[0].rows
    by_unit = MEANS.mean(axis=1)
    best = int(by_unit.mean(axis=1).argmax())
    assert [row[0] for row in ranking] == [("bptt", "adfa")[best], ("bptt", "adfa")[1 - best]]
    for row, rule in zip(ranking, (best, 1 - best), strict=True):
        assert float(row[1].split()[0]) == pytest.approx(100 * by_unit[rule].mean(), abs=0.051)
    assert float(ranking[1][3]) == pytest.approx(stats.ttest_rel(*by_unit).pvalue, rel=0.06)
    assert [row[4] for row in ranking] == ["1", "1"]


def test_what_the_target_costs_is_told_of_those_that_all_reach_it() -> None:
    found = shown(
        kind="cost_curves", cost="device_runs", target=0.85, lines=["rule"], by=["chip_kind"]
    )
    table = {tuple(row[:2]): row[2:] for row in found.tables[0].rows}
    assert table["ideal", "bptt"][0] == "6 of 6"
    assert table["ideal", "bptt"][1].startswith("22 ")  # 20 + the mean of 0 to 5
    assert table["loihi", "adfa"] == ["0 of 6", ""]
    assert "22 batches" in found.answer and len(found.plots) == 2


def test_the_smallest_readout_within_a_margin_is_one_that_the_interval_bears() -> None:
    section = {"kind": "readout", "points": ["rule"], "factor": "rule", "reference": "bptt"}
    found = shown(**section, by=["chip_kind"], margin=0.05)
    assert "Within 5.0 points of bptt" in found.answer
    ideal, loihi = map(str, found.claims)
    assert "by bptt: 100 bits a sample" in ideal  # adfa reads 10, and is 20 points below
    assert "by adfa: 10 bits a sample" in loihi
    front = {tuple(row[:2]): row[4] for row in found.tables[0].rows}
    assert front["ideal", "adfa"] == front["ideal", "bptt"] == "front"
    assert front["loihi", "bptt"] == ""


@pytest.mark.parametrize("budget", ["small", "full", "default"])
def test_an_outsider_gets_a_row_beside_ours(budget: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = "from hil.learning import dfa as MINE\n"
    file.write_text(text, encoding="utf-8")
    usual = loader.build(loader.read("benchmark"), budget=budget)
    mine = f"{file}:MINE"
    with Trust.of(["mine:", mine]).in_force():
        joined = loader.build(loader.read("benchmark"), budget=budget, device="mine:", rule=mine)
    for name, added in (("rule", f"{file}:MINE"), ("device", "mine:")):
        levels = list(map(schema.label, usual.factors[name].levels))
        theirs = [*map(schema.label, joined.factors[name].levels)]
        assert theirs[:-1] == levels and theirs[-1] in (added, schema.label(added))
    replaced = loader.build(loader.read("comparison"), device="emulator:loihi")
    assert list(replaced.factors["device"].levels) == ["emulator:loihi"]
