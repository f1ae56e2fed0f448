"""A run is exported, and the file evaluated, trained on and exported again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from sklearn.datasets import load_digits
from typer.testing import CliRunner, Result

import hil
from drivers.contract.messages import write_npz
from hil.cli.app import app
from hil.loop import training
from hil.runs.folder import VERSION, Run
from support.run_folders import prepare_run

SMALL: dict[str, Any] = {
    "network": {"hidden": [12], "steps": 20},
    "training": {"epochs": 2, "batch": 50},
    "optimiser": {"learning_rate": 0.02},
}
DEVICES = {
    "ideal": "emulator:ideal",
    "hard": "emulator:ideal?reset=hard",
    "synapses": "emulator:ideal?neuron=lif-exp",
    "coarse": "emulator:mixed-signal?chip=3&weight_bits=4",
    "board": "board:simulated://?seed=0",
}


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A few of the digits."""
    x, y = load_digits(return_X_y=True)
    parts = {"train": slice(0, 200), "test": slice(200, 300)}
    path = tmp_path_factory.mktemp("task") / "few.npz"
    arrays = {f"x_{name}": x[rows] / 16 for name, rows in parts.items()}
    np.savez(path, **arrays, **{f"y_{name}": y[rows] for name, rows in parts.items()})
    return f"npz:{path}"


