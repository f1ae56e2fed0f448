"""Figures and tables of a page as files for a paper."""

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hil
from hil.figures.plots import Line, plot_lines, plot_sample
from hil.reports.figure_files import format_latex, write_figures
from hil.reports.rendering import Attempts
from hil.runs.folder import Run
from hil.sections import PageSection, Plot, Table
from support.command_line import command


def read_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def files(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures") / "new"
    done = command("report", run.path, "--figures", folder)
    assert done.exit_code == 0 and str(folder) in done.stdout
    return folder


def test_every_figure_stands_alone_at_both_widths(files: Path) -> None:
    svgs = sorted(files.glob("*.svg"))
    assert {path.name.rsplit("-", 1)[1] for path in svgs} == {"85mm.svg", "170mm.svg"}
    for path in svgs:
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.attrib["width"] == path.stem.rsplit("-", 1)[1]
        assert root.attrib["height"].endswith("mm")
        assert "var(" not in path.read_text(encoding="utf-8")
        pdf = path.with_suffix(".pdf").read_bytes()
        box = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ", pdf)
        assert box and float(box[1]) * 25.4 / 72 == pytest.approx(float(root.attrib["width"][:-2]))


def test_the_numbers_of_a_figure_are_those_that_it_shows(files: Path, run: Run) -> None:
    (path,) = files.glob("*-learning-accuracy.csv")
    header, *rows = read_csv(path)
    shown = {
        (row[header.index("mark")], float(row[header.index("x")])): row[header.index("y")]
        for row in rows
    }
    for number, metrics in enumerate(run.metrics(), 1):
        assert float(shown["training", number]) == pytest.approx(metrics["train_accuracy"], 1e-5)


def test_an_image_is_told_by_its_pixels() -> None:
    image = np.array([[0.0, 1.0], [0.5, 0.0]])
    figure = plot_sample(image.reshape(-1), (2, 2), 0, np.array([1, 0]), None)
    rows = [row for row in csv.DictReader(figure.to_csv().splitlines()) if row["mark"] == "pixel"]
    assert {(float(r["x"]), float(r["y"])): round(float(r["value"]), 1) for r in rows} == {
        (0.75, 0.75): 1.0,
        (0.25, 0.25): 0.5,
    }


def test_tables_are_written_as_csv_and_latex(tmp_path: Path) -> None:
    table = Table("What it cost", ("name", "runs"), (("a & b, 50 %", "3"), ("c_d", "12")))
    lines = Plot("Loss", lambda: plot_lines([Line([1, 2], [3, 4])], "epoch", "loss"))
    own = Plot("Own", lambda: '<svg viewBox="0 0 2 1"><path d="M0 0h2"/></svg>')
    broken = Plot("Broken", lambda: str(1 / 0))
    attempts = Attempts()
    section = PageSection("Cost", tables=(table,), plots=(lines, own, broken))
    paths = write_figures(tmp_path / "new", [section], attempts)
    assert sorted(paths) == sorted((tmp_path / "new").iterdir())
    (failed,) = attempts.failed
    assert "Broken" in failed
    named = {path.name: path for path in paths}
    assert read_csv(named["01-01-cost-what-it-cost.csv"])[1:] == [
        ["a & b, 50 %", "3"],
        ["c_d", "12"],
    ]
    assert "a \\& b, 50 \\% & 3 \\\\\nc\\_d & 12 \\\\\n" in format_latex(table)
    assert 'width="170mm"' in named["01-02-cost-own-170mm.svg"].read_text()
    assert 'height="85mm"' in named["01-02-cost-own-170mm.svg"].read_text()


@given(st.text())
def test_no_text_becomes_a_command_of_latex(text: str) -> None:
    body = format_latex(Table("", ("a",), ((text,),))).split("\\midrule\n")[1]
    cell = body.rsplit(" \\\\\n\\bottomrule", 1)[0]
    for known in (r"\textbackslash{}", r"\textasciitilde{}", r"\textasciicircum{}"):
        cell = cell.replace(known, "")
    assert not re.search(r"(?<!\\)[&%$#_{}]|\\(?![&%$#_{}])|[~^]", cell)


def test_python_writes_the_same(run: Run, files: Path, tmp_path: Path) -> None:
    paths = hil.Result(run.path, run.result() or {}).write_figures(tmp_path / "figures")
    assert sorted(path.name for path in paths) == sorted(path.name for path in files.iterdir())


def test_figures_of_two_runs_are_refused(run: Run, tmp_path: Path) -> None:
    done = command("report", run.path, run.path, "--figures", tmp_path / "new")
    assert done.exit_code == 2 and "one run" in done.stderr
    assert not (tmp_path / "new").exists()


def test_classes_have_their_own_names(tmp_path: Path) -> None:
    rows = [f"{n % 2},{n % 3},{'even' if n % 2 == 0 else 'odd'}" for n in range(40)]
    (tmp_path / "numbers.csv").write_text("\n".join(["a,b,parity", *rows]))
    asked = ("--hidden", "5", "--epochs", "1", "--out", tmp_path / "run")
    assert command("train", f"csv:{tmp_path / 'numbers.csv'}?label=parity", *asked).exit_code == 0
    assert command("report", tmp_path / "run", "--figures", tmp_path / "new").exit_code == 0
    samples = [path.name for path in (tmp_path / "new").glob("*-sample-1-class-*.csv")]
    assert samples and samples[0].endswith(("-even.csv", "-odd.csv"))
