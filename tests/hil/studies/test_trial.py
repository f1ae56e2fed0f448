"""A trial: what it measures, and that it is the run of its configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import build
from hil.studies import loader
from hil.studies.plan import Job, list_cells, list_units, make_jobs
from hil.studies.trial import evaluate


def jobs(place: Path) -> list[Any]:
    found = loader.build(loader.read(place / "study.toml"), budget="small")
    return [
        step
        for cell in list_cells(found)
        for step in make_jobs(found, list_units(found)[0], cell.settings)
    ]


def test_a_trial_is_the_run_of_the_same_configuration(place: Path, tmp_path: Path) -> None:
    """Accuracy of a trial against that of `hil train` with its configuration."""
    from hil.loop.training import train
    from hil.runs.folder import Run

    (first, *_) = jobs(place)
    outcome, weights = evaluate(first)
    run = Run.create(tmp_path / "run", build(json.loads(first.config)))
    result = train(run)
    assert outcome["test_accuracy"] == result["test_accuracy"]
    assert outcome["validation_accuracy"] == result["validation_accuracy"]
    assert outcome["curve"] == [row["validation_accuracy"] for row in run.metrics()]
    for name, kept in run.weights().items():
        np.testing.assert_array_equal(weights[name], kept)
    batches, validation = -(-60 // 20), -(-20 // 20)
    hidden = len(run.config().network.hidden)  # each is measured once before the first step
    assert outcome["device_runs"] == hidden + 2 * (batches + validation)
    assert outcome["samples"] == hidden * 20 + 2 * (60 + 20)
    paid = result["costs"]
    assert outcome["synaptic_events"] == paid["inference"]["synaptic_events"] > 0
    assert outcome["inference_bytes"] == paid["inference"]["line_bytes"] == 0
    assert outcome["training_spikes"] == paid["training"]["spikes"]
    assert outcome["training_events"] == paid["training"]["synaptic_events"]
    for name in ("footprint", "connection_sparsity", "activation_sparsity"):
        assert outcome[name] == paid["network"][name]
    spent = [row["costs"]["read_bits"] for row in run.metrics()]
    assert [epoch["read_bits"] for epoch in outcome["paid"]] == spent == sorted(spent)
    assert spent[-1] == paid["training"]["read_bits"] > 0
    for name in ("write_calls", "cell_writes_mean", "cell_writes_max"):
        assert outcome[name] == paid["training"][name] > 0


def test_a_deployed_network_is_not_trained(place: Path) -> None:
    source, deploy, *_ = jobs(place)
    assert source.keep and not deploy.train and deploy.start == source.key
    _, weights = evaluate(source)
    outcome, kept = evaluate(deploy, weights)
    assert kept == {} and outcome["device_runs"] == 0 and outcome["curve"] == []
    assert outcome["write_calls"] == len(weights) and outcome["cell_writes_max"] == 1
    assert outcome["training_spikes"] == 0 and outcome["synaptic_events"] is None
    assert 0 <= outcome["test_accuracy"] <= 1 and 0 <= outcome["validation_accuracy"] <= 1


def test_a_trial_in_a_thread_of_a_fresh_process() -> None:
    """As on a worker of Dask, whose tasks are not in the main thread."""
    code = """
import json, threading
from hil.config import build
from hil.studies.plan import Job
from hil.studies.trial import evaluate
found = []
text = json.dumps(build({"training": {"epochs": 1}, "network": {"hidden": [5]}}).model_dump())
thread = threading.Thread(target=lambda: found.append(evaluate(Job(text))))
thread.start(); thread.join()
print(found[0][0]["test_accuracy"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and 0 <= float(done.stdout) <= 1, done.stderr


def training(rule: dict[str, Any]) -> Job:
    config = build({"rule": rule, "training": {"epochs": 1}, "network": {"hidden": [5]}})
    return Job(json.dumps(config.model_dump(mode="json")))


@pytest.mark.parametrize(
    ("rule", "low", "high"),
    [
        ({"name": "bp"}, 1.0, 1.0),  # its gate is the slope of the nominal neuron
        ({"name": "dfa", "shift": 2.0}, 0.1, 0.95),
        ({"name": "adfa", "g": "constant"}, 0.1, 0.95),
    ],
)
def test_the_overlap_is_that_of_the_rules_gate(
    rule: dict[str, Any], low: float, high: float
) -> None:
    outcome = evaluate(training(rule))[0]
    assert low - 1e-9 <= outcome["overlap"] <= high + 1e-9


@pytest.mark.parametrize("name", ["spsa", "bptt", "output_only"])
def test_a_rule_without_a_gate_has_no_overlap(name: str) -> None:
    assert evaluate(training({"name": name}))[0]["overlap"] is None


def test_training_with_some_of_the_samples_costs_no_more(place: Path) -> None:
    found = loader.build(loader.read(place / "study.toml"), budget="small")
    cell, unit = list_cells(found)[0], list_units(found)[0]
    some, every = (
        evaluate(make_jobs(found, unit, {**cell.settings, **more})[-1])[0]
        for more in ({"mode": "scratch", "samples": 15}, {"mode": "scratch"})
    )
    steps, of_all, validation, hidden = 2 * 15, 2 * 60, 2 * 20, 20
    assert every["samples"] == hidden + of_all + validation
    assert some["samples"] in (hidden + steps + validation, 15 + steps + validation)
