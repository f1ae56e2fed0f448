"""The notebooks: whole, true to what they show, and running from top to bottom."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from support.paths import KERNELS

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
VARIES = "varies"  # tag of a cell whose words depend on the machine, or on what is significant
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: Any) -> str:
    outputs = [output for output in cell.outputs if output.output_type == "stream"]
    return "".join(output.text for output in outputs if output.name == "stdout")


def figures(cell: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def squeezed(text: str) -> str:
    """The words, whatever the numbers are and however they are padded."""
    return " ".join(NUMBER.sub("#", text).split())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Caches and settings of none but these notebooks."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def executed(
    path: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, Any]:
    """A notebook as it stands, and as it comes out of a run in an empty folder."""
    for name in ("XDG_CACHE_HOME", "IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(KERNELS))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    stored, notebook = read(path), read(path)
    for cell in code(notebook):
        cell.outputs = []
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()  # raises what a cell raises
    return stored, notebook


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_whole(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert notebook.cells[0].source.startswith("# ")
    cells = code(notebook)
    # Run once from top to bottom, without an error, with figures to look at.
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
    assert any(figures(cell) for cell in cells)
    # Nothing of the machine that it was run on.
    shown = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert not re.search(r"/(tmp|home|root|work|Users)/", shown)


@pytest.mark.thorough
@pytest.mark.timeout(1200)  # they hold studies, and a loaded machine takes its time
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_says(path: Path, executed: tuple[Any, Any]) -> None:
    for before, after in zip(*map(code, executed), strict=True):
        assert figures(before) == figures(after), after.source
        was, now = printed(before), printed(after)
        assert bool(was) == bool(now), after.source
        if VARIES in before.metadata.get("tags", ()):
            continue
        assert squeezed(was) == squeezed(now)
        # Other processors round otherwise, and a training goes another way from there.
        for one, other in zip(NUMBER.findall(was), NUMBER.findall(now), strict=True):
            assert float(other) == pytest.approx(float(one), rel=0.1, abs=0.1), now
    if os.environ.get("HIL_REQUIRE_FIRMWARE"):
        said = "".join(map(printed, code(executed[1])))
        assert "cannot be built" not in said and "is not installed" not in said
