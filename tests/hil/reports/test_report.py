import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from hil.config import build, merged
from hil.reports import comparison, plots
from hil.reports.run_page import write_comparison, write_report
from hil.runs.folder import Run
from hil.statistics import wilson

VOID = {"meta", "br", "link", "img"}
Attributes = dict[str, str]


class Page(HTMLParser):
    """What a browser would find: elements with their attributes and text; refuses bad nesting."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, Attributes, list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(self.source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, {key: value or "" for key, value in attrs}, text))
        if tag not in VOID:
            self._open.append((tag, text))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, text in self._open:
            text.append(data)

    def all(self, tag: str, **attributes: str) -> list[str]:
        """Text of all elements of a kind, white space folded."""
        return [
            " ".join("".join(text).split())
            for name, found, text in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]

    def values(self, *names: str) -> list[str]:
        return [found[n] for _, found, _ in self.elements for n in names if n in found]

    @property
    def text(self) -> str:
        return self.all("body")[0]

    def rows(self, table: int) -> list[list[str]]:
        """Cells of the body of a table."""
        found: list[list[str]] = []
        number = -1
        for tag, _, text in self.elements:
            if tag == "table":
                number += 1
            elif tag == "tr" and number == table:
                found.append([])
            elif tag in ("td", "th") and number == table:
                found[-1].append(" ".join("".join(text).split()))
        return found[1:]


def epochs(count: int, validation: bool = True, hidden: int = 1) -> list[dict[str, Any]]:
    """Metrics of a run whose time splits 3 : 1 : 1 s an epoch."""
    return [
        {
            "epoch": n + 1,
            "step": 10 * (n + 1),
            "train_loss": 2 / (n + 1),
            "train_accuracy": 1 - 0.5 / (n + 1),
            "validation_accuracy": 1 - 0.6 / (n + 1) if validation else None,
            "hidden_rates": [0.1 + 0.1 * layer for layer in range(hidden)],
            "output_rate": 0.05,
            "seconds": 5.0,
            "device_seconds": 3.0,
            "host_seconds": 1.0,
            "transfer_seconds": 1.0,
        }
        for n in range(count)
    ]


def answers(n: int, classes: int) -> dict[str, NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, n)
    wrong = rng.random(n) < 0.2
    predictions = np.where(wrong, rng.integers(0, classes, n), labels)
    return {"test_labels": labels, "test_predictions": predictions}


def evidence(
    layers: Sequence[int],
    image: tuple[int, ...] = (),
    tested: int = 100,
    steps: int = 20,
    shown: int = 1,
) -> dict[str, NDArray[Any]]:
    """Arrays as a trained network of these layers might leave them."""
    rng = np.random.default_rng(0)
    classes, depth = layers[-1], len(layers) - 1
    raster = (rng.random((steps, shown, classes)) < 0.2).astype(np.uint8)
    found: dict[str, NDArray[Any]] = {
        **answers(tested, classes),
        "samples": rng.random((shown, layers[0]), dtype=np.float32),
        "sample_labels": rng.integers(0, classes, shown),
        "image_shape": np.asarray(image),
        "output_raster": raster,
        "counts": raster.sum(axis=0).astype(np.int32),
        "membrane_every": np.asarray(1),
    }
    for layer in range(1, depth + 1):
        neurons = min(2, layers[layer])
        found[f"membrane_{layer}"] = rng.normal(0.5, 0.5, (steps, shown, neurons))
    for p, (a, b) in enumerate(pairwise(layers)):
        asked = rng.normal(0, 1, min(20_000, a * b)).astype(np.float32)
        found[f"asked_{p}"], found[f"stored_{p}"] = asked, np.round(np.clip(asked, -2, 2) * 8) / 8
    return found


def result(run: Run, accuracy: float, tested: int, layers: Sequence[int]) -> dict[str, Any]:
    config = run.config()
    return {
        "task": config.task,
        "rule": config.rule["name"],
        "observe": config.observe,
        "estimator": "crossings",
        "device": config.device,
        "seed": config.seed,
        "layers": list(layers),
        "epochs": config.training.epochs,
        "test_accuracy": accuracy,
        "test_accuracy_ci95": list(wilson(round(accuracy * tested), tested)),
        "validation_accuracy": None,
        "train_seconds": 50.0,
        "device_seconds": 30.0,
        "transfer_seconds": 10.0,
        "host_seconds": 10.0,
        "samples_per_second": 1234.0,
        "peak_rss_mb": 321.0,
    }


def started(path: Path, done: int = 0, **sections: Any) -> Run:
    run = Run.create(path, build(merged({"training": {"epochs": 10}}, sections)))
    run.save_metrics(epochs(done, hidden=len(run.config().network.hidden)))
    return run


def finished(
    path: Path, layers: Sequence[int] = (64, 8, 5), image: tuple[int, ...] = (8, 8), **sections: Any
) -> Run:
    run = started(path, 10, **merged({"network": {"hidden": list(layers[1:-1])}}, sections))
    shown = evidence(layers, image)
    run.save_evidence(shown)
    accuracy = float(np.mean(shown["test_labels"] == shown["test_predictions"]))
    run.save_result(result(run, accuracy, len(shown["test_labels"]), layers))
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finished(tmp_path_factory.mktemp("runs") / "one run")


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(write_report(run))


# -- the page of a run ------------------------------------------------------------------------


def test_the_page_states_accuracy_interval_and_origin(run: Run, page: Page) -> None:
    found = run.result()
    assert found is not None
    low, high = found["test_accuracy_ci95"]
    assert f"{100 * found['test_accuracy']:.2f} %" in page.all("p", **{"class": "figure"})[0]
    assert f"95 % interval {100 * low:.2f} to {100 * high:.2f} %" in page.text
    assert "100 test samples" in page.text
    assert page.all("h1") == ["digits, learned by adfa on emulator:mixed-signal"]
    assert "64-8-5 network, trained for 10 epochs" in page.text


def test_every_section_and_figure_is_there(page: Page) -> None:
    assert page.all("h2") == [
        "Learning",
        "Activity",
        "What it confuses",
        "A few test samples",
        "Membranes",
        "Weights asked and stored",
        "Where the time went",
        "How it was made",
    ]
    curves, samples, membranes, projections = 4, 1, 2, 2
    assert len(page.all("svg")) == curves + samples + membranes + projections
    assert [h for h in page.all("h3") if not h.startswith("Sample")] == [
        "Accuracy",
        "Loss",
        "Hidden activity",
        "Output rate",
        "Hidden layer 1",
        "Output layer",
        "Input to hidden layer 1",
        "Hidden layer 1 to output layer",
        "Repeat it",
        "Settings",
    ]


def test_findings_stand_once_with_the_last_epoch_that_showed_them(tmp_path: Path) -> None:
    run = started(tmp_path / "run")
    rows = epochs(3)
    dead = "hidden layer 1 has dead neurons: 2 of 9 (1, 7) stay at rest; wait"
    rows[0]["findings"] = [
        "[epoch 1] output layer is silent: 0.0 < 1; raise it",
        f"[epoch 1] {dead}",
    ]
    rows[1]["findings"], rows[2]["findings"] = [f"[epoch 2] {dead}"], []
    run.save_metrics(rows)
    page = Page(write_report(run))
    assert page.all("h2")[0] == "What the host noticed"
    assert page.all("li") == [
        "[epoch 1] output layer is silent: 0.0 < 1; raise it.",
        f"[epoch 2] {dead}.",
    ]


def test_confusion_and_recall_count_every_test_sample(run: Run, page: Page) -> None:
    shown = run.load_evidence()
    assert shown is not None
    seen = Counter(
        zip(shown["test_labels"].tolist(), shown["test_predictions"].tolist(), strict=True)
    )
    classes = range(5)
    for label, row in zip(classes, page.rows(0), strict=True):
        counts = [seen[label, said] for said in classes]
        assert row[1:-1] == [str(count) for count in counts]
        low, high = wilson(counts[label], sum(counts))
        recall = counts[label] / sum(counts)
        assert row[-1] == f"{100 * recall:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def test_samples_and_classes_are_told_one_by_one(tmp_path: Path) -> None:
    run = started(tmp_path / "run")
    shown = evidence((64, 100, 3), (8, 8), shown=4)
    shown["sample_labels"] = np.array([0, 1, 2, 0])
    shown["counts"] = np.array([[9, 1, 0], [1, 0, 8], [0, 5, 5], [0, 0, 0]], np.int32)
    shown["test_labels"], shown["test_predictions"] = np.zeros(7, np.int64), np.full(7, 2)
    run.save_evidence(shown)
    page = Page(write_report(run))
    assert page.all("figcaption")[:4] == [
        "Most spikes, 9, from the right class.",
        "Most spikes, 8, from class 2: not the right one.",
        "A tie of 1 and 2 with 5 spikes each.",
        "No output neuron fired.",
    ]
    assert [row[1:] for row in page.rows(0)] == [
        ["0", "0", "7", "0 % (0 to 35)"],
        ["0", "0", "0", "no sample"],
        ["0", "0", "0", "no sample"],
    ]


def test_the_command_repeats_the_run(run: Run, page: Page) -> None:
    command = shlex.split(page.all("pre")[-1])
    assert command[:3] == ["hil", "train", "--config"]
    assert Path(command[3]) == run.path / "config.toml"
    assert command[4] == "--out"
    assert not Path(command[5]).exists()


def test_every_setting_is_shown_and_the_chosen_ones_stand_out(run: Run, page: Page) -> None:
    dumped = run.config().model_dump(mode="json")
    keys = {key for value in dumped.values() if isinstance(value, dict) for key in value}
    assert keys <= set(page.all("th", scope="row"))
    usual = build({"task": "digits"}).training.epochs
    assert usual != 10
    assert "10" in page.all("td", **{"class": "chosen"})
    assert page.all("caption")[:2] == ["run", "network"]
    versions = json.loads((run.path / "environment.json").read_text())["packages"]
    assert set(versions) <= set(page.all("th", scope="row"))


def test_the_time_bar_is_to_scale(page: Page) -> None:
    shares = {
        kind: float(re.findall(r"flex: ([\d.]+)", style)[0])
        for kind in ("device", "host", "transfer")
        for tag, found, _ in page.elements
        if tag == "span" and found.get("class") == kind and (style := found["style"])
    }
    assert shares == pytest.approx({"device": 0.6, "host": 0.2, "transfer": 0.2})
    assert page.all("tr", **{"class": "device"}) == ["device 30.0 s 60.0 %"]
    assert "1234 samples per second" in page.text


@pytest.mark.parametrize(
    ("layers", "image", "drop"),
    [
        ((4, 6, 7, 2), (), ()),  # features that are no image, two hidden layers
        ((64, 5), (8, 8), ("output_raster", "membrane_1", "membrane_every")),  # no hidden layer
    ],
)
def test_the_page_shows_what_the_device_showed(
    tmp_path: Path, layers: tuple[int, ...], image: tuple[int, ...], drop: tuple[str, ...]
) -> None:
    run = finished(tmp_path / "run", layers, image)
    shown = {k: v for k, v in evidence(layers, image).items() if k not in drop}
    run.save_evidence(shown)
    run.save_metrics(epochs(3, validation=False, hidden=len(layers) - 2))
    page = Page(write_report(run))
    assert "training" in page.all("text")
    assert "validation" not in page.all("text")
    depth = len(layers) - 1
    membranes = 0 if drop else depth
    curves = 4 if depth > 1 else 3
    assert len(page.all("svg")) == curves + 1 + membranes + depth
    assert ("Membranes" in page.all("h2")) == bool(membranes)


@pytest.mark.parametrize("done", [0, 3])
def test_an_incomplete_run_says_so_and_how_to_go_on(tmp_path: Path, done: int) -> None:
    run = started(tmp_path / "it's my run", done)
    page = Page(write_report(run))
    assert "This run is not complete." in page.text
    assert f"{done} of 10 epochs are done" in page.text
    assert shlex.split(page.all("pre")[0]) == ["hil", "resume", str(run.path)]
    assert not page.all("p", **{"class": "figure"})
    assert page.all("h2") == (["Learning", "Activity", "Where the time went"] if done else []) + [
        "How it was made"
    ]


def test_a_page_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    run = started(tmp_path / "run", 1)
    before = write_report(run).read_bytes()
    (run.path / "metrics.jsonl").write_text("damaged")
    with pytest.raises(ValueError):
        write_report(run)
    assert (run.path / "report.html").read_bytes() == before
    assert not [p for p in run.path.iterdir() if "report" in p.name and p.name != "report.html"]


def test_a_large_network_makes_a_page_below_2_mb(tmp_path: Path) -> None:
    layers = (784, 800, 800, 10)
    run = started(tmp_path / "run", 200, network={"hidden": [800, 800]}, training={"epochs": 200})
    run.save_evidence(evidence(layers, (28, 28), tested=10_000, steps=200))
    run.save_result(result(run, 0.8, 10_000, layers))
    assert write_report(run).stat().st_size < 2_000_000


# -- both pages -------------------------------------------------------------------------------


def test_text_of_the_user_is_never_markup(tmp_path: Path) -> None:
    task = "npz:<script>alert('1')</script>.npz"
    device = 'emulator:"><img src=x onerror=alert(1)>'
    run = started(tmp_path / "<b>0", task=task, device=device)
    run.save_result(result(run, 0.9, 100, (4, 100, 3)))
    for path in write_report(run), write_comparison([run], tmp_path / "page.html"):
        page = Page(path)
        assert not {"script", "img", "b"} & {tag for tag, _, _ in page.elements}
        assert not any(name.startswith("on") for _, found, _ in page.elements for name in found)
        assert task in page.text
        assert "<b>0" in page.text


@pytest.fixture(scope="module")
def pages(page: Page, run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Page]:
    folder = tmp_path_factory.mktemp("comparison")
    others = [started(folder / "a", 5), finished(folder / "b", seed=1)]
    return [page, Page(write_comparison([run, *others], folder / "new" / "page.html"))]


def test_pages_need_no_network(pages: list[Page]) -> None:
    for page in pages:
        assert "http://" not in page.source
        assert "https://" not in page.source
        assert "@import" not in page.source
        for target in page.values("src", "href", "xlink:href"):
            assert target.startswith(("#", "data:image/png;base64,"))
        assert all(target == "#" for target in re.findall(r"url\(['\"]?(.)", page.source))


def test_ids_are_unique_and_references_arrive(pages: list[Page]) -> None:
    for page in pages:
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        used = {t[1:] for t in page.values("href", "xlink:href") if t.startswith("#")}
        used |= set(re.findall(r"url\(#([^)]+)\)", page.source))
        assert used
        assert used <= set(ids)


def test_headings_descend_one_level_at_a_time(pages: list[Page]) -> None:
    for page in pages:
        levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_figure_has_a_name(pages: list[Page]) -> None:
    for page in pages:
        drawings = [found for tag, found, _ in page.elements if tag == "svg"]
        names = [f["aria-label"] for _, f, _ in page.elements if f.get("role") == "img"]
        assert all(found["aria-hidden"] == "true" for found in drawings)
        assert len(names) >= len(drawings)
        assert len(set(names)) > len(names) / 2
        assert all(name.strip() for name in names)


def test_colours_are_defined_for_light_and_dark(pages: list[Page]) -> None:
    many = plots.curves([plots.Curve([0.1, 0.2], None, n) for n in range(20)], "accuracy")
    for page in pages:
        light, dark = re.findall(r":root \{(.*?)\}", page.source, re.DOTALL)
        assert "prefers-color-scheme: dark" in page.source
        used = set(re.findall(r"var\((--[\w-]+)\)", page.source + many)) - {"--shade", "--share"}
        assert used <= set(re.findall(r"(--[\w-]+):", light))
        assert used <= set(re.findall(r"(--[\w-]+):", dark))
        for drawing in re.findall(r"<svg.*?</svg>", page.source, re.DOTALL):
            assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", drawing)) <= {
                "none",
                *(f"var({name})" for name in used),
            }


def test_pages_do_not_depend_on_when_or_under_which_style_they_are_made(
    run: Run, page: Page
) -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.labelsize": 30, "svg.fonttype": "path"}):
        mine = dict(matplotlib.rcParams)
        assert write_report(run).read_text(encoding="utf-8") == page.source
        assert dict(matplotlib.rcParams) == mine


def test_importing_reports_imports_no_drawing() -> None:
    code = (
        "import sys, hil.reports.run_page; "
        "print({'matplotlib', 'jinja2', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# -- figures ----------------------------------------------------------------------------------


def strokes(svg: str) -> int:
    return len(re.findall(r"\bM ", svg))


def test_a_raster_has_a_stroke_for_each_spike() -> None:
    raster = np.random.default_rng(0).random((15, 4)) < 0.3

    def drawn(spikes: NDArray[np.bool_]) -> int:
        return strokes(plots.sample(np.zeros(4), (2, 2), 1, np.ones(4), spikes))

    assert drawn(raster) - drawn(np.zeros_like(raster)) == raster.sum()


def test_membranes_mark_every_sample_at_threshold_or_above() -> None:
    traces = np.random.default_rng(0).choice([0.0, 0.5, 1.0, 1.5], (12, 3))

    def marks(values: NDArray[np.float64]) -> int:
        return plots.membranes(values, 1).count("<use")

    assert marks(traces) - marks(np.minimum(traces, 0.99)) == np.count_nonzero(traces >= 1)


def test_the_spread_of_weights_has_a_line_for_each_level() -> None:
    asked = np.linspace(-1, 1, 500)

    def lines(levels: int) -> int:
        return strokes(plots.weights(asked, np.round(asked * levels) / levels))

    assert lines(8) - lines(4) == 8  # 17 levels and 9


# -- several runs -----------------------------------------------------------------------------


def reached(path: Path, accuracy: float, **sections: Any) -> Run:
    run = started(path, 2, **sections)
    run.save_result(result(run, accuracy, 1000, (64, 100, 10)))
    return run


@settings(max_examples=10, deadline=None)
@given(accuracies=st.lists(st.integers(0, 1000), min_size=2, max_size=6, unique=True))
def test_the_interval_of_a_group_is_that_of_scipy(
    accuracies: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    shares = [count / 1000 for count in accuracies]
    runs = [reached(folder / str(n), share, seed=n) for n, share in enumerate(shares)]
    (group,) = comparison.grouped(runs)
    oracle = stats.ttest_1samp(shares, 0).confidence_interval(0.95)
    assert group.interval == pytest.approx((oracle.low, oracle.high))
    assert group.mean == pytest.approx(np.mean(shares))


def test_the_page_states_mean_interval_and_number_of_each_group(tmp_path: Path) -> None:
    adfa, floor = [0.95, 0.96, 0.98], [0.90, 0.91]
    runs = [reached(tmp_path / f"a{n}", x, seed=n) for n, x in enumerate(adfa)]
    runs += [
        reached(tmp_path / f"o{n}", x, seed=n, rule={"name": "output_only"})
        for n, x in enumerate(floor)
    ]
    page = Page(write_comparison(runs, tmp_path / "page.html"))
    for row, values, rule in zip(page.rows(0), (adfa, floor), ("adfa", "output_only"), strict=True):
        oracle = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert row[1:] == [
            f"{100 * np.mean(values):.2f}",
            f"{100 * oracle.low:.2f} to {100 * oracle.high:.2f}",
            str(len(values)),
            f"{len(values)} of {len(values)}",
            rule,
        ]
    for row, run, accuracy in zip(page.rows(1), runs, adfa + floor, strict=True):
        low, high = wilson(round(1000 * accuracy), 1000)
        assert row[0] == str(run.path)
        assert row[-2:] == [f"{100 * accuracy:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"]
    assert "differ in one setting alone: rule.name" in page.text
    assert "More than one setting differs" not in page.text


def test_runs_with_the_same_seed_are_not_independent(tmp_path: Path) -> None:
    runs = [reached(tmp_path / f"{n}", x, seed=n // 2) for n, x in enumerate((0.9, 0.8, 0.7, 0.6))]
    (group,) = comparison.grouped(runs)
    oracle = stats.ttest_1samp([0.85, 0.65], 0).confidence_interval(0.95)
    assert group.interval == pytest.approx((oracle.low, oracle.high))
    assert Page(write_comparison(runs, tmp_path / "page.html")).rows(0)[0][3:5] == ["2", "4 of 4"]


@pytest.mark.parametrize(
    ("accuracies", "reason"), [([0.9], "none: one seed"), ([0.9, 0.9], "none: no spread"), ([], "")]
)
def test_a_group_without_spread_claims_no_interval(
    tmp_path: Path, accuracies: list[float], reason: str
) -> None:
    runs = [reached(tmp_path / str(n), x, seed=n) for n, x in enumerate(accuracies)]
    runs.append(started(tmp_path / "open", 1, seed=9))
    page = Page(write_comparison(runs, tmp_path / "page.html"))
    row = page.rows(0)[0]
    assert row[1:5] == [
        "90.00" if accuracies else "",
        reason,
        str(len(accuracies)),
        f"{len(accuracies)} of {len(accuracies) + 1}",
    ]
    assert f"Not complete: 1 of {len(runs)} runs." in page.text
    assert ("Test accuracy" in page.all("h2")) == bool(accuracies)


def test_more_than_one_differing_setting_is_pointed_out(tmp_path: Path) -> None:
    runs = [
        reached(tmp_path / "a", 0.9),
        reached(tmp_path / "b", 0.8, device="emulator:ideal", training={"batch": 37}),
    ]
    page = Page(write_comparison(runs, tmp_path / "page.html"))
    assert "More than one setting differs" in page.text
    assert [row[-2:] for row in page.rows(0)] == [
        ["emulator:mixed-signal", str(build({"task": "digits"}).training.batch)],
        ["emulator:ideal", "37"],
    ]


def test_tasks_that_differ_are_pointed_out(tmp_path: Path) -> None:
    runs = [reached(tmp_path / task, 0.9, task=task) for task in ("digits", "yinyang")]
    assert "The tasks differ." in Page(write_comparison(runs, tmp_path / "page.html")).text


def test_curves_of_all_runs_lie_together(tmp_path: Path) -> None:
    runs = [started(tmp_path / str(n), 2 + n, seed=n) for n in range(3)]
    page = Page(write_comparison(runs, tmp_path / "page.html"))
    assert page.all("h3") == ["Validation accuracy", "Training accuracy"]
    assert page.all("text").count("group 1") == 2
    widths = [float(w) for w in re.findall(r"style=\"width: ([\d.]+)%", page.source)]
    assert widths == pytest.approx([50, 75, 100])


def test_runs_that_have_not_begun_can_be_compared(tmp_path: Path) -> None:
    runs = [started(tmp_path / str(n), seed=n) for n in range(2)]
    assert not Page(write_comparison(runs, tmp_path / "page.html")).all("svg")


def test_comparisons_of_nothing_or_of_a_run_with_itself_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run to compare"):
        write_comparison([], tmp_path / "page.html")
    run = started(tmp_path / "run")
    with pytest.raises(ValueError, match="given twice"):
        write_comparison([run, Run(tmp_path / "." / "run")], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
