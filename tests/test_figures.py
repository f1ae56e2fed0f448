"""The list of figures is about the pages as they are; `benchmarks/figures.py` measures them."""

from __future__ import annotations

from types import ModuleType

import pytest

from support.benchmark_programs import loaded
from support.paths import ROOT


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    return loaded("figures")


def test_every_figure_stands_in_its_page(figures: ModuleType) -> None:
    listed = figures.read()
    assert len({(figure.page, figure.says) for figure in listed}) == len(listed)
    for figure in listed:
        page = (ROOT / figure.page).read_text(encoding="utf-8")
        assert figure.text in page or figure.text in " ".join(page.split()), figure.text


def test_a_page_that_says_something_else_is_found(figures: ModuleType) -> None:
    figure = figures.Figure("README.md", "{} %", "98.6", "true", within=0.3, key="a", factor=100)
    assert figure.text == "98.6 %"
    output = 'other\n{"a": 0.983}\n'
    assert figure.measured(output) == pytest.approx(98.3)
    assert figure.holds(98.31) and not figure.holds(98.29) and not figure.holds(98.91)


def test_the_figures_are_measured_where_every_change_passes() -> None:
    assert "python benchmarks/figures.py" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
