"""Text of others: shown as it is, whatever is in it, and never taken for markup."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.figures import plots
from hil.plain_text import INSTEAD, ROOM, make_label, make_one_line, make_visible
from hil.reports.rendering import Attempts, write_page
from hil.reports.run_page import write_report
from hil.runs.folder import Run
from hil.sections import PageSection, Statement, Table
from hil.sections import run as run_sections
from support.command_line import command
from support.html_page import Page
from support.paths import tries

HOSTILE = (
    "a$b_$c", "$$", r"\$5", r"$\frac{$", "_first", "x^2", "50 % {0} %(x)s", "<b>&amp;</b>", '"\'>',
    "two\nlines", "tab\tbed", "x" * 3000, "\N{PARTY POPPER} e\u0301 \u6f22", "\x00\x07\x1b[31mred",
    "\u202eturned", "\udc80half", "\x85\x9b", "]]>", "<!--", "\u2028",
)  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))


def drawn(text: str) -> dict[str, str]:
    """Every plot that shows text of others, and the texts in it."""
    point, cloud = np.array([[0.1, 0.2]]), plots.Cloud([0.1], [0.2], text, 0)
    lines, ticks = [plots.Line([0, 1], [0.1, 0.2], text)], [text, "b"]
    figures = {
        "lines": plots.plot_lines(lines, text, text, True, ticks, text),
        "heat map": plots.plot_heat_map(point, ticks, [text], (text, text)),
        "scatter": plots.plot_scatter([cloud], text, text, True),
        "intervals": plots.plot_intervals([plots.ShareInterval(text, 0.5, (0, 1))], text),
    }
    return {name: str(figure) for name, figure in figures.items()}


def words(svg: str) -> list[str]:
    texts = re.findall(r"<text[^>]*>(.*?)</text>", svg, flags=re.S)
    return [unescape(re.sub(r"<[^>]*>", "", text)) for text in texts]


@settings(max_examples=tries(8, 30), deadline=None)
@given(texts)
def test_every_plot_shows_a_label_as_it_is(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svgs = drawn(text)
    for name, svg in svgs.items():
        svg.encode()
        Page(f"<p>{svg}</p>")  # well nested
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202e]", svg)
        if make_label(text).strip():
            assert make_label(text).strip() in [word.strip() for word in words(svg)], (
                name,
                words(svg),
            )


@given(st.text())
def test_what_is_visible_stays_and_what_acts_is_replaced(text: str) -> None:
    shown = make_visible(text)
    shown.encode()
    assert len(shown) == len(text)
    assert all(a == b or b == INSTEAD for a, b in zip(text, shown, strict=True))
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "\n" not in make_one_line(text) and len(make_label(text)) <= ROOM + 1
    if text.isprintable():
        assert shown == text


def failing(*given: object, **named: object) -> str:
    raise RuntimeError("no <b>ink</b>\x1b\nleft")


def test_a_plot_that_fails_leaves_a_note_and_the_rest(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Page.read(write_report(run))
    with monkeypatch.context() as broken:
        broken.setattr(plots, "plot_membranes", failing)
        told = command("report", run.path)
    page = Page.read(run.path / "report.html")
    assert told.exit_code == 2 and told.stdout.strip() == str(run.path / "report.html")
    assert re.fullmatch(r"hil: [^\n]*report\.html lacks parts[^\n]*\n", told.stderr)
    assert "RuntimeError no <b>ink</b>" in told.stderr and "\x1b" not in told.stderr
    assert "Not all of this page could be made." in page.text
    note = "plot 'Output layer' could not be made: RuntimeError no <b>ink</b>"
    assert note in page.text and "<b>ink" not in page.source
    assert page.all("h2") == whole.all("h2")
    assert len(page.all("svg")) == len(whole.all("svg")) - 2
    assert write_report(run).read_text(encoding="utf-8") == whole.source


def test_a_part_that_fails_leaves_the_others(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts()
    monkeypatch.setattr(run_sections, "_describe_storage", failing)
    page = Page.read(write_report(run, attempts))
    (failed,) = attempts.failed
    assert failed.startswith("section 'weights' could not be made")
    assert failed in page.text
    assert {"Learning", "How it was made"} <= set(page.all("h2"))


def test_a_page_whose_template_fails_says_so(tmp_path: Path) -> None:
    attempts = Attempts()
    page = Page.read(write_page(tmp_path / "page.html", "run.html.j2", attempts))
    (failed,) = attempts.failed
    assert failed.startswith("page page.html could not be made: UndefinedError")
    assert failed in page.text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Table("Sizes", ("file", "bytes"), [("a",)]),
        lambda: Table("Sizes", ("file", "bytes"), [("a", cast(str, 3))]),
        lambda: PageSection("Sizes", claims=[cast(Statement, "large")]),
    ],
)
def test_a_section_of_the_wrong_parts_is_refused_where_it_is_made(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        make()
