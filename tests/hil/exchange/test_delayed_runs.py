"""Runs whose synapses are delayed: begun from models, gone on with, and exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import hil
from drivers import FileFormatError
from drivers.contract.messages import write_npz
from hil.cli.app import app
from hil.exchange import nir_writing
from hil.loop import training
from hil.runs.folder import VERSION, Run
from support.nir_models import DT, chain, lif, linear
from support.run_folders import prepare_run

IDEAL = "emulator:ideal"
BRIEF = {"training": {"epochs": 1, "batch": 50}, "device": IDEAL}
BEFORE, AFTER = np.arange(64) % 7, np.arange(12) % 5


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A few of the digits."""
    x, y = load_digits(return_X_y=True)
    path = tmp_path_factory.mktemp("task") / "few.npz"
    parts = {"x_train": x[:100] / 16, "x_test": x[200:300] / 16}
    np.savez(path, **parts, y_train=y[:100], y_test=y[200:300])
    return f"npz:{path}"


@pytest.fixture(scope="module")
def delayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 64-12-10 with delays on both sides of the first matrix."""
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(64, 12)) * 0.1, rng.normal(size=(12, 10)) * 0.5
    nodes = [nir.Delay(BEFORE * DT), linear(a.astype(np.float32)), nir.Delay(AFTER * DT)]
    more = [lif(12), linear(b.astype(np.float32)), lif(10)]
    path = tmp_path_factory.mktemp("model") / "delayed.nir"
    return chain(path, *nodes, *more, metadata={"dt": DT, "steps": 20})


def begun(path: Path, start: Path, task: str, **sections: Any) -> Run:
    return prepare_run({**BRIEF, "task": task, **sections}, start=start, out=path)


def trained(run: Run) -> Run:
    training.train(run)
    return run


def delays_of(run: Run) -> dict[str, Any]:
    arrays = run.load_checkpoint() or run.load_start()
    return {name: array for name, array in arrays.items() if name.startswith("delays/")}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize(
    "sections",
    [
        {"network": {"hidden": [12], "delays": 3}},
        {"network": {"hidden": [9, 8], "delays": 5, "recurrent": True}},
        {"network": {"hidden": [12], "delays": 3}, "encoding": {"bias": 0.5, "gain": 1.5}},
        {"network": {"hidden": [12], "delays": 2}, "device": "emulator:ideal?neuron=lif-exp"},
    ],
)
def test_weights_delays_and_answers_come_back(
    task: str, tmp_path: Path, sections: dict[str, Any]
) -> None:
    run = trained(prepare_run({**BRIEF, "task": task, **sections}, out=tmp_path / "run"))
    file = hil.export(run.path, tmp_path / "model.nir")
    nir.read(file)  # checks that each node fits the next
    device: dict[str, Any] = {"device": sections.get("device", IDEAL)}
    again = begun(tmp_path / "again", file, task, **device)
    wanted, found = run.weights(), again.load_start()
    assert any(name.startswith("delays/") for name in wanted)
    for name, array in wanted.items():
        assert found[name].tobytes() == array.tobytes()
    assert same(delays_of(run), delays_of(again))
    assert again.config().network.delays == max(int(d.max()) for d in delays_of(run).values())
    own, there = hil.evaluate(run.path), hil.evaluate(file, task=task, **device)
    assert own["confusion"] == there["confusion"]


def test_delays_that_are_not_asked_for_are_left_out_with_a_word(
    delayed: Path, task: str, tmp_path: Path
) -> None:
    run = trained(begun(tmp_path / "run", delayed, task))
    for start in (delayed, run.path):
        none = begun(tmp_path / f"none-of-{start.name}", start, task, network={"delays": 0})
        assert same(delays_of(trained(none)), {})
        told = [c["reason"] for c in none.environment()["chosen"] if c["setting"] == "start"]
        assert any("are left out: network.delays is 0" in reason for reason in told)


def test_delays_of_a_model_are_kept_by_all_that_follows(
    delayed: Path, task: str, tmp_path: Path
) -> None:
    wanted = BEFORE[:, None] + AFTER
    first = begun(tmp_path / "first", delayed, task)
    assert np.array_equal(first.load_start()["delays/0"], wanted)
    assert first.config().network.delays == 10
    other = begun(tmp_path / "second", trained(first).path, task, seed=7)
    for run in (first, trained(other)):
        assert same(delays_of(run), {"delays/0": wanted})
        result = run.result()
        assert result is not None
        assert hil.evaluate(run.path)["test_accuracy"] == result["test_accuracy"]
    file = hil.export(other.path, tmp_path / "again.nir")
    graph = nir.read(file)
    kinds = [type(graph.nodes[name]).__name__ for name, _ in graph.edges]
    assert kinds == ["Input", "Delay", "Linear", "Delay", "LIF", "Linear", "LIF"]
    assert same(delays_of(begun(tmp_path / "third", file, task)), {"delays/0": wanted})


def test_a_run_that_was_interrupted_goes_on_with_the_same_delays(
    delayed: Path, task: str, tmp_path: Path
) -> None:
    sections: dict[str, Any] = {"training": {"epochs": 2, "batch": 50}}
    whole = trained(begun(tmp_path / "whole", delayed, task, **sections))
    parts = begun(tmp_path / "parts", delayed, task, **sections)

    class Stopped(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        training.train(parts, watch=stop)
    assert same(delays_of(parts), delays_of(whole))
    trained(parts)
    one, other = whole.load_checkpoint(), parts.load_checkpoint()
    assert one is not None and other is not None
    assert one["weights/0"].tobytes() == other["weights/0"].tobytes()


def test_delays_change_what_is_answered(delayed: Path, task: str) -> None:
    late = hil.evaluate(delayed, device=IDEAL, task=task)
    early = hil.evaluate(begun_without(delayed), device=IDEAL, task=task)
    assert late["confusion"] != early["confusion"]


def begun_without(path: Path) -> Path:
    graph = nir.read(path)
    for node in graph.nodes.values():
        if isinstance(node, nir.Delay):
            node.delay = 0 * node.delay
    nir.write(path.with_name("early.nir"), graph)
    return path.with_name("early.nir")


def command(*arguments: Any) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_what_cannot_be_had_is_said_before_anything_is_written(
    delayed: Path, task: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    start = ["train", task, "--from", delayed, "--out", out, "--set"]
    said = command(*start, "network.delays=3", "--device", IDEAL)
    assert "delays/0 are of up to 10 steps, and network.delays is 3: give as many, or 0" in said
    slow = [nir.Delay(np.full(64, 0.04)), linear(np.ones((64, 10))), lif(10)]
    model = chain(tmp_path / "m.nir", *slow)
    said = command("evaluate", model, "--task", task, "--device", "board:simulated://?seed=0")
    assert (
        "delay0 (Delay): 0.04 s are 40 steps of 0.001 s, and this device has delays of up" in said
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (np.full((64, 12), 3.5), r"delays/0 is float64 \(64, 12\), uint16 \(\) or \(64, 12\) is"),
        (np.full((64, 12), 900, np.uint16), "delays/0 are of up to 900 steps"),
        (np.full((12, 64), 3, np.uint16), r"delays/0 is uint16 \(12, 64\), "),
        (np.array(["x"]), "delays/0 is <U1"),
    ],
)
def test_damaged_delays_are_refused(
    delayed: Path, task: str, tmp_path: Path, damage: Any, words: str
) -> None:
    run = begun(tmp_path / "run", delayed, task)
    whole = {name: array for name, array in run.load_start().items() if name[0] != "_"}
    write_npz(run.path / "start.npz", "start", {**whole, "delays/0": damage}, VERSION)
    with pytest.raises(FileFormatError, match=rf"start\.npz: {words}"):
        training.train(run)


def test_more_delays_than_a_file_can_have_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [np.ones((40, 40), np.float32), np.ones((40, 2), np.float32)]
    nominal = nir_writing.ExportedNeurons(DT, 0.9, 1.0, None, [True, True], False, 0.0)
    delays = [rng.integers(0, 600, (40, 40)), 0]
    with pytest.raises(ValueError, match="one matrix for each delay, and at most 1000 nodes"):
        nir_writing.write_network(tmp_path / "m.nir", weights, delays, nominal, {"encoding": {}})
    assert not list(tmp_path.iterdir())
