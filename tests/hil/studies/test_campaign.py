"""Campaigns of single faults in a study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hil import config as configuration
from hil.sections import get
from hil.sections.trials import Cell, Level, Row, Trials, Unit
from hil.studies.loader import build
from hil.studies.plan import Job
from hil.studies.trial import evaluate
from hil.studies.validation import check

SETTINGS = {
    "task": "digits",
    "device": "emulator:mixed-signal?membrane_noise=0.1",
    "network": {"hidden": [12], "steps": 8},
    "training": {"epochs": 1},
}


def job(campaign: dict[str, object], device: str = SETTINGS["device"]) -> Job:
    config = configuration.build({**SETTINGS, "device": device}).model_dump(mode="json")
    given = json.dumps(campaign) if campaign else ""
    return Job(json.dumps(config), train=not campaign, keep=not campaign, campaign=given)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return dict(evaluate(job({}))[1])


def test_each_fault_costs_what_it_does_to_a_network_that_is_deployed_with_it(
    weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    outcome, _ = evaluate(job({"kind": "dead_neuron"}), weights)
    records = {(int(place), int(n)): accuracy for place, n, _, accuracy in outcome["faults"]}
    assert records.keys() == {(1, n) for n in range(12)} | {(2, n) for n in range(10)}
    file = tmp_path / "fault.toml"
    for place, n in ((1, 3), (2, 4)):
        file.write_text(f'[[fault]]\nkind = "dead_neuron"\nplace = {place}\nwhere = [{n}]\n')
        address = f"{SETTINGS['device']}&faults={file}"
        none = json.dumps({"kind": "dead_neuron", "most": 1})
        deployed = Job(job({}, address).config, train=False, campaign=none)
        assert evaluate(deployed, weights)[0]["test_accuracy"] == records[place, n]
    assert len(set(records.values())) > 3


def test_bits_are_flipped_one_by_one_and_no_more_synapses_than_asked_for(
    weights: dict[str, np.ndarray],
) -> None:
    outcome, _ = evaluate(job({"kind": "flipped_bit", "most": 4}), weights)
    places = {(int(place), int(bit)) for place, _, bit, _ in outcome["faults"]}
    assert places == {(place, bit) for place in (0, 1) for bit in range(6)}
    assert len(outcome["faults"]) == 2 * 4 * 6


@pytest.mark.parametrize(
    ("kind", "value"), [("stuck_neuron", 3.0), ("threshold_off", 0.0), ("stuck_synapse", -1.5)]
)
def test_a_value_that_a_kind_cannot_have_is_refused_before_any_trial(
    kind: str, value: float
) -> None:
    settings = {"mode": "campaign", "campaign": {"kind": kind, "value": value}}
    factor = {"levels": [{"label": "it", "set": settings}]}
    study = build({"version": 1, "name": "mine", "factors": {"fault": factor}})
    with pytest.raises(ValueError, match=kind):
        check(study)


def test_a_kind_that_the_device_has_not_is_an_outcome_with_its_error(
    weights: dict[str, np.ndarray],
) -> None:
    outcome, _ = evaluate(job({"kind": "flipped_bit"}, "emulator:ideal"), weights)
    assert "flipped_bit" in outcome["error"]


def test_the_page_counts_critical_faults_by_place() -> None:
    records = [[1, n, 0, 0.9 - 0.02 * (n < 3)] for n in range(20)] + [[2, 0, 0, 0.4]]
    level = Level("dead", display="dead")
    cell = Cell("", {"fault": level}, {"campaign": {"kind": "dead_neuron"}})
    row = Row(0, cell, Unit(0, 0, 0), {"test_accuracy": 0.9, "faults": records})
    kind = get("faults")
    section = kind.build(kind.settings(factor="fault"), Trials([row], ("fault",)))
    assert section is not None
    assert [each[1:5] for each in section.data["faults"]] == [[1, 0, 20, 3], [2, 0, 1, 1]]
    assert [cells[1] for cells in section.tables[0].rows] == ["layer 1", "layer 2"]
    assert len(section.plots) == 2 and all(plot.draw() for plot in section.plots)
