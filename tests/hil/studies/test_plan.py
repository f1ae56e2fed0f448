"""From a study to its trials: which chip each one has, and which parts a device takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

import drivers
from hil.studies import loader
from hil.studies.plan import list_units, make_jobs
from hil.studies.validation import check, leave_out_parts
from support.study_kit import GRID, study


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
        source, _ = trained_on("256 chips in turn, batches of 10", unit)
        assert source.startswith("fleet:at_once=1,emulator:mixed-signal?")


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
