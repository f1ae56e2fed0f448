"""A study is cut off anywhere, its trials finish in any order, and its table is always the same."""

from __future__ import annotations

import csv
import json
import tomllib
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hil.sections.trials import Cell, Row, Unit
from hil.studies.folder import Journal
from hil.studies.strategies import find_front
from support.paths import tries
from support.study_kit import GRID, SEARCH, Cut, Fake, carried_out, evaluated, study


def table(path: Path) -> list[dict[str, str]]:
    with (path / "trials.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def kept(path: Path) -> list[dict[str, Any]]:
    """Finished trials in the journal."""
    return [json.loads(line) for line in (path / "journal.log").read_text().splitlines()]


@pytest.fixture(scope="module", params=["grid", "search"])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    """A study that nothing disturbed."""
    sections = {"grid": GRID, "search": SEARCH}[request.param]
    path = tmp_path_factory.mktemp("whole") / "study"
    carried_out(study(sections), path, Fake())
    return sections, path


# -- interruptions ----------------------------------------------------------------------------


@settings(max_examples=tries(4, 15), phases=[Phase.generate])
@given(data=st.data())
def test_cut_off_anywhere_and_resumed_it_is_the_same(
    whole: tuple[dict[str, Any], Path], data: st.DataObject
) -> None:
    sections, reference = whole
    with TemporaryDirectory() as name:
        path, done = Path(name) / "study", list[str]()
        for _ in range(3):
            pool = Fake(shuffle=data.draw(st.integers(0, 1000)), cut=data.draw(st.integers(0, 30)))
            try:
                evaluated(study(sections), path, pool)
            except Cut:
                # Whoever is killed in the middle of a line leaves a part of it.
                with (path / "journal.log").open("ab") as handle:
                    handle.write(data.draw(st.sampled_from([b"", b'{"stage":"tun'])))
            done += pool.done
        pool = Fake(shuffle=1)
        evaluated(study(sections), path, pool)
        done += pool.done
        assert max(Counter(done).values()) == 1, "a finished trial was repeated"
        assert (path / "trials.csv").read_bytes() == (reference / "trials.csv").read_bytes()
        assert len(kept(path)) == len(kept(reference)) == len(done)


def test_a_finished_study_does_nothing_again(whole: tuple[dict[str, Any], Path]) -> None:
    sections, path = whole
    before = (path / "trials.csv").read_bytes()
    pool = Fake()
    carried_out(study(sections), path, pool)
    assert pool.done == []
    assert (path / "trials.csv").read_bytes() == before


def test_tables_and_figures_are_made_of_the_journal_whatever_the_files_say(tmp_path: Path) -> None:
    path = tmp_path / "study"
    carried_out(study(GRID), path, Fake())
    made = {name: (path / name).read_bytes() for name in ("trials.csv", "times.csv", "result.json")}
    for name, content in made.items():
        (path / name).write_bytes(content.translate(bytes.maketrans(b"0123456789", b"1234567890")))
    pool = Fake()
    carried_out(study(GRID), path, pool)
    assert pool.done == []
    assert {name: (path / name).read_bytes() for name in made} == made


@settings(max_examples=25)
@given(data=st.data())
def test_a_journal_cut_at_any_byte_keeps_every_whole_line(
    whole: tuple[dict[str, Any], Path], data: st.DataObject
) -> None:
    content = (whole[1] / "journal.log").read_bytes()
    size = data.draw(st.integers(0, len(content)))
    with TemporaryDirectory() as name:
        path = Path(name) / "journal.log"
        path.write_bytes(content[:size])
        lines = content[:size].count(b'"outcome"', 0, content[:size].rfind(b"\n") + 1)
        assert len(Journal(path).outcomes) == lines
        again = Journal(path)
        again.add("more", "key", {"test_accuracy": 0.5})
        assert Journal(path).outcomes.keys() == again.outcomes.keys()


def test_a_damaged_journal_is_refused_in_one_line(
    whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    lines = (whole[1] / "journal.log").read_bytes().splitlines(keepends=True)
    path = tmp_path / "journal.log"
    path.write_bytes(b"".join([*lines[:3], b"nonsense\n", *lines[3:]]))
    with pytest.raises(ValueError, match="line 4: does not have the checksum") as error:
        Journal(path)
    assert "\n" not in str(error.value)


def test_any_digit_that_was_changed_in_a_journal_is_noticed(
    whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    content = (whole[1] / "journal.log").read_bytes()
    digits = [at for at in range(len(content)) if content[at : at + 1].isdigit()]
    path = tmp_path / "journal.log"
    for at in digits[:: max(len(digits) // 40, 1)]:
        other = b"1" if content[at : at + 1] != b"1" else b"2"
        path.write_bytes(content[:at] + other + content[at + 1 :])
        with pytest.raises(ValueError, match="checksum"):
            Journal(path)
        assert path.read_bytes() == content[:at] + other + content[at + 1 :]


def test_weights_that_are_gone_are_trained_anew(tmp_path: Path) -> None:
    carried_out(study(GRID), tmp_path / "study", Fake())
    before = (tmp_path / "study" / "trials.csv").read_bytes()
    (tmp_path / "study" / "report.html").unlink()
    lost = sorted((tmp_path / "study" / "weights").iterdir())[0]
    lost.unlink()
    pool = Fake()
    carried_out(study(GRID), tmp_path / "study", pool)
    assert pool.done == [lost.stem]
    assert (tmp_path / "study" / "trials.csv").read_bytes() == before


# -- what is tried ----------------------------------------------------------------------------


def test_every_combination_once_for_each_unit(tmp_path: Path) -> None:
    evaluated(study(GRID), tmp_path / "study", Fake())
    rows = table(tmp_path / "study")
    found = Counter((r["part"], r["rule"], r["mode"], r["severity"], r["unit"]) for r in rows)
    severities = [("noise", "0"), ("noise", "0.3"), *(("bits", d) for d in "642")]
    expected = {
        (part, rule, mode, severity, str(unit))
        for part, severity in severities
        for rule in ("adfa", "bp")
        for mode in ("scratch", "deploy", "fine_tune")
        for unit in range(3)
    }
    assert found == dict.fromkeys(expected, 1)
    assert all(r["seed"] == r["chip"] == r["unit"] for r in rows)


def test_one_pretraining_serves_all_doses_and_chips(tmp_path: Path) -> None:
    evaluated(study(GRID), tmp_path / "both", Fake())
    assert len(list((tmp_path / "both" / "weights").iterdir())) == 2 * 3  # rules by seeds
    evaluated(study(GRID, repeat={"what": "chip"}), tmp_path / "chip", Fake())
    assert len(list((tmp_path / "chip" / "weights").iterdir())) == 2


def test_trials_of_equal_settings_are_done_once(tmp_path: Path) -> None:
    sections = {
        **GRID,
        "parts": {
            name: {"factors": {"severity": {"key": "network.steps", "levels": [20, steps]}}}
            for name, steps in (("a", 10), ("b", 30))
        },
    }
    pool = Fake()
    evaluated(study(sections), tmp_path / "study", pool)
    rows = table(tmp_path / "study")
    usual = [r["test_accuracy"] for r in rows if r["severity"] == "20"]
    half = len(usual) // 2
    assert usual[:half] == usual[half:]
    assert len(set(pool.done)) == len(pool.done) == 8 + 2 * 3 * 3 + 2 * 3 * 3 * 3


def test_settings_that_do_not_work_are_rows_with_a_reason(tmp_path: Path) -> None:
    def wrong(job: Any) -> bool:
        return '"weight_bits": 2' in job.config

    result = carried_out(study(GRID), tmp_path / "study", Fake(wrong=wrong))
    rows = table(tmp_path / "study")
    broken = [r for r in rows if r["error"]]
    assert {(r["part"], r["severity"]) for r in broken} == {("bits", "2")}
    assert result["failed"] == len(broken) == 18
    assert all(r["test_accuracy"] == "" for r in broken)
    assert "it does not fit" in (tmp_path / "study" / "report.html").read_text()
    pool = Fake()
    evaluated(study(GRID), tmp_path / "study", pool)
    assert pool.done == []


def test_what_starts_from_a_network_that_does_not_work_does_not_either(tmp_path: Path) -> None:
    pool = Fake(wrong=lambda job: job.keep and '"bp"' in job.config)
    evaluated(study(GRID), tmp_path / "study", pool)
    broken = {(r["rule"], r["mode"]) for r in table(tmp_path / "study") if r["error"]}
    assert broken == {("bp", "deploy"), ("bp", "fine_tune")}
    again = Fake()
    evaluated(study(GRID), tmp_path / "study", again)
    assert again.done == []


# -- searches ---------------------------------------------------------------------------------


def test_a_generation_depends_on_finished_ones_alone(tmp_path: Path) -> None:
    """The first generations of a longer search are those of a shorter one, in any order."""
    changed = {**SEARCH["search"], "generations": 2}
    evaluated(study(SEARCH), tmp_path / "long", Fake(shuffle=3))
    evaluated(study({**SEARCH, "search": changed}), tmp_path / "short", Fake(shuffle=4))

    def asked(name: str) -> list[tuple[str, ...]]:
        rows = [r for r in table(tmp_path / name) if r["part"] == "nsga2-0"]
        return [(r["rate"], r["batch"], r["g"]) for r in rows]

    assert asked("long")[: len(asked("short"))] == asked("short")
    assert len(asked("long")) == 12


def test_searches_of_other_seeds_differ_and_share_their_first_draws(tmp_path: Path) -> None:
    evaluated(study(SEARCH), tmp_path / "study", Fake())
    rows = table(tmp_path / "study")
    parts: dict[str, list[tuple[str, str, str]]] = {}
    for r in rows:
        parts.setdefault(r["part"], []).append((r["rate"], r["batch"], r["g"]))
    assert parts["nsga2-0"] != parts["nsga2-1"]
    assert parts["random-0"] != parts["random-1"]
    assert len(parts["confirm"]) == 9


def test_the_best_is_confirmed_on_seeds_that_the_search_has_not_seen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    carried_out(study(SEARCH), tmp_path / "study", Fake())
    assert capfd.readouterr() == ("", "")
    rows = table(tmp_path / "study")
    searched = {r["seed"] for r in rows if r["part"] != "confirm"}
    fresh = {r["seed"] for r in rows if r["part"] == "confirm"}
    assert not searched & fresh and len(fresh) == 3
    best = max((r for r in rows if r["part"] != "confirm"), key=lambda r: r["validation_accuracy"])
    ready = (tmp_path / "study" / "best.toml").read_text()
    settings = tomllib.loads(ready)
    assert f"{settings['optimiser']['learning_rate']:.4g}" == best["rate"]
    assert settings["rule"]["g"] == best["g"]


def test_settings_that_do_not_work_are_no_parents(tmp_path: Path) -> None:
    pool = Fake(wrong=lambda job: '"g": "sin"' in job.config)
    evaluated(study(SEARCH), tmp_path / "study", pool)
    rows = table(tmp_path / "study")
    assert any(r["error"] for r in rows)
    assert all(r["g"] != "sin" for r in rows if r["part"] == "confirm")


@given(
    points=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12).map(
        lambda p: [(round(a, 1), round(b, 1)) for a, b in p]
    )
)
def test_the_front_is_what_nothing_dominates(points: list[tuple[float, float]]) -> None:
    found = study(SEARCH).search
    assert found is not None
    unit, cell = Unit(0, 0, 0), Cell("", {})
    rows = [
        Row(n, cell, unit, {"validation_accuracy": a, "spikes": b})
        for n, (a, b) in enumerate(points)
    ]
    front = {row.number for row in find_front(found, rows)}
    for n, (a, b) in enumerate(points):
        dominated = any(x >= a and y <= b and (x, y) != (a, b) for x, y in points)
        assert (n in front) != dominated