@pytest.fixture(scope="module")
def runs(task: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run on each device."""
    folder = tmp_path_factory.mktemp("runs")
    made = {}
    for name, device in DEVICES.items():
        more = {"encoding": {"bias": 0.5, "gain": 1.5}} if name != "board" else {}
        made[name] = trained(folder / name, {"task": task, "device": device, **more})
    return made


def trained(path: Path, sections: dict[str, Any], start: Path | None = None) -> Path:
    """A run to its end, without its page."""
    asked = {"training": SMALL["training"]} if start else SMALL
    run = prepare_run(asked, sections, out=path, start=start)
    training.train(run)
    return run.path


@pytest.mark.parametrize("name", DEVICES)
def test_weights_come_back_bit_for_bit(
    runs: dict[str, Path], task: str, name: str, tmp_path: Path
) -> None:
    wanted = Run.open(runs[name]).load_checkpoint()
    assert wanted is not None
    for stored, prefix in ((False, "weights"), (True, "stored")):
        file = hil.export(runs[name], tmp_path / f"{prefix}.nir", stored=stored)
        again = prepare_run(
            {"task": task, "device": DEVICES[name]}, start=file, out=tmp_path / prefix
        )
        began = again.load_start()
        for projection in range(2):
            there = wanted[f"{prefix}/{projection}"]
            assert began[f"weights/{projection}"].tobytes() == there.tobytes()


@pytest.mark.parametrize("name", ["ideal", "hard", "synapses"])
def test_it_answers_every_sample_as_the_run_does(
    runs: dict[str, Path], task: str, name: str, tmp_path: Path
) -> None:
    file = hil.export(runs[name], tmp_path / "model.nir")
    found = hil.evaluate(file, device=DEVICES[name], task=task)
    own = hil.evaluate(runs[name])
    assert found["confusion"] == own["confusion"]
    assert len({tuple(row) for row in found["confusion"]}) > 3  # classes are told apart


def test_others_read_what_is_written(runs: dict[str, Path], tmp_path: Path) -> None:
    done = command("export", runs["ideal"], "-o", tmp_path / "model.nir")
    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "model.nir"))
    graph = nir.read(tmp_path / "model.nir")  # checks that each node fits the next
    assert [type(graph.nodes[a]).__name__ for a, _ in graph.edges] == [
        "Input",
        "Affine",
        "LIF",
        "Linear",
        "LIF",
    ]
    weights = Run.open(runs["ideal"]).weights()
    affine, cells = graph.nodes["affine_1"], graph.nodes["lif_1"]
    assert np.array_equal(affine.weight, weights["weights/0"][:-1].T)
    np.testing.assert_allclose(affine.bias, 0.5 * 1.5 * weights["weights/0"][-1], rtol=1e-6)
    np.testing.assert_allclose(cells.tau, 0.01, rtol=1e-9)
    np.testing.assert_allclose(cells.r * 0.001 / cells.tau, 1, rtol=1e-9)  # currents
    assert (cells.v_threshold == 1).all() and not cells.v_reset.any() and not cells.v_leak.any()
    # An event leaks for a step here before it can cause a spike.
    decay, late = np.exp(-0.1), graph.nodes["lif_2"]
    np.testing.assert_allclose(late.r * (1 - decay), decay, rtol=1e-9)
    notes = graph.metadata
    assert notes["dt"] == 0.001 and notes["steps"] == 20
    encoding = {"name": "current", "bias": 0.5, "hold": 1, "gain": 1.5}
    assert json.loads(notes["encoding"]) == encoding


def test_the_same_run_gives_the_same_file(runs: dict[str, Path], tmp_path: Path) -> None:
    one, two = (hil.export(runs["hard"], tmp_path / f"{k}.nir").read_bytes() for k in "ab")
    assert one == two


def test_a_step_of_the_model_is_a_step_of_the_chip(task: str, tmp_path: Path) -> None:
    slow = trained(
        tmp_path / "slow",
        {
            "task": task,
            "device": "emulator:ideal",
            "network": {"settings": {"tau_membrane": 0.03}},
        },
    )
    file = hil.export(slow, tmp_path / "slow.nir")
    again = prepare_run(
        {"task": task, "device": "emulator:ideal?dt=0.0005"}, start=file, out=tmp_path / "again"
    )
    assert again.config().network.settings == {"tau_membrane": pytest.approx(0.015, rel=1e-9)}


def test_layers_that_lead_to_themselves_come_back_bit_for_bit(task: str, tmp_path: Path) -> None:
    sections = {
        "task": task,
        "device": "emulator:ideal",
        "network": {"hidden": [12, 9], "recurrent": True},
    }
    run = trained(tmp_path / "run", sections)
    file = hil.export(run, tmp_path / "model.nir")
    graph = nir.read(file, type_check=False)
    assert {("lif_1", "linear_recurrent_1"), ("linear_recurrent_2", "lif_2")} <= set(graph.edges)
    again = prepare_run({"task": task, "device": "emulator:ideal"}, start=file, out=tmp_path / "a")
    assert again.config().network.recurrent
    wanted, began = Run.open(run).weights(), again.load_start()
    assert len(wanted) == 5
    for name, matrix in wanted.items():
        assert began[name].tobytes() == matrix.tobytes()
    found, own = hil.evaluate(file, device="emulator:ideal", task=task), hil.evaluate(run)
    assert found["confusion"] == own["confusion"]


def test_feedback_follows_the_weights_that_another_rule_has_learned(
    task: str, tmp_path: Path
) -> None:
    """Else they would be unlearned until they knew the feedback that is drawn."""
    learned = {
        "task": task,
        "device": "emulator:ideal",
        "rule": {"name": "bp"},
        "network": {"hidden": [40, 30]},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 6, "batch": 50},
    }
    file = hil.export(trained(tmp_path / "bp", learned), tmp_path / "model.nir")
    tuned = {"device": "emulator:ideal", "training": {"epochs": 1, "batch": 50}, "task": task}
    run = prepare_run(tuned, start=file, out=tmp_path / "tuned")
    whole = {name: array for name, array in run.load_start().items() if name[0] != "_"}
    damaged = {**whole, "ways/feedback_1": np.full((10, 40), "1")}
    write_npz(run.path / "start.npz", "start", damaged, VERSION)
    with pytest.raises(ValueError, match=r"start\.npz.*ways/feedback_1: not float32"):
        training.train(run)
    run = prepare_run(tuned, start=file, out=tmp_path / "again")
    result = training.train(run)
    began, ended = run.weights() | run.load_start(), run.load_checkpoint()
    assert ended is not None
    after = began["weights/2"].T
    for layer, way in ((2, after), (1, after @ began["weights/1"].T)):
        feedback = ended[f"rule/feedback_{layer}"]
        assert np.sum(feedback * way) > 0.9999 * np.linalg.norm(feedback) * np.linalg.norm(way)
        assert abs(feedback.std() * np.sqrt(10) - 1) < 0.2  # as large as it is drawn
    deployed = hil.evaluate(file, device="emulator:ideal", task=task)["test_accuracy"]
    assert result["test_accuracy"] > deployed - 0.03


def test_a_step_is_that_of_the_model_unless_another_is_asked_for(
    task: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    theirs = hil.export(runs["synapses"], tmp_path / "theirs.nir", dt=1e-4)
    own, scaled = (nir.read(f) for f in (hil.export(runs["synapses"], tmp_path / "o.nir"), theirs))
    for key in ("tau_mem", "tau_syn"):  # as long in steps
        one, other = (getattr(graph.nodes["cubalif_1"], key) for graph in (own, scaled))
        np.testing.assert_allclose(other, one / 10, rtol=1e-9)
    tuned = trained(tmp_path / "tuned", {"task": task, "device": DEVICES["synapses"]}, theirs)
    again = trained(tmp_path / "again", {"task": task}, tuned)
    for run in (tuned, again):
        done = command("export", run, "-o", tmp_path / "back.nir")
        assert nir.read(tmp_path / "back.nir").metadata["dt"] == 1e-4
        assert done.stderr.count("\n") == 1
        assert "0.0001 s, as in the model" in done.stderr
    done = command("export", tuned, "-o", tmp_path / "back.nir", "--dt", "0.002")
    assert nir.read(tmp_path / "back.nir").metadata["dt"] == 0.002
    assert done.stdout.strip() == str(tmp_path / "back.nir")
    assert hil.evaluate(tmp_path / "back.nir", device=DEVICES["synapses"], task=task)["confusion"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-o", "model.onnx"), "let its name end in .nir"),
        (("-o", "model"), "let its name end in .nir"),
        (("--dt", "-1"), "--dt -1: give dt in seconds"),
        (("--dt", "nan"), "--dt nan: give dt in seconds"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    runs: dict[str, Path],
    arguments: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("export", runs["ideal"], *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert complaint in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
