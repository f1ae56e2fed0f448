"""A finished run, and its page."""

import pytest

from hil.reports.run_page import write_report
from hil.runs.folder import Run
from support.html_page import Page
from support.run_folders import finished


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finished(tmp_path_factory.mktemp("runs") / "one run")


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page.read(write_report(run))
