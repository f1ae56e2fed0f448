"""What a device states about itself is checked when it is opened, and says which field is wrong."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from typing import Any

import pytest

import drivers
from drivers import (
    CONTRACT,
    ContractMismatch,
    Device,
    Identity,
    Membrane,
    ProbeOffer,
    ReadoutError,
    Setting,
    WeightFormat,
    registry,
)
from drivers.contract.statements import contradictions
from support.good_device import INFO, Good
from support.restated import restated


def plug_in(monkeypatch: pytest.MonkeyPatch, found: type[Device]) -> str:
    """The address of a driver class."""
    module = types.ModuleType("driver_of_a_stranger")
    module.Found = found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(registry.BUILTIN, "strange", f"{module.__name__}:Found")
    return "strange:"


def refusal(monkeypatch: pytest.MonkeyPatch, info: Any, error: type[Exception]) -> str:
    """What is said to who opens a device that states this."""
    found = type("Strange", (Good,), {"info": property(info)})
    with pytest.raises(error) as caught:
        drivers.open(plug_in(monkeypatch, found))
    told = str(caught.value)
    assert "\n" not in told and "docs/write_a_driver.md" in told
    return told


@pytest.mark.parametrize("number", [1, 2, "3", None])
def test_another_contract_is_refused(monkeypatch: pytest.MonkeyPatch, number: Any) -> None:
    told = refusal(monkeypatch, lambda _: replace(INFO, contract=number), ContractMismatch)
    assert f"Strange.info states contract={number!r}" in told and f"contract {CONTRACT}" in told


@pytest.mark.parametrize(
    "info",
    [
        lambda _: drivers.DeviceInfo(identity=INFO.identity, max_layers=3, dt=1e-3),  # type: ignore[call-arg]
        lambda _: drivers.DeviceInfo(INFO.identity, 3, 64),  # type: ignore[call-arg, misc, arg-type]
        lambda _: drivers.DeviceInfo(identity=INFO.identity),  # type: ignore[call-arg]
        lambda _: replace(INFO, max_batch=3),  # type: ignore[call-arg]
    ],
)
def test_facts_of_the_first_contract_end_in_a_line_that_names_this_one(
    monkeypatch: pytest.MonkeyPatch, info: Any
) -> None:
    told = refusal(monkeypatch, info, ContractMismatch)
    assert "DeviceInfo" in told and f"contract {CONTRACT}" in told


def test_a_driver_that_imports_what_is_gone_is_told_of_the_contract(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first_contract.py").write_text("from drivers import DeviceInfo, EventTiming\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.BUILTIN, "old", "first_contract:Old")
    with pytest.raises(ContractMismatch) as caught:
        drivers.open("old:")
    told = str(caught.value)
    assert "'EventTiming'" in told and f"contract {CONTRACT}" in told and "\n" not in told


def test_what_is_no_info_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gave dict: give a DeviceInfo" in refusal(monkeypatch, lambda _: {}, ReadoutError)
    mistyped = restated(INFO, dt="1 ms")
    found = type("Strange", (Good,), {"info": property(lambda _: mistyped)})
    with pytest.raises(ReadoutError, match=r"timing\.dt '1 ms': should be a valid number"):
        drivers.open(plug_in(monkeypatch, found))


THRESHOLD = INFO.neuron.settings[0]
TAU = Setting("tau", "s", 1e-3, 1.0, 0.01, "Time constant.", role="time_constant")
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"inputs": 0}, "capacity.inputs 0"),
    ({"batch": 2.5}, "capacity.batch 2.5"),
    ({"fan_in": 0}, "capacity.fan_in 0"),
    ({"delay": -1}, "capacity.delay -1"),
    ({"synapse_delays": True}, "capacity.synapse_delays"),
    ({"dt": 0.0}, "timing.dt 0.0"),
    ({"dt": float("nan")}, "timing.dt nan"),
    ({"input": "at_once"}, "timing.input 'at_once'"),
    ({"reset": "none"}, "neuron.reset 'none'"),
    ({"decay": 0.0}, "neuron.decay 0.0"),
    ({"decay": 1.1}, "neuron.decay 1.1"),
    ({"spikes_per_step": 256}, "neuron.spikes_per_step 256"),
    ({"spikes_per_step": True}, "neuron.spikes_per_step True"),
    ({"refractory": -1}, "neuron.refractory -1"),
    ({"membrane": Membrane("mV", 1.0, 1.0)}, "neuron.membrane"),
    ({"settings": (THRESHOLD, replace(THRESHOLD, role=""))}, "two of the name 'threshold'"),
    ({"settings": (TAU, replace(TAU, name="other"))}, "two of the role 'time_constant'"),
    ({"settings": (replace(THRESHOLD, role="threshold", unit="V"),)}, "membrane's unit, 'mV'"),
    ({"settings": (replace(TAU, unit="ms"),)}, "role time_constant in 'ms'"),
    ({"settings": (replace(TAU, role="refractory", unit="ms"),)}, "role refractory in 'ms'"),
    ({"settings": (replace(TAU, role="leak"),)}, "settings.0.role 'leak'"),
    ({"settings": (replace(TAU, default=2.0),)}, "'tau' of default 2"),
    ({"weights": ()}, "weights ()"),
    ({"weights": (WeightFormat(2.0, 1.0),)}, "full scales from 2 to 1"),
    ({"weights": (WeightFormat(1.0, 2.0, 1),)}, "weights.0.levels 1"),
    ({"stimuli": ()}, "offers.stimuli ()"),
    ({"stimuli": ("current", "spike")}, "offers.stimuli.1 'spike'"),
    ({"probes": (ProbeOffer("membranes"),)}, "offers.probes.0.quantity 'membranes'"),  # type: ignore[arg-type]
    ({"probes": (ProbeOffer("spikes", every=2),)}, "probe of spikes every 2"),
    ({"probes": (ProbeOffer("membrane", reductions=()),)}, "reductions ()"),
    ({"probes": (ProbeOffer("membrane", neurons=0),)}, "probes.0.neurons 0"),
    # What no field of that kind holds, and what no machine counts.
    ({"identity": Identity(b"chip")}, "identity.name b'chip'"),  # type: ignore[arg-type]
    ({"identity": Identity("chip", "a\nb")}, "identity.serial 'a\\nb'"),
    ({"abilities": None}, "abilities None"),
    ({"runs_on": 1}, "abilities.runs_on 1: should be a valid boolean"),
    ({"refractory": 10**40}, "neuron.refractory 1000"),
    ({"weights": (WeightFormat(1.0, 2.0, 10**40),)}, "weights.0.levels 1000"),
    ({"weights": (WeightFormat(1.0, 1e39),)}, "weights.0.maximum_full_scale 1e+39"),
    ({"membrane": Membrane("mV", 1e308, 1.0)}, "neuron.membrane"),
]


@pytest.mark.parametrize(("facts", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_what_cannot_be_is_named_with_its_field(
    facts: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert contradictions(INFO) == []
    (wrong,) = contradictions(restated(INFO, **facts))
    assert words in wrong
    assert wrong in refusal(monkeypatch, lambda _: restated(INFO, **facts), ReadoutError)
