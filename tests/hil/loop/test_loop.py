"""The loop from outside: what it reads, what it learns, and on which devices."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
from drivers import Network, Probe, ProbeOffer, Stimulus, registry
from drivers.emulator.device import Emulator
from hil import config as configuration
from hil.loop import training
from hil.loop.controller import Controller
from hil.runs.folder import Run
from hil.tasks.samples import SampleSpec
from support.paths import ROOT
from support.restated import restated

LONGER: dict[str, Any] = {"training": {"epochs": 20}}
SMALL: dict[str, Any] = {
    "task": "digits",
    "network": {"hidden": [60]},
    "training": {"epochs": 8, "batch": 50},
}


def trained(folder: Path, **sections: Any) -> tuple[Run, dict[str, Any]]:
    run = Run.create(folder, configuration.build(configuration.merge_layers(SMALL, sections)))
    return run, training.train(run)


def plug_in(monkeypatch: pytest.MonkeyPatch, scheme: str, found: type[drivers.Device]) -> None:
    """Make a driver class known under a scheme, as an entry point would."""
    module = types.ModuleType(f"plugged_{scheme}")
    module.Found = found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(registry.BUILTIN, scheme, f"{module.__name__}:Found")


class Private(Emulator):
    """A chip that shows hidden membranes and output spikes, and nothing else."""

    asked: list[Probe]

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(
            super().info,
            probes=(ProbeOffer("spikes", "output"), ProbeOffer("membrane", "any")),
        )

    def _run(self, stimulus, probes, trial, carry):  # type: ignore[no-untyped-def]
        type(self).asked.extend(probes)
        return super()._run(stimulus, probes, trial, carry)


class Averaging(Emulator):
    """A chip that shows only the mean membrane of hidden layers."""

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(
            super().info, probes=(ProbeOffer("membrane", "hidden", reductions=("mean",)),)
        )


class Sparse(Emulator):
    """A chip whose converter takes a sample every third step, one after the other."""

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(
            super().info, probes=(ProbeOffer("membrane", "any", reductions=("none",), every=3),)
        )


class Streaming(Emulator):
    """A chip that streams every spike as a raster and shows no membrane."""

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(super().info, probes=(ProbeOffer("spikes", "any", reductions=("none",)),))


class Forgetful(Emulator):
    """A chip that cannot give its state and takes small batches."""

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(super().info, resumable=False, batch=50)


def test_strict_observation_never_asks_for_hidden_spikes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Private.asked = []
    plug_in(monkeypatch, "private", Private)
    _, result = trained(tmp_path / "run", device="private:mixed-signal")
    assert result["test_accuracy"] > 0.75
    assert Private.asked
    for probe in Private.asked:
        assert (probe.quantity, probe.layer) in {("membrane", 1), ("membrane", 2), ("spikes", 2)}


def test_observing_spikes_is_refused_by_a_device_that_hides_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Private.asked = []
    plug_in(monkeypatch, "private", Private)
    with pytest.raises(drivers.UnsupportedProbe, match="does not show the spikes of hidden"):
        trained(tmp_path / "run", device="private:ideal", observe="spikes")


@pytest.mark.parametrize(("found", "estimator"), [(Averaging, "fused"), (Sparse, "crossings")])
def test_the_estimator_follows_what_the_device_can_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: type[Emulator], estimator: str
) -> None:
    plug_in(monkeypatch, "other", found)
    _, result = trained(tmp_path / "run", device="other:mixed-signal")
    assert result["estimator"] == estimator
    assert result["test_accuracy"] > 0.75


@pytest.mark.parametrize("observe", ["membrane", "spikes"])
def test_a_device_without_membranes_is_taught_by_its_drive_or_its_spikes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, observe: str
) -> None:
    plug_in(monkeypatch, "streaming", Streaming)
    _, result = trained(tmp_path / "run", device="streaming:mixed-signal", observe=observe)
    assert result["test_accuracy"] > 0.75


@pytest.mark.parametrize("observe", ["membrane", "spikes"])
@pytest.mark.parametrize("rule", ["adfa", "dfa", "bp", "bptt", "output_only"])
def test_every_rule_learns_from_either_observation(tmp_path: Path, rule: str, observe: str) -> None:
    _, result = trained(
        tmp_path / "run",
        device="emulator:mixed-signal?chip=3",
        rule={"name": rule},
        observe=observe,
    )
    assert result["test_accuracy"] > 0.7


@pytest.mark.parametrize(
    "sections",
    [
        {"encoding": {"name": "poisson"}},
        {"encoding": {"name": "latency"}, "network": {"initial_scale": 4.0}, **LONGER},
        {"encoding": {"name": "poisson"}, "rule": {"name": "bptt"}},
        {"readout": {"source": "membrane"}},
        {"readout": {"source": "both"}},
        {"readout": {"loss": "mse"}},
        {"optimiser": {"name": "sgd", "learning_rate": 0.05, "weight_decay": 0.0}},
        {"network": {"hidden": [60, 60]}},
        {"network": {"hidden": []}},
        {"device": "emulator:ideal?reset=hard"},
        {"device": "emulator:mixed-signal?neuron=adaptive-lif"},
        {"network": {"settings": {"threshold": 2.0}}},
        {"augmentation": {"shift": 0.5}},
    ],
    ids=str,
)
def test_it_learns_with_other_settings(tmp_path: Path, sections: dict[str, Any]) -> None:
    _, result = trained(tmp_path / "run", **sections)
    assert result["test_accuracy"] > 0.5


def test_hidden_learning_beats_the_frozen_floor(tmp_path: Path) -> None:
    deep = {"network": {"hidden": [40, 40]}, "training": {"epochs": 15}}
    _, learned = trained(tmp_path / "a", **deep)
    _, frozen = trained(tmp_path / "b", rule={"name": "output_only"}, **deep)
    assert learned["test_accuracy"] > frozen["test_accuracy"] + 0.03


def test_epochs_of_a_few_batches_see_other_samples_each(tmp_path: Path) -> None:
    few = {"network": {"hidden": [10], "steps": 5}, "device": "emulator:ideal"}
    run, result = trained(tmp_path / "few", training={"epochs": 2, "batches": 3}, **few)
    assert [row["step"] for row in run.metrics()] == [3, 6] and result["epochs"] == 2
    moved = [run.weights()[name] for name in ("weights/0", "weights/1")]
    whole, _ = trained(tmp_path / "whole", training={"epochs": 1, "batches": 6}, **few)
    assert not np.array_equal(moved[0], whole.weights()["weights/0"])
    many, _ = trained(tmp_path / "many", training={"epochs": 1, "batches": 10**6}, **few)
    full, _ = trained(tmp_path / "full", training={"epochs": 1}, **few)
    assert np.array_equal(many.weights()["weights/0"], full.weights()["weights/0"])


def test_a_run_goes_on_with_a_device_that_cannot_give_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(monkeypatch, "forgetful", Forgetful)
    run, result = trained(tmp_path / "run", device="forgetful:ideal")
    (run.path / "result.json").unlink()
    again = training.train(run)
    assert again["test_accuracy"] == result["test_accuracy"]


def test_a_batch_larger_than_the_device_is_run_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(monkeypatch, "forgetful", Forgetful)
    _, result = trained(tmp_path / "run", device="forgetful:ideal", training={"batch": 51})
    assert result["test_accuracy"] > 0.7


def test_the_state_of_a_chip_survives_a_round_trip() -> None:
    url = "emulator:mixed-signal?programming_noise=0.1"
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.5, shape) for shape in ((5, 8), (8, 3))]
    stimulus = Stimulus.current(rng.random((4, 5)), steps=20)
    with drivers.open(url) as first, drivers.open(url) as second:
        for device in (first, second):
            device.configure(Network.feed_forward((5, 8, 3), (1.0, 1.0)))
        for p, w in enumerate(weights):
            first.write_weights(p, w)
            first.write_weights(p, w + 0.1)
        second.restore(first.state())
        runs = [d.run(stimulus, [Probe(1), Probe(2)], trial=9) for d in (first, second)]
        for probe in (Probe(1), Probe(2)):
            np.testing.assert_array_equal(runs[0].samples[probe], runs[1].samples[probe])
        for device in (first, second):
            device.write_weights(0, weights[0])
        runs = [d.run(stimulus, [Probe(1)], trial=9) for d in (first, second)]
        np.testing.assert_array_equal(runs[0].samples[Probe(1)], runs[1].samples[Probe(1)])


def test_an_installed_package_brings_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package with an entry point is found as the docs say, and a broken one is named."""
    page = (ROOT / "docs" / "write_a_driver.md").read_text()
    (tmp_path / "counter_chip.py").write_text(re.findall(r"```python\n(.*?)```", page, re.S)[0])
    facts = tmp_path / "counter_chip-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: counter-chip\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[hil.drivers]\ncounter = counter_chip:Counter\nbroken = counter_chip:Missing\n"
        "other = pathlib:Path\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "counter" in drivers.schemes()
    with drivers.open("counter:A7") as device:
        assert device.info.identity.serial == "A7"
    with pytest.raises(drivers.DeviceNotFound, match="cannot be loaded"):
        drivers.open("broken:1")
    with pytest.raises(drivers.DeviceNotFound, match="no Device class"):
        drivers.open("other:1")


