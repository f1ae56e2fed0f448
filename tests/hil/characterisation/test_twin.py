"""The neuron model of a twin, chosen by how well it predicts."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
from device_models import neurons
from drivers import registry
from hil.characterisation import characterise, tabulate, twin
from support.paths import ROOT, THOROUGH

LAYERS = (24, 20, 8)
# Models that are tried where there is not time for all of them.
SOME = ("lif", "adaptive-lif", "lif-exp", "lif-alpha", "loihi")


@pytest.fixture(autouse=True)
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices of others, as entry points would make them known."""
    page = (ROOT / "docs" / "write_a_driver.md").read_text(encoding="utf-8")
    module = types.ModuleType("counter")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], module.__dict__)
    monkeypatch.setitem(sys.modules, "counter", module)
    monkeypatch.setitem(registry.BUILTIN, "counter", "counter:Counter")
    monkeypatch.setitem(registry.BUILTIN, "integer", "support.devices_abroad:IntegerChip")


@pytest.fixture(autouse=True)
def models(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer models than there are, unless all are asked for."""
    if not THOROUGH and request.node.name != "test_every_neuron_model_is_a_candidate":
        monkeypatch.setattr(twin, "MODELS", {name: twin.MODELS[name] for name in SOME})


def made(address: str, folder: Path) -> dict[str, Any]:
    with drivers.open(address) as device:
        return characterise(device, LAYERS, folder / "twin.toml")


def test_every_neuron_model_is_a_candidate() -> None:
    assert set(twin.MODELS) == set(neurons.names())
    for name, parameters in twin.MODELS.items():
        varied = {n for n, p in neurons.get(name).parameters.items() if p.mismatch is not None}
        assert set(parameters) <= varied, name


@pytest.mark.parametrize(
    ("address", "chosen"),
    [
        ("counter:A7", {"lif", "lif-exp"}),
        pytest.param("integer:", {"loihi"}, marks=pytest.mark.thorough),
    ],
)
def test_a_twin_of_a_strangers_device_beats_an_ideal_model_threefold(
    address: str, chosen: set[str], tmp_path: Path
) -> None:
    record = made(address, tmp_path)
    errors = {name: error["output"] for name, error in record["rate_error"].items()}
    assert errors["twin"] < errors["ideal model"] / 3
    assert record["model"]["choice"]["neuron"] in chosen
    tried = record["model"]["errors"]
    assert len(tried) > 3
    assert [*tried.values()] == sorted(tried.values())
    assert tabulate(record)[1][1][0][0] == record["model"]["choice"]["neuron"]
    for layer in record["neurons"]:
        assert layer["threshold_over_gain"]["median"] == pytest.approx(1, abs=0.05)


def test_a_digital_chip_has_itself_for_a_twin(tmp_path: Path) -> None:
    record = made("emulator:loihi", tmp_path)
    assert record["model"]["choice"]["neuron"] == "loihi"
    assert (
        record["rate_error"]["twin"]["output"] < record["rate_error"]["ideal model"]["output"] / 3
    )


def test_a_nominal_neuron_is_left_nominal(tmp_path: Path) -> None:
    record = made("emulator:ideal", tmp_path)
    assert record["model"]["choice"]["neuron"] == "lif"
    assert record["rate_error"]["twin"]["output"] < 0.001
    with np.load(tmp_path / "twin.npz") as arrays:
        assert not [key for key in arrays.files if key.startswith(("layer_0", "cells"))]


@pytest.mark.thorough
def test_a_neuron_that_cannot_go_below_rest_is_measured_upwards(tmp_path: Path) -> None:
    record = made("emulator:dynap-se?chip=3", tmp_path)
    assert (
        record["rate_error"]["twin"]["output"] < record["rate_error"]["ideal model"]["output"] / 2
    )
