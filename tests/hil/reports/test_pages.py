"""What holds for the page of a run and for the page that compares several."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from hil.figures import plots
from hil.reports.comparison import write_comparison
from hil.reports.run_page import write_report
from hil.runs.folder import Run
from support.html_page import Page
from support.run_folders import finished, result, started


def test_text_of_the_user_is_never_markup(tmp_path: Path) -> None:
    task = "npz:<script>alert('1')</script>.npz"
    device = 'emulator:"><img src=x onerror=alert(1)>'
    run = started(tmp_path / "<b>0", task=task, device=device)
    run.save_result(result(run, 0.9, 100, (4, 100, 3)))
    for path in write_report(run), write_comparison([run], tmp_path / "page.html"):
        page = Page.read(path)
        assert not {"script", "img", "b"} & {tag for tag, _, _ in page.elements}
        assert not any(
            name.startswith("on") for _, attributes, _ in page.elements for name in attributes
        )
        assert task.removeprefix("npz:") in page.text
        assert "<b>0" in page.text


@pytest.fixture(scope="module")
def pages(page: Page, run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Page]:
    folder = tmp_path_factory.mktemp("comparison")
    others = [started(folder / "a", 5), finished(folder / "b", seed=1)]
    return [page, Page.read(write_comparison([run, *others], folder / "new" / "page.html"))]


def test_pages_need_no_network(pages: list[Page]) -> None:
    for page in pages:
        assert "http://" not in page.source
        assert "https://" not in page.source
        assert "@import" not in page.source
        for target in page.values("src", "href", "xlink:href"):
            is_page = target.endswith("/report.html") and ":" not in target
            assert is_page or target.startswith(("#", "data:image/png;base64,"))
        assert all(target == "#" for target in re.findall(r"url\(['\"]?(.)", page.source))


def test_ids_are_unique_and_references_arrive(pages: list[Page]) -> None:
    for page in pages:
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        used = {t[1:] for t in page.values("href", "xlink:href") if t.startswith("#")}
        used |= set(re.findall(r"url\(#([^)]+)\)", page.source))
        assert used <= set(ids)


def test_headings_descend_one_level_at_a_time(pages: list[Page]) -> None:
    for page in pages:
        levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_figure_has_a_name(pages: list[Page]) -> None:
    for page in pages:
        drawings = [attributes for tag, attributes, _ in page.elements if tag == "svg"]
        names = [f["aria-label"] for _, f, _ in page.elements if f.get("role") == "img"]
        assert all(attributes["aria-hidden"] == "true" for attributes in drawings)
        assert len(names) >= len(drawings)
        assert len(set(names)) > len(names) / 2
        assert all(name.strip() for name in names)


def test_colours_are_defined_for_light_and_dark(pages: list[Page]) -> None:
    lines = [plots.Line([1, 2], [0.1, 0.2], None, number) for number in range(20)]
    many = str(plots.plot_lines(lines, "epoch", "accuracy"))
    for page in pages:
        light, dark, printed = re.findall(r":root \{(.*?)\}", page.source, re.DOTALL)
        assert "prefers-color-scheme: dark" in page.source
        used = set(re.findall(r"var\((--[\w-]+)\)", page.source + many)) - {
            "--shade",
            "--share",
            "--edge",
        }
        assert used <= set(re.findall(r"(--[\w-]+):", light))
        assert used <= set(re.findall(r"(--[\w-]+):", dark))
        assert used <= set(re.findall(r"(--[\w-]+):", printed))
        for drawing in re.findall(r"<svg.*?</svg>", page.source, re.DOTALL):
            assert set(re.findall(r"(?:fill|stroke)=\"([^\"]+)", drawing)) <= {
                "none",
                *(f"var({name})" for name in used),
            }


def test_pages_do_not_depend_on_when_they_are_made(run: Run, page: Page) -> None:
    assert write_report(run).read_text(encoding="utf-8") == page.source


def test_importing_reports_imports_no_drawing() -> None:
    code = (
        "import sys, hil.reports.run_page, hil.reports.comparison; "
        "print({'jinja2', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
