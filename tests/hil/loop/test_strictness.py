"""What the host asks of a device that offers everything, and what it cannot know of any."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
from drivers import Network, Probe, Readout, Stimulus, registry
from drivers.emulator.device import Emulator
from hil import config as configuration
from hil.learning import optimisers
from hil.loop import training
from hil.runs.folder import Run
from support.paths import ROOT

# Stored weights are not those that act, by far.
CHIP = "mixed-signal?programming_noise=0.05&weight_cv=0.4"
OUTPUT = 3
SMALL: dict[str, Any] = {
    "task": "digits",
    "network": {"hidden": [12, 8], "steps": 10},
    "training": {"epochs": 1, "batch": 250},
}
# What each rule may ask of a device that shows spikes and membranes of every layer at every step.
# Its page shows a few of 15 neurons beside, and output spikes.
MEANS = {Probe(layer, reduce="mean") for layer in (1, 2, OUTPUT)}
TRACES = {Probe(layer) for layer in (1, 2, OUTPUT)}
OUTPUT_SPIKES = {Probe(OUTPUT, "spikes")}
PERMITTED = {
    **dict.fromkeys(("adfa", "dfa", "bp", "output_only", "spsa"), MEANS),
    "bptt": TRACES | {Probe(OUTPUT, reduce="mean")},
}


class Watched(Emulator):
    """An emulated chip, which offers everything, and what it was asked for."""

    asked: set[Probe]
    trials: list[int | None]

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        type(self).asked |= set(probes)
        type(self).trials.append(trial)
        return super()._run(stimulus, probes, trial, carry)


class Sealed(drivers.Device):
    """The same chip behind the contract, without anything else that leads to it."""

    def __init__(self, target: str, options: Mapping[str, str]) -> None:
        self._behind = Emulator.from_url(target, options)

    @classmethod
    def from_url(cls, target: str, options: Mapping[str, str]) -> Sealed:
        return cls(target, options)

    @property
    def info(self) -> drivers.DeviceInfo:
        return self._behind.info

    def _configure(self, network: Network) -> None:
        self._behind.configure(network)

    def _write(self, projection: int, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._behind.write_weights(projection, weights)

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        return self._behind.run(stimulus, probes, trial=trial, carry=carry)

    def state(self) -> dict[str, NDArray[np.generic]]:
        return self._behind.state()

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self._behind.restore(state)


@pytest.fixture(autouse=True)
def _plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("plugged_in")
    module.Watched, module.Sealed = Watched, Sealed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for scheme in ("watched", "sealed"):
        monkeypatch.setitem(registry.BUILTIN, scheme, f"plugged_in:{scheme.capitalize()}")
    Watched.asked, Watched.trials = set(), []


def trained(folder: Path, device: str, **sections: Any) -> Run:
    asked = configuration.merge_layers(SMALL, {"device": device}, sections)
    run = Run.create(folder, configuration.build(asked))
    training.train(run)
    return run


def weights(run: Run) -> dict[str, bytes]:
    arrays = run.load_checkpoint()
    assert arrays is not None
    return {name: a.tobytes() for name, a in arrays.items() if name.startswith("weights/")}


@pytest.mark.parametrize("rule", PERMITTED)
def test_nothing_but_what_is_permitted_is_asked_for(tmp_path: Path, rule: str) -> None:
    trained(tmp_path / "run", f"watched:{CHIP}", rule={"name": rule})
    page = {probe for probe in Watched.asked if probe.neurons is not None}
    assert all(len(p.neurons or ()) <= 15 and p.quantity == "membrane" for p in page)
    assert Watched.asked - page - OUTPUT_SPIKES == PERMITTED[rule]


@pytest.mark.parametrize("rule", ["adfa", "dfa"])
def test_learning_in_time_asks_for_membranes_and_output_spikes_alone(
    tmp_path: Path, rule: str
) -> None:
    asked = {"rule": {"name": rule, "clock": "trace"}, "network": {"recurrent": True}}
    trained(tmp_path / "run", f"watched:{CHIP}", **asked)
    page = {probe for probe in Watched.asked if probe.neurons is not None}
    assert Watched.asked - page - OUTPUT_SPIKES == PERMITTED["bptt"]


def test_hidden_spikes_are_asked_for_where_they_are_meant_to_be(tmp_path: Path) -> None:
    """What the test above would see."""
    trained(tmp_path / "run", f"watched:{CHIP}", observe="spikes")
    assert {p.layer for p in Watched.asked if p.quantity == "spikes"} == {1, 2, OUTPUT}


@pytest.mark.parametrize("rule", ["adfa", "bp", "bptt", "spsa"])
def test_a_chip_that_cannot_be_looked_into_is_taught_the_same(tmp_path: Path, rule: str) -> None:
    """Bit for bit, so that nothing is known of what acts in place of the stored weights."""
    runs = [
        trained(tmp_path / scheme, f"{scheme}:{CHIP}", rule={"name": rule})
        for scheme in ("emulator", "sealed")
    ]
    assert weights(runs[0]) == weights(runs[1]) != {}


def test_no_run_has_the_trial_number_of_another(tmp_path: Path) -> None:
    """Neither of learning, nor of validation, perturbation or the test."""
    trained(tmp_path / "run", f"watched:{CHIP}", rule={"name": "spsa"})
    assert None not in Watched.trials
    assert len(set(Watched.trials)) == len(Watched.trials) > 20


def test_the_schedule_begins_with_the_first_step_and_ends_with_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, factor = list[float](), optimisers.factor

    def watched(schedule: optimisers.Schedule, progress: float, warmup: float = 0.0) -> float:
        seen.append(progress)
        return factor(schedule, progress, warmup)

    monkeypatch.setattr(optimisers, "factor", watched)
    run = trained(tmp_path / "run", f"watched:{CHIP}", rule={"name": "output_only"})
    steps = len(seen)
    arrays = run.load_checkpoint()
    assert arrays is not None and steps == int(arrays["optimiser/step"]) > 4
    assert seen == [step / steps for step in range(steps)]


def test_the_truth_about_a_chip_is_not_even_loaded(tmp_path: Path) -> None:
    """Not by way of `drivers` either, and not by a name that is made up while it runs."""
    code = (
        "import sys, hil\n"
        "small = {'network': {'hidden': [5]}, 'training': {'epochs': 1, 'batch': 500}}\n"
        "hil.train('digits', out='run', **small)\n"
        "print([name for name in sys.modules if name.startswith('drivers.emulator')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    loaded = done.stdout.splitlines()[-1]
    assert "drivers.emulator.device" in loaded, done.stderr
    assert "datasheet" not in loaded and "chip_instance" not in loaded


def test_the_host_does_not_name_the_emulator_package() -> None:
    """`drivers.emulator` is an attribute of `drivers`, which no import contract sees."""
    named = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "hil").rglob("*.py")
        if re.search(r"drivers\W{1,3}emulator|device_models", path.read_text(encoding="utf-8"))
    }
    assert named == {"hil/reports/chip_page.py"}
