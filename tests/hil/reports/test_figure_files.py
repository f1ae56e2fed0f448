"""Figures and tables of a page as files for a paper."""

from __future__ import annotations

import csv
import io
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

import hil
from hil.figures import plots
from hil.figures.plots import Line, plot_lines, plot_sample
from hil.figures.svg import DARK, LIGHT, Axis, Figure, encode_png, find_ticks, format_si
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


NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=9, unique_by=lambda p: p[0]))
def test_a_curve_goes_through_its_points(points: list[tuple[float, float]]) -> None:
    x, y = np.array(sorted(points)).T
    (path,) = re.findall(
        r'<path d="(M[^"]*)" fill="none" stroke="var\(--shade-0\)" stroke-width="1.8"',
        str(plots.plot_lines([plots.Line(x.tolist(), y.tolist())], "x", "y")),
    )
    places = np.array([each.split(" ") for each in re.split("[ML]", path)[1:]], float).T
    for data, pixels, sign in ((x, places[0], 1), (y, places[1], -1)):
        spread = np.ptp(data) or 1.0
        expected = sign * (data - data.min()) / spread * np.ptp(pixels)
        np.testing.assert_allclose(pixels - pixels[np.argmin(data)], expected, atol=0.15)


@given(NUMBERS, st.floats(1e-6, 1e6), st.integers(3, 9), st.booleans())
def test_ticks_are_round_evenly_spaced_and_within(
    low: float, span: float, most: int, is_whole: bool
) -> None:
    ticks = np.array(find_ticks(low, low + span, most, is_whole))
    assert len(ticks) <= most + 1
    if len(ticks) > 1:
        step = np.diff(ticks).mean()
        np.testing.assert_allclose(np.diff(ticks), step, rtol=1e-6, atol=1e-9 * abs(low))
        assert f"{step:.0e}"[0] in "125"
        assert not is_whole or (ticks == ticks.round()).all()
    slack = 1e-6 * (span + abs(low) * 1e-6)
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)


def test_texts_of_ticks_tell_them_apart() -> None:
    assert list(Axis("", 0.0, 1.0, unit="%").label_ticks().values())[1] == "20%"
    assert next(iter(Axis("", -0.4, 0.0).label_ticks().values())) == "\N{MINUS SIGN}0.4"
    assert [format_si(value, "s") for value in (0.02, 1.5, 2000.0, 0.0)] == [
        "20 ms", "1.5 s", "2 ks", "0 s",
    ]  # fmt: skip
    assert Axis(low=1.0, high=1e4, is_log=True).place([1.0, 100.0, 1e4]).tolist() == [0, 0.5, 1]


@given(st.floats(1e-9, 1e9), st.floats(1.5, 1e9))
def test_a_logarithmic_axis_has_a_few_ticks_that_read_apart(low: float, factor: float) -> None:
    axis = Axis("", low, low * factor, is_log=True, most=5)
    ticks = axis.label_ticks()
    assert 1 <= len(ticks) <= 6 and len(set(ticks.values())) == len(ticks)
    places = axis.place(list(ticks))
    assert (places > -1e-6).all() and (places < 1 + 1e-6).all()
    assert len(ticks) < 2 or np.diff(places).min() * 300 > 20  # pixels of a usual panel


def test_one_low_share_does_not_squeeze_the_rest() -> None:
    def spread(shares: list[float]) -> float:
        rows = [plots.ShareInterval(str(n), x, (x, x), 0, True) for n, x in enumerate(shares)]
        drawn = str(plots.plot_intervals(rows))
        across = [float(x) for x in re.findall(r'd="M([\d.]+) [\d.]+m0-4', drawn)]
        assert len(across) == len(shares) and np.argsort(across).tolist() == [5, 0, 1, 2, 3, 4]
        return across[4] - across[0]

    assert spread([0.94, 0.95, 0.96, 0.97, 0.98, 0.12]) > 100


def test_curves_that_are_many_have_their_names_beside_them() -> None:
    names = [f"rule {letter}" for letter in "abcdefghijkl"]
    lines = [Line([1, 2], [0.5, 0.9 + n / 1e4], name, n) for n, name in enumerate(names)]
    drawn = str(plot_lines(lines, "epoch", "accuracy", percent=True))
    shown = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>(rule .)</text>', drawn)
    assert [name for _, _, name in shown] == names[::-1] and len({x for x, _, _ in shown}) == 1
    height = float(re.findall(r'viewBox="0 0 [\d.]+ ([\d.]+)"', drawn)[0])
    down = np.array([float(y) for _, y, _ in shown])
    assert np.diff(down).min() > 10 and down.min() > 0 and down.max() < height


@pytest.mark.parametrize("neurons", [1, 4])
def test_no_label_of_an_axis_is_cut(neurons: int) -> None:
    drawn = str(plots.plot_membranes(np.zeros((9, neurons)), 1))
    middle, label = re.findall(r'y="([\d.]+)"[^>]*rotate\(-90[^>]*>([^<]*)<', drawn)[0]
    assert float(middle) > 5 * len(label) / 2


