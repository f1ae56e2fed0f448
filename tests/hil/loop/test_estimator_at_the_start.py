"""Rate estimators are held against the output before the first step of learning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
import hil
from drivers import DeviceInfo, Offers, ProbeOffer, Readout, UnsupportedProbe, registry
from hil import config, tasks
from hil.loop import epochs, training
from hil.loop.controller import Controller
from hil.loop.initialisation import adjust_initial_response
from hil.loop.progress import TrainingProgress
from hil.loop.train_state import TrainState
from hil.runs.folder import Run
from support.matrix_device import MatrixDevice, address

# Every sample after the reset: `reconstruction` comes first, and the same probes serve the mean.
CELL = {"reset": "soft", "sampled": "after_reset", "reduction": "none", "kind": "current"}
DATA = tasks.load("digits", 0, 0.1)


class Noisy(MatrixDevice):
    """Samples too noisy to tell spikes from, but not their mean."""

    runs = 0

    def _run(self, stimulus: Any, probes: Any, trial: Any, carry: bool) -> Readout:
        self.runs += 1
        readout = super()._run(stimulus, probes, trial, carry)
        rng = np.random.default_rng(trial)
        for samples in readout.samples.values():
            samples += (0.7 * rng.standard_normal(samples.shape)).astype(np.float32)
        return readout


def made(**sections: Any) -> config.Config:
    given = {"device": "matrix:" + address(CELL).partition(":")[2], "network": {"hidden": [30]}}
    return config.build(given, sections)


def chosen(device: drivers.Device, drawn: bool = True, **sections: Any) -> tuple[list[str], str]:
    built = made(**sections)
    with device:
        controller = Controller.open(built, device, DATA.spec)
        assert controller.observer.estimator.name == "reconstruction"
        controller.write()
        state = TrainState.first(controller.layers)
        choices = adjust_initial_response(controller, DATA, state, drawn=drawn)
        assert len({choice.setting for choice in choices}) == len(choices)
    return [str(choice) for choice in choices], state.estimator


@pytest.mark.parametrize("drawn", [True, False])
def test_one_that_fits_better_is_taken_before_the_first_step(drawn: bool) -> None:
    device = Noisy(CELL)
    said, estimator = chosen(device, drawn)
    assert device.runs == 1  # that of the initial response, or one of its own
    assert estimator == "fused"
    assert said[0].startswith("estimator of hidden rates = fused: at the output")


def test_the_first_one_stays_where_it_fits_or_the_output_hardly_fires() -> None:
    assert chosen(MatrixDevice(CELL)) == ([], "")
    assert chosen(Noisy(CELL), drawn=False, network={"initial_scale": 0.7}) == ([], "")


def test_a_run_begins_with_it_says_so_and_is_resumed_as_if_never_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(registry.BUILTIN, "matrix", f"{__name__}:Noisy")
    built = made(training={"epochs": 1})
    whole, halved = (Run.create(tmp_path / name, built) for name in ("whole", "halved"))
    training.train(whole)
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)

    def stopping(now: TrainingProgress) -> None:
        if now.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(halved, stopping)
    training.train(halved)
    for run in (whole, halved):
        assert run.metrics()[0]["estimator"] == "fused"
        names = {choice["setting"] for choice in run.environment()["chosen"]}
        assert names == {"estimator of hidden rates"}
    assert np.array_equal(*(run.weights()["weights/0"] for run in (whole, halved)))


ADDRESS = "unseen:?reset=soft&sampled=before_reset&reduction=mean&kind=current&arrival=same_step"


class Unseen(MatrixDevice):
    """A device without a converter: only the spikes of its output leave it."""

    @property
    def info(self) -> DeviceInfo:
        """What it is, without membranes."""
        info, shown = super().info, (ProbeOffer("spikes", "output"),)
        return replace(info, offers=Offers(stimuli=info.offers.stimuli, probes=shown))


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(registry.BUILTIN, "unseen", f"{__name__}:Unseen")
    return ADDRESS


def test_hidden_layers_learn_by_what_the_nominal_neuron_would_do(
    unseen: str, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"network": {"hidden": [60, 60]}, "training": {"epochs": 10}}
    run = hil.train("digits", device=unseen, out=tmp_path / "run", **asked)
    frozen = hil.train("digits", device=unseen, rule="output_only", out=tmp_path / "o", **asked)
    assert run.test_accuracy > 0.9
    assert run.test_accuracy > frozen.test_accuracy + 0.05
    # The output, whose spikes are counted, says how good such estimates are.
    fits = [row["estimator_fit"]["drive"] for row in Run.open(run.path).metrics()]
    assert min(fits) > 0.9


@pytest.mark.parametrize(
    "rule, remedy",
    [
        ({"name": "bptt"}, "hidden layer 1 nowhere: use --rule adfa or"),
        ({"name": "adfa", "clock": "trace"}, "hidden layer 1 nowhere: use rule.clock=mean"),
    ],
)
def test_a_rule_that_needs_membranes_is_refused_with_what_would_do(
    unseen: str, rule: dict[str, str], remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedProbe, match=remedy):
        hil.train("digits", device=unseen, rule=rule, out=tmp_path / "run")
