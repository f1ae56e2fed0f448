"""Training in time: what only a network that remembers can tell, interrupted and not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
import hil
from drivers import Network, Probe, Stimulus
from hil import config as configuration
from hil import tasks
from hil.learning.rules.bp import Settings
from hil.loop.controller import Controller
from hil.loop.defaults import resolve_defaults
from hil.runs.folder import Run
from hil.trust import open_device

# Ten steps of silence lie between what decides and the end; nothing else differs.
STEPS, CHANNELS = 12, 4
IN_TIME: dict[str, Any] = {
    "rule": {"name": "adfa", "clock": "trace", "gain": 5.0, "feedback": "learned"},
    "readout": {"source": "both"},
    "encoding": {"name": "current", "gain": 3.0},
    "training": {"epochs": 12, "batch": 20},
    "optimiser": {"learning_rate": 0.01},
}


def order(seed: int = 0, samples: int = 300) -> tuple[Any, Any]:
    """Two events at the start: which of them was first is the class; their sum is the same."""
    rng = np.random.default_rng(seed)
    x = np.zeros((samples, STEPS, CHANNELS), np.float32)
    y = rng.integers(0, 2, samples)
    x[np.arange(samples), 0, y] = 1
    x[np.arange(samples), 4, 1 - y] = 1
    x[..., 2:] = 0.1 * rng.random((samples, STEPS, 2))
    return x, y


def test_a_network_that_recurs_learns_in_time_what_time_means_cannot(tmp_path: Path) -> None:
    x, y = order()
    network = {"hidden": [40], "recurrent": True, "full_scale": 6.0}
    found = {
        clock: hil.train(
            x,
            y,
            layout="TC",
            device="emulator:mixed-signal",
            out=tmp_path / clock,
            **{**IN_TIME, "rule": {**IN_TIME["rule"], "clock": clock}, "network": network},
        ).test_accuracy
        for clock in ("trace", "mean")
    }
    assert found["trace"] > 0.9
    assert found["trace"] >= found["mean"]


@pytest.mark.parametrize("delays", [0, 3])
def test_what_a_training_in_time_learned_is_kept_and_evaluated_the_same(
    tmp_path: Path, delays: int
) -> None:
    """Learned feedback and what recurs are part of a checkpoint."""
    x, y = order(samples=60)
    asked = {
        **IN_TIME,
        "network": {"hidden": [10], "recurrent": True, "delays": delays},
        "training": {"epochs": 2, "batch": 20},
    }
    whole = hil.train(
        x, y, layout="TC", device="emulator:mixed-signal", out=tmp_path / "a", **asked
    )
    run = Run.open(whole.path)
    kept = run.load_checkpoint()
    assert kept is not None
    assert {"weights/2", "rule/feedback_1", "rule/optimiser/mean_0"} <= set(kept)
    assert hil.evaluate(whole.path)["test_accuracy"] == whole.test_accuracy


def test_feedback_that_is_learned_turns_towards_the_readout() -> None:
    config = configuration.build(
        {**IN_TIME, "task": "digits_rows", "network": {"hidden": [30]}, "device": "emulator:ideal"}
    )
    data = tasks.load("digits_rows", 0, 0.1)
    with open_device(config) as device:
        config, _ = resolve_defaults(config, {"network.steps"}, device.info, data)
        controller = Controller.open(config, device, data.spec)
        controller.write()

        def angle() -> float:
            feedback = np.asarray(controller.rule_state["feedback_1"], np.float64).ravel()
            readout = controller.weights[1].T.astype(np.float64).ravel()
            return float(feedback @ readout / np.linalg.norm(feedback) / np.linalg.norm(readout))

        before = angle()
        for step in range(60):
            rows = slice(20 * step, 20 * step + 20)
            controller.step(data.batch(data.x_train[rows]), data.y_train[rows], step, step / 60)
        assert angle() > before + 0.05


STEPS, APART = 20, 0.1  # steps of a trial, and drives between which the slope is taken
Array = NDArray[np.floating]


@pytest.fixture(scope="module")
def measured() -> tuple[Array, Array, Array]:
    """Mean membranes, in thresholds, and how a neuron's rate rises with its drive there.

    Four thousand trials of ideal neurons, each under a noisy current of its own.
    """
    rng = np.random.default_rng(0)
    drive = rng.uniform(-0.5, 4.0, (1000, 4)).astype(np.float32)
    noise = rng.normal(0, 0.3, (STEPS, 1000, 4)).astype(np.float32)
    with drivers.open("emulator:ideal") as chip:
        chip.configure(Network.feed_forward((4, 4), (1.0,)))
        chip.write_weights(0, np.eye(4))
        membrane = Probe(1, reduce="mean")

        def run(shift: float) -> tuple[Array, Array]:
            current = drive + np.float32(shift) + noise
            seen = chip.run(Stimulus.current_trace(current), [membrane])
            return seen.counts.reshape(-1) / STEPS, seen.samples[membrane].reshape(-1)

        below, _ = run(-APART / 2)
        above, _ = run(APART / 2)
        rate, z = run(0.0)
    return z, (above - below) / APART, rate


def overlap(z: Array, slope: Array, believed: Settings) -> float:
    assumed = believed.slope(z)
    return float((assumed @ slope) / np.sqrt((assumed @ assumed) * (slope @ slope)))


def smoothed(z: Array, slope: Array) -> tuple[Array, Array]:
    """Means over neurons of like membrane: a slope of single neurons is a count of few spikes."""
    order = np.argsort(z)
    parts = np.array_split(order, 80)
    return np.array([z[p].mean() for p in parts]), np.array([slope[p].mean() for p in parts])


def test_a_neuron_is_silent_then_rises_then_can_no_more(
    measured: tuple[Array, Array, Array],
) -> None:
    z, slope, rate = measured
    assert slope[z < -0.2].mean() < 0.1
    assert 0.7 < slope[(z > 0.7) & (z < 1.1)].mean() < 1.1
    assert slope[z > 3].mean() < 0.1 and rate[z > 3].mean() > 0.9


def test_the_default_slope_is_that_of_the_neuron(measured: tuple[Array, Array, Array]) -> None:
    z, slope = smoothed(*measured[:2])
    assert overlap(z, slope, Settings()) > 0.95
    assert overlap(z, slope, Settings(surrogate="soft_step")) < 0.8  # it has no ceiling
