"""What a device paid, held against all that went in and out of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivers
from drivers import Device, DeviceRestarted, Network, Readout, Stimulus
from hil.config import build
from hil.loop import costs, evaluation, training
from hil.loop.supervised_device import SupervisedDevice
from hil.runs.folder import Run

LAYERS = (9, 7, 5, 3)
STEPS = 8


class Witness:
    """All that a device was asked and answered."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.runs: list[tuple[Stimulus, Readout]] = []
        self.writes: list[tuple[int, Any]] = []
        run, write = Device.run, Device.write_weights

        def seen(device: Device, stimulus: Stimulus, *args: Any, **named: Any) -> Readout:
            self.runs.append((stimulus, run(device, stimulus, *args, **named)))
            return self.runs[-1][1]

        def kept(device: Device, projection: int, weights: Any) -> Any:
            self.writes.append((projection, write(device, projection, weights)))
            return self.writes[-1][1]

        patch.setattr(Device, "run", seen)
        patch.setattr(Device, "write_weights", kept)

    def cell_writes(self, projection: int) -> Any:
        """Changes of each cell of a projection, which was zero at first."""
        stored = [w for p, w in self.writes if p == projection]
        steps = np.stack([np.zeros_like(stored[0]), *stored])
        return (np.diff(steps, axis=0) != 0).sum(axis=0)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    y = np.arange(100) % 3
    path = tmp_path / "images.npz"
    x = rng.random((100, 9))
    np.savez(path, x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
    return path


def trained(path: Path, images: Path, **sections: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "task": f"npz:{images}",
        "device": "emulator:mixed-signal",
        "observe": "spikes",
        "network": {
            "hidden": list(LAYERS[1:-1]),
            "steps": STEPS,
            "initial_response": "as_drawn",
        },
        "training": {"epochs": 3, "batch": 20, "validation_fraction": 0.0},
    }
    run = Run.create(path, build(base, sections))
    return training.train(run)["costs"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("encoding", ["current", "poisson"])
def test_costs_are_those_of_what_went_in_and_out(
    encoding: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = Witness(monkeypatch)
    paid = trained(tmp_path / "run", images, encoding={"name": encoding})
    learning, test = witness.runs[:12], witness.runs[12:13]
    assert len(paid) == 3 and len(learning) == 3 * 80 // 20
    first, second = (
        sum(
            readout.samples[probe].sum() * (1 if probe.reduce == "none" else STEPS)
            for _, readout in learning
            for probe in readout.samples
            if (probe.layer, probe.quantity) == (layer, "spikes")
        )
        for layer in (1, 2)
    )
    output = sum(int(readout.counts.sum()) for _, readout in learning)
    events = sum(float(stimulus.dense().sum()) for stimulus, _ in learning)
    assert first > 0 and output > 0
    found = paid["training"]
    assert (found["runs"], found["samples"], found["line_bytes"]) == (12, 240, 0)
    assert found["input_events"] == pytest.approx(events, rel=1e-6)
    assert found["spikes"] == pytest.approx(first + second + output, rel=1e-5)
    assert found["synaptic_events"] == pytest.approx(events * 7 + first * 5 + second * 3, rel=1e-5)
    assert found["membrane_updates"] == 240 * STEPS * (7 + 5 + 3)
    bits = sum(
        readout.counts.size * math.ceil(math.log2(STEPS + 1))
        + sum(
            values.size * (8 if p.quantity == "membrane" else 1 if p.reduce == "none" else 4)
            for p, values in readout.samples.items()
        )
        for _, readout in learning
    )
    assert found["read_bits"] == bits
    # NeuroBench's definitions, of what the device stores and of the spikes of the test.
    stored = [np.asarray(w) for p, w in witness.writes[-3:]]
    zeros = sum(np.count_nonzero(w == 0) for w in stored)
    shown = paid["network"]
    assert shown["connection_sparsity"] == pytest.approx(zeros / sum(w.size for w in stored))
    assert shown["activation_sparsity"] == pytest.approx(
        1 - paid["inference"]["spikes"] / (STEPS * 15)
    )
    changes = [witness.cell_writes(p) for p in range(3)]
    assert found["write_calls"] == len(witness.writes) == 3 * (1 + 12)
    assert found["cell_writes_max"] == max(c.max() for c in changes) > 1
    cells = sum(c.size for c in changes)
    assert found["cell_writes_mean"] == pytest.approx(sum(c.sum() for c in changes) / cells)
    ((stimulus, readout),) = test
    once = paid["inference"]
    assert once["runs"] == 1 / 20
    assert once["input_events"] == pytest.approx(stimulus.dense().sum() / 20, rel=1e-6)
    assert once["spikes"] > readout.counts.sum() / 20 and once["line_bytes"] == 0


def test_a_sample_costs_less_than_its_training(images: Path, tmp_path: Path) -> None:
    paid = trained(tmp_path / "run", images, training={"validation_fraction": 0.25})
    found = paid["training"]
    assert (found["runs"], found["samples"]) == (3 * (3 + 1), 3 * 80)
    assert set(paid["inference"]) < set(found)
    for name, value in paid["inference"].items():
        assert value == 0 == found[name] or 0 < value < found[name]


@pytest.mark.parametrize("observe", ["spikes", "membrane"])
def test_on_another_device_hidden_spikes_are_looked_for_as_in_training(
    observe: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path / "run", images, observe=observe, training={"epochs": 1})
    witness = Witness(monkeypatch)
    run = Run.open(tmp_path / "run")
    paid = evaluation.evaluate(run.path, "emulator:ideal?chip=2")["costs"]["inference"]
    (_, tested), (_, looked) = witness.runs
    assert paid["runs"] == 1 / 20  # what was looked at in addition is no part of it
    hidden = [p for p in looked.samples if p.quantity == "spikes" and p.layer < len(LAYERS) - 1]
    assert len(hidden) == (2 if observe == "spikes" else 0)
    assert tested.samples.keys().isdisjoint(hidden)
    shown = sum(float(looked.samples[p].sum()) * STEPS for p in hidden) + tested.counts.sum()
    assert paid["spikes"] > tested.counts.sum() / 20
    if hidden:
        assert paid["spikes"] == pytest.approx(shown / 20, rel=1e-5)


def test_bytes_are_those_of_a_board(images: Path, tmp_path: Path) -> None:
    paid = trained(tmp_path / "run", images, device="board:simulated://", observe="membrane")
    counts, probes = 2 * LAYERS[-1], 4 * LAYERS[-1]
    assert counts < paid["inference"]["line_bytes"] < 20 * (counts + probes + 2 * LAYERS[0])
    assert paid["training"]["line_bytes"] > 240 * paid["inference"]["line_bytes"]


def test_a_device_that_is_brought_back_pays_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with drivers.open("emulator:ideal") as device:
        session = SupervisedDevice(device, Network.feed_forward((3, 2)))
        weights = np.array([[0.5, 0.0], [0.0, 0.25], [1.0, 0.0]], np.float32)
        session.write(0, weights)
        session.write(0, weights)
        run, failures = device.run, 1

        def restarting(*args: Any, **named: Any) -> Readout:
            nonlocal failures
            if failures:
                failures -= 1
                raise DeviceRestarted("it restarted")
            return run(*args, **named)

        monkeypatch.setattr(device, "run", restarting)
        session.run(Stimulus.current(np.ones((4, 3)), steps=5), [], trial=0)
    assert session.costs.programmed[0].tolist() == [[2, 0], [0, 2], [2, 0]]
    assert (session.costs.usage.write_calls, session.costs.usage.runs) == (3, 1)
    assert session.costs.usage.input_events == 4 * 3 * 5


def test_what_was_counted_is_kept_and_taken_up() -> None:
    counted = costs.Costs.none([(4, 3)])
    counted.count_write(0, np.zeros((4, 3), np.float32), np.eye(4, 3, dtype=np.float32))
    state = counted.state()
    counted.count_write(0, np.eye(4, 3, dtype=np.float32), np.zeros((4, 3), np.float32))
    again = costs.Costs.none([(4, 3)])
    again.restore(state)
    assert again.usage.write_calls == 1 and again.programmed[0].tolist() == np.eye(4, 3).tolist()
    again.count_write(0, np.zeros((4, 3), np.float32), np.ones((4, 3), np.float32))
    assert state["programmed_0"].sum() == 3  # a checkpoint does not move with what is counted


def test_hidden_spikes_that_nobody_knows_are_not_made_up() -> None:
    used = costs.Usage(runs=1, samples=4, input_events=10.0, output_spikes=6)
    deep = costs.average_inference(used, Network.feed_forward((3, 5, 2)), 10, [])
    assert deep["spikes"] is None and deep["synaptic_events"] is None
    flat = costs.average_inference(used, Network.feed_forward((3, 2)), 10, [])
    assert (flat["spikes"], flat["synaptic_events"]) == (6 / 4, 10 * 2 / 4)
