"""A study of a network that is there already: a run, or a model of NIR."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from typer.testing import CliRunner

import hil
from hil.cli.app import app
from hil.loop import training
from hil.studies import loader
from hil.studies.folder import StudyFolder
from hil.studies.plan import list_cells, list_units, make_jobs
from hil.studies.schema import Study
from hil.studies.trial import evaluate
from hil.studies.validation import check
from support.nir_models import DT, chain, lif, linear
from support.run_folders import prepare_run

Jobs = list[tuple[Any, ...]]
NOISE: dict[str, Any] = {
    "version": 1,
    "name": "noise",
    "base": {"device": "emulator:ideal", "training": {"epochs": 1, "batch": 20}},
    "pretrain": {"device": "emulator:ideal"},
    "factors": {
        "mode": {"key": "mode", "levels": ["deploy", "scratch"]},
        "noise": {"key": "device_options.membrane_noise", "levels": [0.0]},
    },
}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    path, rng = tmp_path_factory.mktemp("task") / "own.npz", np.random.default_rng(0)
    x, y = rng.random((90, 4)), np.tile(np.arange(3), 30)
    x[np.arange(90), y] += 1
    np.savez(path, x_train=x[:45] / 2, y_train=y[:45], x_test=x[45:] / 2, y_test=y[45:])
    return f"npz:{path}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(4, 5)) / 2, 30 * np.abs(rng.normal(size=(5, 3)))
    path = tmp_path_factory.mktemp("model") / "theirs.nir"
    nodes = (linear(np.float32(first)), lif(5), linear(np.float32(second)), lif(3))
    return chain(path, *nodes, metadata={"dt": 1e-3, "steps": 30})


def noise(task: str) -> Study:
    return loader.build(NOISE, task=task)


def jobs(study: Study) -> Jobs:
    first = list_units(study, 1)[0]
    return [make_jobs(study, first, cell.settings) for cell in list_cells(study)]


def test_trials_start_from_the_model_as_it_is(task: str, model: Path) -> None:
    study = loader.start_from(noise(task), model)
    source, deploy = next(steps for steps in jobs(study) if len(steps) == 2)
    assert source.keep and not source.train and not deploy.train and deploy.start == source.key
    for step in (source, deploy):
        network = json.loads(step.config)["network"]
        assert network["hidden"] == [5] and network["steps"] == 30
        assert network["settings"] == {"tau_membrane": 0.02}
        assert max(network["full_scale"]) > 20  # of the largest weight
    outcome, weights = evaluate(source)
    assert outcome["device_runs"] == 0
    shapes = {"weights/0": (4, 5), "weights/1": (5, 3), "ways/feedback_1": (3, 5)}
    assert {name: matrix.shape for name, matrix in weights.items()} == shapes
    np.testing.assert_array_equal(weights["ways/feedback_1"], weights["weights/1"].T)
    assert abs(weights["weights/1"]).max() > 20
    plain = hil.evaluate(model, device="emulator:ideal", task=task)
    assert outcome["test_accuracy"] == plain["test_accuracy"]
    assert evaluate(deploy, weights)[0]["test_accuracy"] == plain["test_accuracy"]  # severity 0
    assert check(study).code.keys() == {str(model)}


def test_devices_that_are_compared_read_the_model_each_for_itself(task: str, model: Path) -> None:
    devices = ["emulator:ideal", "emulator:loihi"]  # weights are given and stored otherwise
    sections: dict[str, Any] = {
        **NOISE,
        "factors": {
            "device": {"key": "device", "levels": devices},
            "mode": {"key": "mode", "levels": ["deploy", "fine_tune"]},
        },
    }
    study = loader.start_from(loader.build(sections, task=task), model)
    for number, (job,) in enumerate(jobs(study)):
        assert job.configuration.start == str(model) and job.train == bool(number % 2)
        outcome, _ = evaluate(job)
        assert outcome["shown"] == (41 if job.train else 0)
        if not job.train:
            plain = hil.evaluate(model, device=devices[number // 2], task=task)
            assert outcome["test_accuracy"] == plain["test_accuracy"]
    calibrated = replace(jobs(study)[0][0], calibrate=True)
    assert evaluate(calibrated)[0].keys() > {"test_accuracy"}


def test_so_do_those_of_the_study_of_robustness(task: str, model: Path) -> None:
    built = loader.build(loader.read("robustness"), task=task)
    study = loader.start_from(built, model)
    for steps in jobs(study):
        config = json.loads(steps[-1].config)
        assert config["network"]["hidden"] == [5] and config["start"] == ""
        if len(steps) == 2:
            assert json.loads(steps[0].config)["start"] == str(model) and not steps[0].train


def test_a_run_may_be_it_too(task: str, tmp_path: Path) -> None:
    sections = {"task": task, "device": "emulator:ideal", "network": {"hidden": [6]}}
    run = prepare_run(sections, {"training": {"epochs": 1}}, out=tmp_path / "run")
    training.train(run)
    study = loader.start_from(noise(task), run.path)
    source = next(steps for steps in jobs(study) if len(steps) == 2)[0]
    _, weights = evaluate(source)
    for name, kept in run.weights().items():
        assert weights[name].tobytes() == kept.tobytes()


def test_its_delays_and_what_recurs_come_along(task: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    late = [nir.Delay(np.array([0, 3, 1, 2]) * DT), linear(np.float32(rng.normal(size=(4, 5))))]
    named = {f"n{k}": node for k, node in enumerate([*late, lif(5), linear(np.eye(5, 3)), lif(3)])}
    ends = nir.Input({"input": np.array([4])}), nir.Output({"output": np.array([3])})
    nodes = {"input": ends[0], **named, "output": ends[1]}
    edges = list(pairwise(nodes))
    nodes["back"] = linear(0.3 * np.eye(5))
    edges += [("n2", "back"), ("back", "n2")]
    metadata = {"dt": DT, "steps": 30}
    nir.write(tmp_path / "m.nir", nir.NIRGraph(nodes, edges, metadata=metadata))
    found = jobs(loader.start_from(noise(task), tmp_path / "m.nir"))
    source, deploy = next(steps for steps in found if len(steps) == 2)
    _, weights = evaluate(source)
    assert np.array_equal(weights["delays/0"], np.array([[0, 3, 1, 2]] * 5).T)
    folder = StudyFolder(tmp_path / "study", noise(task))
    (folder.path / "weights").mkdir(parents=True)
    folder.save_weights("key", weights)
    again = folder.load_weights("key")
    assert np.array_equal(again["delays/0"], weights["delays/0"])
    plain = hil.evaluate(tmp_path / "m.nir", device="emulator:ideal", task=task)["test_accuracy"]
    assert evaluate(deploy, again)[0]["test_accuracy"] == plain
    scratch = next(steps for steps in found if len(steps) == 1)[0]
    network = json.loads(scratch.config)["network"]
    assert network["recurrent"] and network["delays"] == 3


def test_synapses_of_one_kernel_stay_alike(task: str, tmp_path: Path) -> None:
    kernel = np.random.default_rng(3).normal(size=(2, 1, 2)).astype(np.float32)
    own = nir.Conv1d(4, kernel, 1, 0, 1, 1, np.zeros(2))
    path = tmp_path / "m.nir"
    named = {
        "input": nir.Input({"input": np.array([1, 4])}),
        "kernel": own,
        "flat": nir.Flatten({"input": np.array([2, 3])}, 0),
        "lif": lif(6),
        "last": linear(np.eye(6, 3)),
        "out": lif(3),
    }
    named["output"] = nir.Output({"output": np.array([3])})
    nir.write(path, nir.NIRGraph(named, list(pairwise(named)), metadata={"dt": DT, "steps": 30}))
    levels = {**NOISE["factors"], "mode": {"key": "mode", "levels": ["fine_tune"]}}
    study = loader.start_from(loader.build({**NOISE, "factors": levels}, task=task), path)
    ((source, tuned),) = jobs(study)
    folder = StudyFolder(tmp_path / "study", study)
    (folder.path / "weights").mkdir(parents=True)
    folder.save_weights("key", evaluate(source)[1])
    _, after = evaluate(replace(tuned, keep=True), folder.load_weights("key"))
    cells = after["cells/0"]
    assert len(np.unique(cells)) == 5  # two by two, and none
    for cell in np.unique(cells):
        assert np.ptp(after["weights/0"][cells == cell]) == 0


def test_a_study_that_starts_from_none_says_so(model: Path) -> None:
    done = CliRunner().invoke(app, ["study", "range", "--from", str(model)])
    assert done.exit_code == 2 and "no trial of the study range starts from another" in done.stderr
