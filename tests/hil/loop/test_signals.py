"""Signals in the loop: how long a run lasts, what a device is shown, and what it learns."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hil
from drivers import (
    CapacityError,
    Probe,
    ProbeOffer,
    Readout,
    Setting,
    SettingError,
    Stimulus,
    StimulusError,
    registry,
)
from drivers.emulator.device import Emulator
from hil import config, tasks
from hil import config as configuration
from hil.loop import epochs, mapping, training
from hil.loop.defaults import find_open_settings, resolve_defaults
from hil.runs.folder import Run
from hil.tasks.samples import Signals
from hil.tasks.task import Data
from support.good_device import INFO
from support.restated import restated

ANY = restated(INFO, neurons=1000, inputs=1000, batch=100, steps=1000)
LENGTHS = np.array([6, 4, 1])


def data(channels: int = 2) -> Data:
    rng, most = np.random.default_rng(0), 6
    values = rng.random((3, most, channels), np.float32) + 0.1
    values[np.arange(most) >= LENGTHS[:, None]] = 0
    x, y = Signals(np.minimum(values, 1), LENGTHS), np.array([0, 1, 0])
    return Data(x, y, x[:0], y[:0], x, y, classes=2)


def settled(info: Any, *asked: dict[str, Any]) -> Any:
    return resolve_defaults(config.build(*asked), find_open_settings(*asked), info, data())


def test_a_run_lasts_as_long_as_the_longest_signal_is_held() -> None:
    for hold in (1, 3):
        found, choices = settled(ANY, {"encoding": {"hold": hold}})
        assert found.network.steps == 6 * hold
        assert "network.steps" in {choice.setting for choice in choices}
    same = {"network": {"steps": 12}, "encoding": {"hold": 2}}
    assert settled(ANY, same)[0].network.steps == 12


@pytest.mark.parametrize(
    ("facts", "asked", "error", "complaint"),
    [
        ({}, {"network": {"steps": 20}}, ValueError, "each held for 1, last 6: leave it out"),
        ({"steps": 5}, {}, CapacityError, "last 6: this device takes 5: lower encoding.hold"),
        ({"stimuli": ("current",)}, {}, StimulusError, "has signals: this device takes current"),
        (
            {},
            {"encoding": {"name": "latency"}},
            StimulusError,
            "encoding latency: latency does not take signals: use --set encoding.name=current",
        ),
    ],
)
def test_what_does_not_fit_signals_is_refused(
    facts: dict[str, Any], asked: dict[str, Any], error: type[ValueError], complaint: str
) -> None:
    with pytest.raises(error, match=complaint) as found:
        settled(restated(ANY, **facts), asked)
    assert "\n" not in str(found.value)


def test_signals_are_held_for_as_long_as_the_device_has_steps() -> None:
    asked = {"task": "digits_rows"}  # held for 4 steps by its defaults
    info = restated(ANY, steps=20)
    found, choices = resolve_defaults(config.build(asked), find_open_settings(asked), info, data())
    assert (found.encoding["hold"], found.network.steps) == (3, 18)
    assert {"encoding.hold", "network.steps"} <= {choice.setting for choice in choices}
    with pytest.raises(CapacityError, match=r"lower encoding\.hold"):
        settled(info, {"encoding": {"hold": 4}})


def test_counts_are_read_where_the_output_shows_no_membranes() -> None:
    asked = {"task": "digits_rows"}  # reads both by its defaults
    hidden = restated(ANY, probes=(ProbeOffer("membrane", "hidden"), ProbeOffer("spikes")))
    for info, source in ((ANY, "both"), (hidden, "counts")):
        opened = find_open_settings(asked)
        found, _ = resolve_defaults(config.build(asked), opened, info, data())
        assert found.readout.source == source


def test_a_device_of_spikes_is_shown_spikes_and_the_hold_is_kept() -> None:
    info = restated(ANY, stimuli=("spikes",))
    asked = {"task": "digits_rows"}  # held for 4 steps by its defaults
    found, choices = resolve_defaults(config.build(asked), find_open_settings(asked), info, data())
    assert (found.encoding["name"], found.encoding["hold"]) == ("regular", 4)
    assert found.network.steps == 24
    assert {"encoding.name", "network.steps"} <= {choice.setting for choice in choices}


@pytest.mark.parametrize(
    ("offers", "clock"),
    [
        ((ProbeOffer("membrane"), ProbeOffer("spikes")), "trace"),
        ((ProbeOffer("membrane", reductions=("mean",)), ProbeOffer("spikes")), "mean"),
        ((ProbeOffer("membrane", every=2), ProbeOffer("spikes")), "mean"),
        ((ProbeOffer("membrane", "output"), ProbeOffer("spikes")), "mean"),
    ],
)
def test_the_clock_follows_from_what_a_device_shows_unless_it_was_asked_for(
    offers: tuple[ProbeOffer, ...], clock: str
) -> None:
    info = restated(ANY, probes=offers)
    suited = {"rule": {"name": "adfa", "clock": "trace"}}
    found, _ = resolve_defaults(config.build(suited), find_open_settings(), info, data())
    assert found.rule["clock"] == clock
    found, _ = resolve_defaults(config.build(suited), find_open_settings(suited), info, data())
    assert found.rule["clock"] == "trace"


def test_membranes_remember_half_of_the_longest_signal_where_a_device_lets_choose() -> None:
    """By whatever name it has the setting, within its range; what is said otherwise stays."""
    constant = Setting("leak", "s", 0.002, 0.005, 0.003, "time constant", role="time_constant")
    other = Setting("bias", "V", 0.0, 1.0, 0.0, "none of that")
    info = restated(ANY, settings=(other, constant), dt=0.001)
    for asked, value, leak in (
        ({}, 3, 0.003),
        ({"encoding": {"hold": 2}}, 6, 0.005),
        ({"encoding": {"name": "receptive_fields", "hold": 4, "time_fields": 2}}, 3, 0.003),
        ({"network": {"time_constant": 4}}, 4, 0.004),
        ({"network": {"time_constant": "device"}}, "device", None),
        ({"network": {"settings": {"leak": 0.004}}}, "device", 0.004),
    ):
        found, _ = settled(info, asked)
        assert found.network.time_constant == value
        laid = mapping.network(found, info, (2, 100, 2)).settings
        assert laid.get("leak") == (None if leak is None else pytest.approx(leak)), asked
        again, _ = resolve_defaults(
            found, find_open_settings({}, starts=True), restated(info, settings=()), data()
        )
        assert again.network.time_constant == "device"
        assert (
            resolve_defaults(found, find_open_settings({}, starts=True), info, data())[0] == found
        )
    with pytest.raises(SettingError, match=r"time_constant = 4\.0: this device sets none"):
        settled(restated(info, settings=(other,)), {"network": {"time_constant": 4.0}})


def test_the_best_encoding_is_chosen_whatever_the_order_in_which_a_device_states() -> None:
    for stimuli in (("spikes", "current_trace"), ("current_trace", "spikes")):
        info = restated(ANY, stimuli=stimuli)
        events = replace(data().x_train, values=np.rint(data().x_train.values), events=True)
        shown = replace(data(), x_train=events, x_validation=events[:0], x_test=events)
        asked = {"encoding": {"name": "receptive_fields"}}
        found, _ = resolve_defaults(config.build(asked), find_open_settings(), info, shown)
        assert found.encoding["name"] == "events"
        found, _ = resolve_defaults(
            config.build({"encoding": {"name": "latency"}}), find_open_settings(), info, data()
        )
        assert found.encoding["name"] == "current"


def test_features_are_not_held() -> None:
    from hil import tasks

    asked = {"encoding": {"hold": 2}}
    with pytest.raises(ValueError, match=r"encoding.hold = 2: task digits has features"):
        resolve_defaults(
            config.build(asked), find_open_settings(asked), ANY, tasks.load("digits", 0, 0.1)
        )


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_currents_follow_a_signal_and_end_with_it(told: bool, bias: float) -> None:
    info = replace(ANY, abilities=replace(ANY.abilities, lengths=told))
    asked = {"encoding": {"hold": 2, "gain": 3.0, "bias": bias}}
    found, x = settled(info, asked)[0], data().x_train
    shown = mapping.encoder(found, info)(Data.batch(x), np.random.default_rng(0))
    assert (shown.kind, shown.steps) == ("current_trace", 12)
    assert shown.lengths is None  # so that a device that takes lengths shows the same as others
    currents = shown.dense()
    for sample, length in enumerate(LENGTHS):
        for step in range(12):
            expected = np.zeros(2) if step >= 2 * length else 3 * x.values[sample, step // 2]
            np.testing.assert_allclose(currents[step, sample, :2], expected, rtol=1e-6)
            if bias:
                assert currents[step, sample, 2] == (3 * bias if step < 2 * length else 0)


def test_signals_are_trained_on_kept_and_shown(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((200, 5, 2)) * 2
    x[:100, 3:, 0] += 6
    x[100:, 3:, 1] += 6
    y = np.repeat(["one", "other"], 100)
    run = hil.train(
        x,
        y,
        layout="TC",
        device="emulator:ideal",
        out=tmp_path / "run",
        network={"hidden": [20]},
        encoding={"name": "current", "hold": 2, "gain": 2.0, "bias": 0.5},
        training={"epochs": 30, "batch": 10},
    )
    assert run.test_accuracy > 0.8
    assert np.mean(run.predict(x) == y) > 0.8
    assert run.predict(x[:, :3]).shape == (200,)
    page = run.report.read_text()
    assert "signals of up to 5 steps in 2 channels" in page
    assert "step of the signal" in page
    assert hil.evaluate(run.path)["test_accuracy"] == run.test_accuracy
    assert hil.resume(run.path).test_accuracy == run.test_accuracy


EPOCHS, BATCH = 2, 300
SMALL: dict[str, Any] = {
    "task": "digits",
    "device": "shown:ideal",
    "network": {"hidden": [5], "steps": 4},
    "rule": {"name": "output_only"},
    "training": {"epochs": EPOCHS, "batch": BATCH},
}


class Shown(Emulator):
    """An emulated chip, and all samples that it was shown, by batch."""

    batches: list[NDArray[np.float32]]

    def _run(
        self, stimulus: Stimulus, probes: Sequence[Probe], trial: int | None, carry: bool
    ) -> Readout:
        type(self).batches.append(np.array(stimulus.data))
        return super()._run(stimulus, probes, trial, carry)


@pytest.fixture(autouse=True)
def _plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("plugged_in")
    module.Shown = Shown  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(registry.BUILTIN, "shown", "plugged_in:Shown")
    Shown.batches = []


def trained(folder: Path, **sections: Any) -> tuple[Run, dict[str, Any]]:
    run = Run.create(folder, configuration.build(configuration.merge_layers(SMALL, sections)))
    return run, training.train(run)


def shown_rows() -> list[bytes]:
    return [row.tobytes() for batch in Shown.batches for row in batch]


def test_each_part_of_the_samples_is_shown_for_what_it_is_for(tmp_path: Path) -> None:
    run, _ = trained(tmp_path / "run")
    config = run.config()
    data = tasks.load("digits", config.seed, config.training.validation_fraction)
    train, validation, test = (
        [row.tobytes() for row in data.batch(x)]
        for x in (data.x_train, data.x_validation, data.x_test)
    )
    parts = {"train": set(train), "validation": set(validation), "test": set(test)}
    blocks = [
        (part, list(rows))
        for part, rows in groupby(
            shown_rows(), key=lambda row: next(name for name, own in parts.items() if row in own)
        )
    ]
    assert [part for part, _ in blocks] == ["train", "validation"] * EPOCHS + ["test"]
    assert all(rows == validation for part, rows in blocks if part == "validation")
    # A few of them are shown once more, for the page.
    assert blocks[-1][1][: len(test)] == test


def test_an_epoch_is_all_training_samples_in_an_order_of_its_own(tmp_path: Path) -> None:
    run, _ = trained(tmp_path / "run")
    config = run.config()
    data = tasks.load("digits", config.seed, config.training.validation_fraction)
    train = [row.tobytes() for row in data.batch(data.x_train)]
    size, known = len(train), set(train)
    shown = [row for row in shown_rows() if row in known]
    # The last of them: some are shown before the first step.
    orders = [train, shown[-2 * size : -size], shown[-size:]]
    assert sorted(orders[1]) == sorted(orders[2]) == sorted(train)
    for one, other in combinations(orders, 2):
        assert sum(a == b for a, b in zip(one, other, strict=True)) < 0.02 * size


def test_every_batch_is_augmented_by_randomness_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, affine = list[bytes](), epochs.augmentation.affine

    def watched(x: Any, shape: Any, rng: np.random.Generator, **bounds: Any) -> Any:
        drawn.append(rng.bytes(16))
        return affine(x, shape, rng, **bounds)

    monkeypatch.setattr(epochs.augmentation, "affine", watched)
    run, _ = trained(tmp_path / "run", augmentation={"shift": 0.5})
    arrays = run.load_checkpoint()
    assert arrays is not None
    assert len(set(drawn)) == len(drawn) == int(arrays["optimiser/step"]) == 2 * 5