def test_the_driver_in_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "write_a_driver.md").read_text()
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    module = types.ModuleType("counter")
    exec(compile(code, "write_a_driver.md", "exec"), module.__dict__)
    plug_in(monkeypatch, "counter", module.Counter)
    _, result = trained(tmp_path / "run", device="counter:A7")
    assert result["estimator"] == "fused"
    assert result["test_accuracy"] > 0.75
    with pytest.raises(drivers.SettingError, match="takes no options"):
        drivers.open("counter:A7?speed=2")
    with drivers.open("counter:A7") as device:
        device.configure(Network.feed_forward((4, 3, 2)))
        stimulus = Stimulus.current(np.ones((2, 4)), steps=10)
        assert device.run(stimulus).counts.sum() == 0
        with pytest.raises(drivers.UnsupportedProbe, match="offers mean"):
            device.run(stimulus, [Probe(1)])


def test_evaluation_reads_output_only() -> None:
    """A deployed network needs no look inside at all."""
    built = configuration.build(SMALL)
    Private.asked = []
    chip = Private.from_url("ideal", {})
    controller = Controller.open(built, chip, SampleSpec(64, 10))
    controller.write()
    controller.predict(np.zeros((3, 64), np.float32), "test", 0)
    assert {probe.layer for probe in Private.asked} == {2}
