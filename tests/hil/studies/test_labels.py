"""A stranger's study: labels full of markup, sections that fail; nothing is lost by the page."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import sections
from hil.figures import plots
from hil.sections.trials import Cell, Level, Row, Unit
from hil.studies.folder import trials_csv
from hil.studies.schema import label
from support.html_page import Page
from support.study_kit import Fake, carried_out, refusal, study

LABELS = (
    "a$b_$c", "$$", r"\$5", "_first", "x^2", "50 % {0}", "<b>bold</b>", '"\'>', "two\nlines",
    "x" * 300, "\N{PARTY POPPER}", "\x1b[31mred", "\u202eturned", "=1+1", "&amp;",
)  # fmt: skip
STRANGE: dict[str, Any] = {
    "version": 1,
    "name": "strange",
    "title": "<i>$x_$</i>",
    "question": "is $a_$ < b & c?",
    "base": {"device": "emulator:ideal", "training": {"epochs": 1}},
    "factors": {
        "rule": {"key": "rule.name", "levels": ["adfa", "bp"]},
        "which $f_$ <u>": {
            "levels": [
                {"label": text, "set": {"optimiser": {"learning_rate": 0.001 * (n + 1)}}}
                for n, text in enumerate(LABELS)
            ]
        },
    },
    "repeat": {"times": 3},
    "sections": [
        {"kind": "means", "by": ["rule", "which $f_$ <u>"]},
        {"kind": "severity", "x": "which $f_$ <u>", "lines": ["rule"], "title": "$t_$ <s>"},
        {"kind": "severity", "x": "rule", "lines": ["which $f_$ <u>"]},
        {"kind": "map", "x": "which $f_$ <u>", "y": "rule"},
        {"kind": "epochs", "lines": ["which $f_$ <u>"]},
        {"kind": "pairs", "factor": "which $f_$ <u>", "reference": "$$", "by": ["rule"]},
        {"kind": "width", "x": "which $f_$ <u>", "lines": ["rule"]},
    ],
}


def test_labels_are_text(tmp_path: Path) -> None:
    result = carried_out(study(STRANGE), tmp_path / "study", Fake())
    assert result["not_shown"] == []
    page = Page.read(tmp_path / "study" / "report.html")
    assert not {"b", "i", "u", "s", "script"} & set(page.tags)
    assert page.all("h1") == ["<i>$x_$</i>"] and "is $a_$ < b & c?" in page.text
    cells = " ".join(page.all("td"))
    for text in LABELS:
        assert " ".join(re.sub("[\x1b\u202e]", "\ufffd", text).split()) in cells
    assert "\x1b" not in page.source and "\u202e" not in page.source
    with (tmp_path / "study" / "trials.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    shown = {"'=1+1" if text == "=1+1" else text for text in LABELS}
    assert {row["which $f_$ <u>"] for row in rows} == shown


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "+-1", "-1e"]
)
def test_a_text_in_a_table_is_no_formula(text: str) -> None:
    cell = Cell(text, {text: Level(text)})
    row = Row(0, cell, Unit(0, 1, None), {"error": text})
    header, line = csv.reader(io.StringIO(trials_csv([row], [text]), newline=""))
    assert [header[2], line[1], line[2], line[-1]] == ["'" + text.replace("\r", "\n")] * 4


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**9), 10**9))
def test_a_number_in_a_table_stays_as_it_is(level: float, whole: int) -> None:
    for text in (label(level), label(whole), str(level), f"+{whole}", f"{level:e}"):
        if not text.startswith("+-"):
            row = Row(0, Cell("", {"x": Level(text)}), Unit(0, 1, None), {})
            _, line = csv.reader(io.StringIO(trials_csv([row], ["x"]), newline=""))
            assert line[2] == text


def test_a_plot_that_fails_costs_no_more_than_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object, **named: object) -> str:
        raise ZeroDivisionError("no <b>room</b>")

    whole = carried_out(study(STRANGE), tmp_path / "study", Fake())
    page, trials = tmp_path / "study" / "report.html", tmp_path / "study" / "trials.csv"
    first, table = page.read_bytes(), trials.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(plots, "plot_lines", broken)
        result = carried_out(study(STRANGE), tmp_path / "study", Fake())
    assert len(result["not_shown"]) == 3
    assert result["not_shown"][0].endswith("could not be made: ZeroDivisionError no <b>room</b>")
    assert {k: v for k, v in result.items() if k != "not_shown"} == {
        k: v for k, v in whole.items() if k != "not_shown"
    }
    shown = Page.read(page)
    assert shown.text.count("ZeroDivisionError no <b>room</b>") == 6  # on top, and in each place
    assert shown.all("h2") == Page(first.decode()).all("h2")
    pool = Fake()
    assert carried_out(study(STRANGE), tmp_path / "study", pool)["not_shown"] == []
    assert pool.done == [] and page.read_bytes() == first and trials.read_bytes() == table


def break_section(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sections.get

    def get(asked: str) -> sections.SectionKind:
        kind = whole(asked)
        return replace(kind, build=lambda *given: 1 / 0) if asked == name else kind

    monkeypatch.setattr(sections, "get", get)


def test_a_section_that_fails_is_named_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_section("severity", monkeypatch)
    result = carried_out(study(STRANGE), tmp_path / "study", Fake())
    title = "section '$t_$ <s>' could not be made: ZeroDivisionError division by zero"
    assert result["not_shown"][0] == title
    page = Page.read(tmp_path / "study" / "report.html")
    assert title in page.text and "$t_$ <s>" in page.all("h2")
    assert (tmp_path / "study" / "trials.csv").stat().st_size
    assert json.loads((tmp_path / "study" / "result.json").read_text())["not_shown"]


def test_the_command_ends_with_a_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hil.cli.app import app

    monkeypatch.chdir(place)
    given = ["study.toml", "--budget", "small", "--workers", "1", "--out", "it is broken"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
        break_section("means", patch)
        app(["study", *given])
    out, error = capsys.readouterr()
    assert end.value.code == 2 and out.endswith("it is broken/report.html\n")
    assert re.fullmatch(
        r"hil: it is broken/report.html lacks parts, all else is written: section 'means' "
        r"could not be made: ZeroDivisionError division by zero; write it again with: "
        r"hil study 'it is broken'\n",
        error,
    )
    with pytest.raises(SystemExit) as end:
        app(["study", "it is broken"])
    assert end.value.code in (0, None), capsys.readouterr()
    assert "could not be made" not in (place / "it is broken" / "report.html").read_text()


@pytest.mark.parametrize("name", ["trial", "error", "test_accuracy", "seed"])
def test_names_of_columns_are_taken(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        f'version = 1\nname = "x"\n[factors.{name}]\nkey = "rule.name"\nlevels = ["bp"]\n'
    )
    assert "this name is taken" in refusal([str(file)], capsys)