def test_events_of_an_image_are_drawn_as_images() -> None:
    events = np.zeros((8, 2, 3, 5))
    events[0, 0, 0, 4] = events[1, 0, 0, 4] = events[7, 1, 2, 0] = 1
    figure = plot_sample(events.reshape(8, -1), (2, 3, 5), 0, np.array([1, 0]), None)
    rows = [row for row in csv.DictReader(figure.to_csv().splitlines()) if row["mark"] == "pixel"]
    assert {(float(row["x"]), round(float(row["y"]), 3)): float(row["value"]) for row in rows} == {
        (0.45, round(1 - 0.5 / 6, 3)): 1.0,  # the first quarter is above, on the left
        (0.55, round(0.5 / 6, 3)): pytest.approx(0.5, abs=0.01),
    }


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))))
def test_pixels_are_those_of_another_reader_of_png(pixels: NDArray[np.uint8]) -> None:
    image = Image.open(io.BytesIO(encode_png(pixels)))
    np.testing.assert_array_equal(np.asarray(image), pixels)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=9), st.floats(-5, 5))
def test_a_curve_that_falls_too_low_is_cut_off_there(values: list[float], low: float) -> None:
    x, y = plots.cut_below(np.arange(len(values)), np.array(values), low)
    seen = np.isfinite(y)
    assert (y[seen] >= low).all()
    np.testing.assert_allclose(np.interp(x[seen], range(len(values)), values), y[seen], atol=1e-9)
    assert {value for value in values if value >= low} <= set(y[seen])


def strokes(figure: Figure) -> int:
    return str(figure).count("M")


def test_a_raster_has_a_stroke_for_each_spike() -> None:
    raster = np.random.default_rng(0).random((15, 4)) < 0.3

    def drawn(spikes: NDArray[np.bool_]) -> int:
        return strokes(plots.plot_sample(np.zeros(4), (2, 2), 1, np.ones(4), spikes))

    assert drawn(raster) - drawn(np.zeros_like(raster)) == raster.sum()


def test_membranes_mark_every_sample_at_threshold_or_above() -> None:
    traces = np.random.default_rng(0).choice([0.0, 0.5, 1.0, 1.5], (12, 3))

    def marks(values: NDArray[np.float64]) -> int:
        return str(plots.plot_membranes(values, 1)).count("h0")

    assert marks(traces) - marks(np.minimum(traces, 0.99)) == np.count_nonzero(traces >= 1)


def test_the_spread_of_weights_has_a_line_for_each_level() -> None:
    asked = np.linspace(-1, 1, 500)

    def lines(levels: int) -> int:
        return strokes(plots.plot_weights(asked, np.round(asked * levels) / levels))

    assert lines(8) - lines(4) == 8  # 17 levels and 9


# As a dichromat sees them, of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
SIGHT = {
    "trichromat": np.eye(3),
    "protanope": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.052]],
    "deuteranope": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritanope": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear_rgb(colour: str) -> np.ndarray:
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    share = XYZ @ np.clip(rgb, 0, 1) / (XYZ @ np.ones(3))
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    x, y, z = root
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("sight", SIGHT.values(), ids=SIGHT)
def test_shades_differ_for_everyone(palette: dict[str, str], sight: np.ndarray) -> None:
    shades = [linear_rgb(palette[f"shade-{number}"]) for number in range(6)]
    seen = [lab(np.asarray(sight) @ shade) for shade in shades]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 19
    paper = XYZ[1] @ linear_rgb(palette["paper"])
    for shade in shades:
        low, high = sorted((paper, XYZ[1] @ shade))
        assert (high + 0.05) / (low + 0.05) >= 3


def test_the_confusion_matrix_is_among_them(files: Path, run: Run) -> None:
    (path,) = files.glob("*-answers-to-each-class.csv")
    header, *rows = read_csv(path)
    shown = [[int(cell) for cell in row[1 : 1 + len(rows)]] for row in rows]
    assert shown == hil.load(run.path).confusion.tolist()
    assert header[-3:] == ["recall", "recall from", "recall to"]
    assert path.with_suffix(".tex").exists()


@pytest.mark.parametrize(("curves", "bands"), [(4, 4), (5, 0), (7, 0)])
def test_intervals_of_many_curves_do_not_hide_each_other(curves: int, bands: int) -> None:
    lines = [
        Line(range(9), [k / 9] * 9, str(k), k, [(k / 9 - 0.2, k / 9 + 0.2)] * 9)
        for k in range(curves)
    ]
    figure = plot_lines(lines, "epoch", "accuracy")
    rows = list(csv.DictReader(figure.to_csv().splitlines()))
    assert str(figure).count('fill-opacity="0.15"') == bands
    if not bands:
        places = {row["x"] for row in rows if row["mark"] == "stroke"}
        assert len(places) == curves
