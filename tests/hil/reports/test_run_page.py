"""The page of a run."""

import json
import re
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.config import build
from hil.loop.findings import Finding
from hil.reports.run_page import write_report
from hil.runs.folder import Run
from hil.statistics import proportion
from support.html_page import Page
from support.run_folders import epochs, finished, result, snapshot, started


def test_the_page_states_accuracy_interval_and_origin(run: Run, page: Page) -> None:
    result = run.result()
    assert result is not None
    low, high = result["test_accuracy_ci95"]
    assert f"{100 * result['test_accuracy']:.2f} %" in page.all("p", **{"class": "figure"})[0]
    assert f"95 % interval {100 * low:.2f} to {100 * high:.2f} %" in page.text
    assert "100 test samples" in page.text
    assert "not the last 359" in page.text  # which of the digits they are
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
        "What the device paid",
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
    ]


def test_what_the_device_paid(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    text = Page.read(write_report(run)).text
    for row in (
        "runs of a batch 0.01 1 200",
        "samples 1 34 567",
        "events of the input 123 4 500 000",
        "spikes of neurons 45.6 1 250 000",
        "synaptic events 2 346 not known",
        "bytes on the line 0 0",
        "writes of a projection 2 002",
        "writes of a cell, mean 7.89",
        "writes of a cell, most 98",
    ):
        assert row in text


def test_findings_stand_once_with_the_last_epoch_that_showed_them(tmp_path: Path) -> None:
    run = started(tmp_path / "run")
    rows = epochs(3)
    silent = Finding("silent", "output layer", {"rate": 0.0}, "raise it", 1)
    dead = Finding("dead", "hidden layer 1", {"count": 2, "size": 9, "neurons": "1, 7"}, "", 1)
    rows[0]["findings"] = [silent.as_json(), dead.as_json()]
    again = replace(dead, epoch=2)
    rows[1]["findings"], rows[2]["findings"] = [again.as_json()], []
    run.save_metrics(rows)
    page = Page.read(write_report(run))
    assert page.all("h2")[0] == "What the host noticed"
    assert page.all("li") == [f"{silent}.", f"{again}."]


def test_confusion_and_recall_count_every_test_sample(run: Run, page: Page) -> None:
    shown = run.load_snapshot()
    assert shown is not None
    seen = Counter(
        zip(shown["test_labels"].tolist(), shown["test_predictions"].tolist(), strict=True)
    )
    classes = range(5)
    for label, row in zip(classes, page.rows(0), strict=True):
        counts = [seen[label, said] for said in classes]
        assert row[1:-1] == [str(count) for count in counts]
        low, high = proportion(counts[label], sum(counts))
        recall = counts[label] / sum(counts)
        assert row[-1] == f"{100 * recall:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def test_samples_and_classes_are_told_one_by_one(tmp_path: Path) -> None:
    run = started(tmp_path / "run")
    shown = snapshot((64, 100, 3), (8, 8), shown=4)
    shown["sample_labels"] = np.array([0, 1, 2, 0])
    shown["sample_predictions"] = np.array([0, 2, 1, 0])
    shown["counts"] = np.array([[9, 1, 0], [1, 0, 8], [0, 5, 5], [0, 0, 0]], np.int32)
    shown["test_labels"], shown["test_predictions"] = np.zeros(7, np.int64), np.full(7, 2)
    run.save_snapshot(shown)
    page = Page.read(write_report(run))
    assert page.all("figcaption")[:4] == [
        "Answer 0: right, by 9 spikes.",
        "Answer 2: it is 1, by 8 spikes.",
        "Answer 1: it is 2, by membranes; most spikes, 5, from 1 and 2.",
        "Answer 0: right, by membranes: no output neuron fired.",
    ]
    assert [row[1:] for row in page.rows(0)] == [
        ["0", "0", "7", "0 % (0 to 41)"],
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
        for tag, attributes, _ in page.elements
        if tag == "span" and attributes.get("class") == kind and (style := attributes["style"])
    }
    assert shares == pytest.approx({"device": 0.6, "host": 0.2, "transfer": 0.2})
    assert page.all("tr", **{"class": "device"}) == ["device 30.0 s 60.0 %"]
    assert "1234 samples per second" in page.text


@pytest.mark.parametrize(
    ("layers", "image", "drop"),
    [
        ((4, 6, 7, 2), (), ()),  # features that are no image, two hidden layers
        ((64, 5), (8, 8), ("output_raster", "membrane_1")),  # no hidden layer
    ],
)
def test_the_page_shows_what_the_device_showed(
    tmp_path: Path, layers: tuple[int, ...], image: tuple[int, ...], drop: tuple[str, ...]
) -> None:
    run = finished(tmp_path / "run", layers, image)
    shown = {k: v for k, v in snapshot(layers, image).items() if k not in drop}
    run.save_snapshot(shown)
    run.save_metrics(epochs(3, validation=False, hidden=len(layers) - 2))
    page = Page.read(write_report(run))
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
    page = Page.read(write_report(run))
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
    run.save_snapshot(snapshot(layers, (28, 28), tested=10_000, steps=200))
    run.save_result(result(run, 0.8, 10_000, layers))
    assert write_report(run).stat().st_size < 2_000_000
