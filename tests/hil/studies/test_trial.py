"""A trial: what it measures, and that it is the run of its configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
from hil.config import build
from hil.studies import loader
from hil.studies.plan import Job, list_cells, list_units, make_jobs
from hil.studies.trial import evaluate
from hil.studies.validation import check, leave_out_parts
from support.study_kit import GRID, study


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


def devices(address: str, **repeat: Any) -> list[str]:
    """Address, options and seed of each unit's trial."""
    sections = {**GRID, "parts": {}, "repeat": {"what": "both", "times": 2, **repeat}}
    found = loader.build(sections, device=address)
    configs = [json.loads(make_jobs(found, unit)[0].config) for unit in list_units(found)]
    return [f"{c['device']} {c['device_options']} {c['seed']}" for c in configs]


def test_the_chip_of_a_unit_is_an_option_of_the_address() -> None:
    ideal = "emulator:ideal?adc_bits=6"
    assert devices(ideal) == [f"{ideal} {{'chip': 0}} 0", f"{ideal} {{'chip': 1}} 1"]
    assert devices(f"{ideal}&chip=7") == [f"{ideal} {{'chip': 7}} 0", f"{ideal} {{'chip': 8}} 1"]
    assert devices(ideal, what="chip")[1] == f"{ideal} {{'chip': 1}} 0"
    assert devices(ideal, what="seed")[1] == f"{ideal} {{'chip': 0}} 1"
    board = "board:socket://127.0.0.1:9"
    assert devices(board, what="chip") == [f"{board} {{}} 0", f"{board} {{}} 1"]
    boards = devices("board:simulated://?seed=3", option="seed")
    assert boards == ["board:simulated:// {'seed': 3} 0", "board:simulated:// {'seed': 4} 1"]


def test_a_driver_says_which_option_chooses_the_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    board = "board:socket://127.0.0.1:9"
    monkeypatch.setattr(drivers.driver_of(board), "chip_option", "die")
    assert devices(board, what="chip") == [f"{board} {{'die': 0}} 0", f"{board} {{'die': 1}} 0"]
    assert devices(f"{board}?die=3")[1] == f"{board} {{'die': 4}} 1"


def test_each_repetition_has_chips_of_its_own() -> None:
    sections = {**GRID, "parts": {}, "repeat": {"what": "both", "times": 3, "chips": 4}}
    found = list_units(loader.build(sections, device="emulator:ideal?chip=10"))
    assert [unit.number for unit in found] == [0] * 4 + [1] * 4 + [2] * 4
    assert [unit.seed for unit in found] == [unit.number for unit in found]
    assert [unit.chip for unit in found] == list(range(10, 22))
    with pytest.raises(ValueError, match=r"repeat\.chips = 4: board:socket"):
        list_units(loader.build(sections, device="board:socket://127.0.0.1:9"))


def test_what_measuring_a_chip_takes_of_it_counts_as_the_trials() -> None:
    """A twin is measured, trained on without the chip, and deployed."""
    base = {
        "task": "yinyang",
        "device": "emulator:mixed-signal?chip=3&severity=2",
        "network": {"hidden": [20], "steps": 20},
        "training": {"epochs": 1},
    }
    found = study({**GRID, "base": base, "tune": None, "parts": {}})
    (unit, *_) = list_units(found)
    (job,) = make_jobs(found, unit, {"mode": "twin"})
    (trained,) = make_jobs(found, unit, {"mode": "scratch"})
    twin, own = (evaluate(each)[0] for each in (job, trained))
    assert twin["curve"] == [] and len(own["curve"]) == 1
    assert min(twin["device_runs"], twin["cell_writes_mean"], twin["read_bits"]) > 0
    for outcome in (twin, own):
        assert outcome["chip_seconds"] > 1e-3 * outcome["samples"] > 0
    assert own["chip_seconds"] == pytest.approx(20e-3 * own["samples"])


def test_another_seed_is_not_another_chip_and_need_not_be_another_network() -> None:
    sections = {**GRID, "parts": {}, "repeat": {"what": "seed", "times": 2, "chips": 3}}
    found = study(sections)
    units = list_units(found)
    assert [(u.seed, u.chip) for u in units] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    given: dict[str, Any] = {"mode": "deploy", "pretrain": {"device": "emulator:ideal"}}
    for seed, sources in ({}, 2), ({"seed": 5}, 1):
        pretrain = {**given["pretrain"], **seed}
        jobs = [make_jobs(found, unit, {**given, "pretrain": pretrain}) for unit in units]
        assert len({source.key for source, _ in jobs}) == sources
        assert [job.configuration.seed for _, job in jobs] == [u.seed for u in units]


def test_each_repetition_starts_from_a_fleet_of_its_own() -> None:
    found = loader.build(loader.read("fleet"), budget="small")
    repetitions = list_units(found)
    levels = {level["label"]: level["set"] for level in found.factors["weights"].levels}

    def trained_on(label: str, unit: int) -> tuple[str, str]:
        first, last = make_jobs(found, repetitions[unit * found.repeat.chips], levels[label])
        return tuple(json.loads(each.config)["device"] for each in (first, last))  # type: ignore[return-value]

    assert trained_on("the ideal chip", 2)[0] == "emulator:ideal"
    for unit in (0, 1):
        source, target = trained_on("8 chips", unit)
        members = drivers.registry.list_addresses(source)
        chips = [drivers.registry.split(each)[2]["chip"] for each in members]
        assert chips == [str(8 * unit + n) for n in range(1, 9)]
        assert all("severity=2" in each for each in members) and "fleet" not in target


def test_parts_that_a_board_has_no_options_for_are_left_out() -> None:
    robust = loader.build(loader.read("robustness"), device="board:simulated://?seed=1")
    left, reasons = leave_out_parts(robust)
    assert list(left.parts) == ["sampling"]
    assert "threshold_cv" in reasons["threshold"] and len(reasons) == len(robust.parts) - 1
    check(left)
    emulated = loader.build(loader.read("robustness"))
    assert leave_out_parts(emulated) == (emulated, {})


def test_a_study_of_which_nothing_is_left_is_refused() -> None:
    only = {"parts": {"bits": GRID["parts"]["bits"]}}
    found = loader.build({**GRID, **only}, device="board:simulated://")
    with pytest.raises(ValueError, match="'weight_bits' is unknown"):
        leave_out_parts(found)
