"""The driver of SuperNeuroMAT against its equations, and against the simulator itself."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers import Network, Probe, Stimulus
from drivers.conformance import CHECKS, Harness, run_check
from hil import config as configuration
from hil.loop import training
from hil.runs.folder import Run
from support.data_sets import write_xor

superneuromat = pytest.importorskip("superneuromat", reason="needs the extra superneuromat")

URL = "superneuromat:"


def spikes(seed: int, steps: int, batch: int, inputs: int) -> Stimulus:
    rng = np.random.default_rng(seed)
    return Stimulus.spikes(rng.random((steps * batch, inputs)) < 0.4, steps=steps)


def neurons(
    weights: list[np.ndarray], leak: float, drive: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """One sample by the equations: spikes and membranes after reset, of each layer, by step."""
    fired, membranes = [drive], []
    for matrix in weights:
        state = np.zeros(matrix.shape[1])
        raster, trace = [], []
        for arriving in fired[-1]:
            state = np.sign(state) * np.maximum(np.abs(state) - leak, 0) + arriving @ matrix
            spiking = state > 1
            state = np.where(spiking, 0, state)
            raster.append(spiking)
            trace.append(state)
        fired.append(np.array(raster))
        membranes.append(np.array(trace))
    return fired[1:], membranes


@settings(max_examples=25)
@given(
    layers=st.sampled_from([(3, 5), (4, 6, 3), (5, 4, 6, 2), (2, 3, 4, 3, 2)]),
    seed=st.integers(0, 2**31),
    leak=st.sampled_from([0.0, 0.02, 0.3, 10.0]),
    steps=st.integers(1, 25),
)
def test_runs_are_those_of_the_equations(
    layers: tuple[int, ...], seed: int, leak: float, steps: int
) -> None:
    rng, depth = np.random.default_rng(seed), len(layers) - 1
    device = drivers.open(URL)
    device.configure(Network.feed_forward(layers, (4.0,) * depth, {"leak": leak}))
    stored = [
        device.write_weights(p, rng.normal(0.3, 1, shape))
        for p, shape in enumerate(pairwise(layers))
    ]
    stimulus = spikes(seed, steps, 3, layers[0])
    probes = [
        Probe(n, quantity) for n in range(1, depth + 1) for quantity in ("spikes", "membrane")
    ]
    readout = device.run(stimulus, probes)
    assert readout.membrane_sampled == device.info.offer("membrane", 1, depth).sampled
    for sample in range(3):
        drive = stimulus.data.toarray().reshape(steps, 3, -1)[:, sample]
        fired, membranes = neurons([w.astype(float) for w in stored], leak, drive.astype(float))
        np.testing.assert_array_equal(readout.counts[sample], fired[-1].sum(axis=0))
        for n in range(1, depth + 1):
            raster = readout.samples[Probe(n, "spikes")][:, sample]
            np.testing.assert_array_equal(raster, fired[n - 1])
            trace = readout.samples[Probe(n, "membrane")][:, sample]
            np.testing.assert_allclose(trace, membranes[n - 1], atol=1e-5)


def test_a_network_is_the_simulator_called_by_hand() -> None:
    device = drivers.open(URL)
    device.configure(Network.feed_forward((2, 2, 1), settings={"leak": 0.1}))
    device.write_weights(0, [[0.75, -0.5], [0.5, 1.0]])
    device.write_weights(1, [[0.5], [1.0]])
    stimulus = spikes(1, 30, 1, 2)
    snn = superneuromat.SNN()
    ids = [snn.create_neuron(threshold=0.0) for _ in range(2)]
    ids += [snn.create_neuron(threshold=1.0, leak=0.1) for _ in range(3)]
    synapses = [(0, 2, 0.75), (0, 3, -0.5), (1, 2, 0.5), (1, 3, 1.0), (2, 4, 0.5), (3, 4, 1.0)]
    for source, target, weight in synapses:
        snn.create_synapse(ids[source], ids[target], weight=weight)
    for step, channel in np.argwhere(stimulus.data.toarray()):
        snn.add_spike(int(step), ids[channel])
    snn.simulate(32)
    raster = np.array(snn.ispikes)
    readout = device.run(stimulus, [Probe(1, "spikes")])
    assert raster[:, 4].sum() > 0
    assert readout.counts[0, 0] == raster[2:, 4].sum()
    np.testing.assert_array_equal(readout.samples[Probe(1, "spikes")][:, 0], raster[1:31, 2:4])


@given(
    every=st.integers(1, 4),
    reduce=st.sampled_from(["none", "mean", "last"]),
    picked=st.permutations(range(5)).map(lambda order: tuple(order[:3])),
)
@settings(max_examples=15)
def test_probes_pick_from_the_whole_trace(
    every: int, reduce: drivers.info.Reduction, picked: tuple[int, ...]
) -> None:
    device = drivers.open(URL)
    device.configure(Network.feed_forward((3, 5, 2)))
    device.write_weights(0, np.random.default_rng(every).normal(0, 1, (3, 5)))
    probe = Probe(1, "membrane", picked, every, reduce)
    readout = device.run(spikes(7, 9, 2, 3), [probe, Probe(1)])
    rows = [step for step in range(9) if (step + 1) % every == 0]
    expected = readout.samples[Probe(1)][rows][:, :, list(picked)]
    if reduce != "none":
        expected = expected.mean(axis=0) if reduce == "mean" else expected[-1]
    np.testing.assert_allclose(readout.samples[probe], expected, rtol=1e-5)


def test_weights_are_stored_as_they_are_within_the_full_scale() -> None:
    device = drivers.open(URL)
    device.configure(Network.feed_forward((2, 3), (1.5,)))
    wanted = np.array([[0.1, -0.2, 1.5], [9.0, -9.0, 0.0]], np.float32)
    np.testing.assert_array_equal(device.write_weights(0, wanted), wanted.clip(-1.5, 1.5))


def test_two_spikes_of_a_channel_in_one_step_are_refused() -> None:
    device = drivers.open(URL)
    device.configure(Network.feed_forward((2, 3)))
    with pytest.raises(drivers.StimulusError, match="2 spikes of a channel in one step"):
        device.run(Stimulus.spikes([[2, 0]], steps=1))


def test_more_synapses_than_a_matrix_should_have_are_refused() -> None:
    with (
        drivers.open(URL) as device,
        pytest.raises(drivers.CapacityError, match="1050624 synapses"),
    ):
        device.configure(Network.feed_forward((1024, 1024, 2)))


def test_currents_are_refused() -> None:
    device = drivers.open(URL)
    device.configure(Network.feed_forward((2, 3)))
    with pytest.raises(drivers.StimulusError, match="takes spikes"):
        device.run(Stimulus.current([[1.0, 0.0]], steps=3))


@pytest.mark.parametrize("url", ["superneuromat:cpu", "superneuromat:?dtype=float32"])
def test_bad_addresses_are_refused(url: str) -> None:
    with pytest.raises(drivers.SettingError, match="neither target nor options") as caught:
        drivers.open(url)
    assert "\n" not in str(caught.value)


def test_without_the_simulator_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "superneuromat", None)
    with pytest.raises(drivers.DeviceNotFound, match=r"pip install 'spikeloop\[superneuromat\]'"):
        drivers.open(URL)


def test_it_learns(tmp_path: Path) -> None:
    sections = {
        "task": write_xor(tmp_path),
        "device": URL,
        "observe": "spikes",
        "encoding": {"name": "poisson", "max_rate": 0.5},
        "network": {"hidden": [24], "steps": 20},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 8, "batch": 20},
    }
    result = training.train(Run.create(tmp_path / "run", configuration.build(sections)))
    assert result["test_accuracy"] > 0.9


def test_it_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    # The largest network takes seconds to make: each synapse is an object.
    monkeypatch.setattr("drivers.simulators.superneuromat.MOST_SYNAPSES", 2**15)
    with Harness(lambda: drivers.open(URL)) as harness:
        found = [run_check(check, harness) for check in CHECKS]
    assert [each for each in found if each.verdict == "failed"] == []
    assert sum(each.verdict == "passed" for each in found) > len(found) / 2
