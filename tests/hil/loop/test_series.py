"""Samples that follow each other in time, on a device that runs on from one to the next."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
import hil
from drivers import DeviceRestarted, Probe, Readout, Stimulus, registry
from drivers.emulator.device import Emulator
from hil import config as configuration
from hil import tasks
from hil.learning.eligibility import eligibility_gradients
from hil.learning.rule import Observation, Route
from hil.loop import epochs
from hil.loop.session import Session
from hil.runs.data import preparation
from hil.runs.folder import Run
from hil.tasks.series import cut_series
from support.data_sets import one_line
from support.restated import restated

SAMPLES, BATCH, WASHOUT, GAIN, STEPS = 60, 5, 3, 2.0, 4
LENGTH = SAMPLES // BATCH
FIRST = LENGTH * np.arange(BATCH)
AS_DRAWN = {"network": {"initial_response": "as_drawn"}, "activity": {"estimator": "drive"}}
VALUES = np.linspace(0, 1, SAMPLES)[:, np.newaxis]  # each tells which sample it is
TARGETS = np.sin(9 * VALUES)
ASKED: dict[str, Any] = {
    "device": "logged:ideal",
    "network": {"hidden": [12], "recurrent": True, "steps": STEPS},
    "encoding": {"name": "current", "gain": GAIN, "bias": 0.5},
    "training": {
        "epochs": 2,
        "batch": BATCH,
        "validation_fraction": 0.0,
        "carry": True,
        "washout": WASHOUT,
    },
}


class Logged(Emulator):
    """A chip that keeps what it was shown and answered, and may restart before a run."""

    runs: list[tuple[Stimulus, bool, Readout]]
    restarts_before: int
    fails_before: int

    def _run(self, stimulus: Stimulus, probes: Any, trial: int | None, carry: bool) -> Readout:
        if len(Logged.runs) == Logged.restarts_before:
            Logged.restarts_before = -1
            self._reset()
            raise DeviceRestarted("it lost its power")
        if len(Logged.runs) == Logged.fails_before:
            Logged.fails_before = -1
            raise drivers.LinkError("it does not answer")
        readout = super()._run(stimulus, probes, trial, carry)
        Logged.runs.append((stimulus, carry, readout))
        return readout


class Forgetful(Emulator):
    """A chip that begins each run from reset."""

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(super().info, runs_on=False)


class Small(Emulator):
    """A chip that runs few samples at once."""

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(super().info, batch=3)


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Logged.runs, Logged.restarts_before, Logged.fails_before = [], -1, -1
    module = types.ModuleType("chips_that_run_on")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for name, driver in {"logged": Logged, "forgetful": Forgetful, "small": Small}.items():
        setattr(module, name, driver)
        monkeypatch.setitem(registry.BUILTIN, name, f"{module.__name__}:{name}")
    monkeypatch.chdir(tmp_path)


def train_series(**sections: Any) -> hil.Result:
    layers = configuration.merge_layers(ASKED, sections)
    return hil.train(VALUES, TARGETS, test=(VALUES, TARGETS), **layers)


def list_shown() -> list[tuple[list[int], bool]]:
    """List which samples each run showed, by their values, and whether it went on."""
    shown = []
    for stimulus, carry, _ in Logged.runs:
        values = stimulus.dense()[0, :, 0] / GAIN
        shown.append(([int(np.abs(VALUES[:, 0] - each).argmin()) for each in values], carry))
    return shown


def list_rows(first: NDArray[np.int64], length: int) -> list[tuple[list[int], bool]]:
    """List what has to be shown from some samples on, with what comes before them."""
    rows = [np.maximum(first + step, 0) for step in range(-WASHOUT, length)]
    return [(row.tolist(), number > 0) for number, row in enumerate(rows)]


@pytest.fixture
def session() -> Any:
    data = tasks.load("digits")
    data = replace(data, x_test=data.x_test[:40], y_test=data.y_test[:40])
    with Session.open(configuration.build(ASKED), data) as opened:
        opened.controller.write()
        Logged.runs.clear()
        yield opened


def test_windows_are_one_long_run_spike_for_spike(session: Session) -> None:
    controller, x = session.controller, session.samples.x_test
    probes = [Probe(n, what) for n in (1, 2) for what in ("membrane", "spikes")]
    rows, parts = cut_series(len(x), BATCH), []
    controller.begin_series(x, rows[0], "test")
    for row in rows:
        stimulus = controller.stimulus(x[row], "test")
        parts.append(controller.supervised.run(stimulus, probes, 0))
    whole = np.concatenate([stimulus.dense() for stimulus, *_ in Logged.runs])
    alone = session.device.run(Stimulus.current_trace(whole), probes)
    for probe in probes:
        joined = np.concatenate([part.samples[probe] for part in parts])
        np.testing.assert_array_equal(joined, alone.samples[probe][WASHOUT * STEPS :])


def test_answers_are_those_of_the_window_of_their_sample(session: Session) -> None:
    controller, x = session.controller, session.samples.x_test[:37]
    *_, logits, _ = controller.classify(x, "test", 0)
    rows = cut_series(len(x), BATCH)
    for row, (_, carry, readout) in zip(rows, Logged.runs[WASHOUT:], strict=True):
        assert carry
        mine = row == np.arange(BATCH) * len(rows) + row[0]  # the last series is shorter
        found = readout.counts / STEPS * session.config.readout.kappa
        np.testing.assert_allclose(logits[row[mine]], found[mine], rtol=1e-6)


def test_a_device_that_restarts_is_shown_what_came_before_again(session: Session) -> None:
    controller, x = session.controller, session.samples.x_test
    _, asked, _ = controller.classify(x, "test", 0)
    Logged.restarts_before = len(Logged.runs) + WASHOUT + 1
    _, logits, _ = controller.classify(x, "test", 0)
    assert controller.supervised.clock.restarts == 1
    np.testing.assert_array_equal(logits, asked)  # by then all since reset is shown again


def test_training_goes_through_each_series_in_order_and_scores_before_it_learns() -> None:
    result = train_series(**AS_DRAWN, readout={"source": "counts"})
    epoch, shown = list_rows(FIRST, LENGTH), list_shown()
    assert shown[: 3 * len(epoch)] == epoch * 3  # twice to train and once to test
    prepared = preparation(Run.open(result.path))
    asked = prepared.scale_targets(TARGETS)
    kappa = Run.open(result.path).config().readout.kappa
    errors = [
        readout.counts / STEPS * kappa - asked[rows]
        for (rows, _), (*_, readout) in zip(epoch, Logged.runs, strict=False)
    ]
    nrmse = np.sqrt(np.square(errors[WASHOUT:]).mean() / asked.var())
    assert result.metrics[0]["train_nrmse"] == pytest.approx(nrmse, rel=1e-5)


def test_what_came_before_a_batch_has_its_part_in_what_it_teaches() -> None:
    rng = np.random.default_rng(1)
    past, steps, batch, sizes = 7, 5, 3, (4, 6, 2)
    routes = (Route(0, 1, 0, rng.integers(0, 3, sizes[:2])), Route(1, 2, 1), Route(1, 1, 1))
    given, hidden = (
        rng.random((past + steps, batch, size)).astype(np.float32) for size in sizes[:2]
    )
    deltas = [rng.standard_normal((past + steps, batch, n)).astype(np.float32) for n in sizes[1:]]
    for delta in deltas:
        delta[:past] = 0

    def learn(begin: int, **earlier: Any) -> Any:
        nothing = np.zeros((batch, 2), np.float32)
        shown = Observation(
            inputs=given.mean(axis=0),
            activity=(hidden.mean(axis=0),),
            membrane=(nothing, nothing),
            rate=nothing,
            error=nothing,
            traces=(hidden[begin:], hidden[begin:]),
            input_trace=given[begin:],
            spikes=(hidden[begin:],),
            routes=routes,
            **earlier,
        )
        return eligibility_gradients([delta[begin:] for delta in deltas], shown, 0.8)

    share = (past + steps) / steps  # a mean over fewer steps
    for whole, part in zip(
        learn(0), learn(past, earlier=(given[:past], hidden[:past])), strict=True
    ):
        np.testing.assert_allclose(part, whole * share, rtol=1e-4, atol=1e-6)


def test_a_run_that_was_stopped_goes_on_after_what_came_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)
    Logged.fails_before = WASHOUT + 7
    with pytest.raises(drivers.LinkError):
        train_series(out="run", **AS_DRAWN)
    Logged.runs.clear()
    capsys.readouterr()
    hil.resume("run")
    assert "last 3 samples again" in capsys.readouterr().err
    rest = list_rows(FIRST + 7, LENGTH - 7)
    assert list_shown()[: len(rest)] == rest


def test_an_estimator_learns_from_the_next_of_each_series() -> None:
    layers = configuration.merge_layers(ASKED, AS_DRAWN)
    layers["training"] = {"batch": BATCH, "carry": True, "washout": 0}
    learner = hil.SpikingRegressor(layers.pop("device"), settings=layers, random_state=0)
    rows = cut_series(SAMPLES, BATCH)
    learner.fit_batches((VALUES[each], TARGETS[each]) for each in rows)
    assert [carry for _, carry in list_shown()[-LENGTH:]] == [False] + [True] * (LENGTH - 1)
    assert learner.online_prediction_.shape == (SAMPLES, 1)
    with pytest.raises(ValueError, match=r"training\.batch = 5") as error:
        learner.partial_fit(VALUES[:3], TARGETS[:3])
    one_line(error)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"device": "forgetful:ideal"}, "begins each run from reset"),
        ({"device": "small:ideal"}, "training.batch"),
        ({"rule": "spsa"}, "more than once"),
    ],
)
def test_what_cannot_run_on_is_refused_in_one_line(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        train_series(out="run", **sections)
    one_line(error)
    assert not Path("run").exists()


def test_the_last_samples_of_a_file_are_set_aside() -> None:
    np.savez("own.npz", x=VALUES, y=TARGETS)
    data = tasks.load("npz:own.npz", 0, 0.25, in_order=True)
    rows = [len(data.y_train), len(data.y_validation), len(data.y_test)]
    assert rows == [36, 12, 12]
    joined = np.concatenate([data.x_train, data.x_validation, data.x_test])
    assert (np.diff(joined[:, 0]) > 0).all()
    layers = configuration.merge_layers(ASKED, {"training": {"validation_fraction": 0.25}})
    given = hil.train(VALUES, TARGETS, **layers)
    assert Run.open(given.path).environment()["data"]["sha256"] == data.sha256
