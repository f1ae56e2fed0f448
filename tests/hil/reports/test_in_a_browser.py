"""Pages in a browser: accessible, nothing cut on a narrow screen or on paper, figures to keep."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from hil import acceptance
from hil.reports import chip_page
from hil.reports.comparison import write_comparison
from hil.reports.run_page import write_report
from hil.studies import loader
from support.run_folders import finished, started
from support.study_kit import Fake, carried_out

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.thorough
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
if "HIL_REQUIRE_BROWSER" not in os.environ:
    pytest.importorskip("axe_playwright_python")
    if BROWSER is None:
        pytest.skip("needs Chromium: apt install chromium", allow_module_level=True)
STUDIES = tuple(loader.names())
NAMES = ("run", "incomplete run", "runs", "chip", "board", *STUDIES)
PAPER = 718  # width of what is printed on A4, in pixels: 190 mm between margins of 10


def study_page(name: str, folder: Path) -> Path:
    carried_out(loader.build(loader.read(name), budget="small"), folder, Fake())
    return folder / "report.html"


def board_page(folder: Path) -> Path:
    record = {
        "kind": acceptance.KIND,
        "board": "a board",
        "firmware": "1.2",
        "address": "board:/dev/ttyACM0",
        "chip": 3,
        "time": "2026-01-02 03:04",
        "lines": [{"name": "echo", "verdict": "failed", "detail": "12 of 100 frames lost " * 9}],
        "figures": {"round trip": 0.00123, "samples per second": 41234.5},
    }
    (folder / "board.json").write_text(json.dumps(record))
    return acceptance.write_page(folder / "board.json")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = [finished(folder / "a"), finished(folder / "b", seed=1), started(folder / "c", 5)]
    return {
        "run": write_report(runs[0]),
        "incomplete run": write_report(runs[2]),
        "runs": write_comparison(runs, folder / "comparison.html"),
        "chip": chip_page.write_page("mixed-signal", 0, folder / "chip.html"),
        "board": board_page(folder),
        **{name: study_page(name, folder / name) for name in STUDIES},
    }


@pytest.fixture
def show(browser: Browser, pages: dict[str, Path]) -> Iterator[Callable[..., Page]]:
    opened = []

    def show(name: str, width: int = 1280, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        opened.append(context)
        page = context.new_page()
        page.goto(pages[name].as_uri())
        return page

    yield show
    for context in opened:
        context.close()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_in_the_way_of_anyone(show: Callable[..., Page], name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for width, scheme in ((1280, "light"), (390, "light"), (1280, "dark"), (390, "dark")):
        results = Axe().run(show(name, width, scheme))
        assert not results.response["violations"], (width, scheme, results.generate_report())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wider_than_a_phone_can_be_scrolled(show: Callable[..., Page], name: str) -> None:
    page = show(name, 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cut = page.evaluate(
        """[...document.querySelectorAll("main *, header *")].filter((element) =>
          element.getBoundingClientRect().right > 391 && !element.closest(".scroll, pre"))
          .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert not cut


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_or_lost_on_paper(show: Callable[..., Page], name: str) -> None:
    page = show(name, PAPER, "dark")
    page.emulate_media(media="print")
    wide = page.evaluate(
        """(width) => [...document.querySelectorAll("main *, header *")].filter((element) =>
          element.getBoundingClientRect().right > width + 1)
          .map((element) => element.outerHTML.slice(0, 80))""",
        PAPER,
    )
    assert not wide
    pale = page.evaluate(  # text that could not be read without its background
        """[...document.querySelectorAll("td, th, p, h1, h2, h3, li, dd, dt, text")].filter((e) => {
          const of = e.tagName === "text" ? "fill" : "color";
          const parts = getComputedStyle(e)[of].match(/[\\d.]+/g).map(Number);
          return e.textContent.trim() && (parts[0] + parts[1] + parts[2]) * (parts[3] ?? 1) > 540;
        }).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert not pale
    folded = page.evaluate(
        """[...document.querySelectorAll("details table")].filter((e) => !e.offsetHeight).length"""
    )
    assert folded == 0


def test_figures_and_tables_are_kept_as_files(show: Callable[..., Page], tmp_path: Path) -> None:
    page = show("run")

    def keep(form: str) -> str:
        with page.expect_download() as download:
            page.get_by_role("button", name=f"{form} of", exact=False).first.click()
        download.value.save_as(tmp_path / "kept")
        return (tmp_path / "kept").read_text()

    root = ElementTree.fromstring(keep("SVG"))
    assert root.attrib["width"] == "85mm"
    assert "var(" not in ElementTree.tostring(root, "unicode")
    assert keep("CSV").startswith("panel,x axis,")
    assert keep("LaTeX").startswith("\\begin{tabular}")
