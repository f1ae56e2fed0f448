"""The driver of Xylo against a plain reading of the chip, and against the simulator itself."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers import Network, Population, Probe, Projection, Stimulus
from drivers.conformance import CHECKS, Harness, run_check
from hil import config as configuration
from hil.loop import training
from hil.runs.folder import Run
from support.data_sets import write_xor

xylosim = pytest.importorskip("xylosim.v2", reason="needs the extra xylo")


def spikes(seed: int, steps: int, batch: int, inputs: int, rate: float = 0.4) -> Stimulus:
    rng = np.random.default_rng(seed)
    return Stimulus.spikes(rng.poisson(rate, (steps * batch, inputs)).clip(0, 15), steps=steps)


def opened(layers: tuple[int, ...], seed: int, scale: float, url: str = "xylo:") -> drivers.Device:
    """A device with random weights of a good part of its full scale."""
    device = drivers.open(url)
    device.configure(Network.feed_forward(layers, (scale,) * (len(layers) - 1)))
    rng = np.random.default_rng(seed)
    for projection, shape in enumerate(pairwise(layers)):
        device.write_weights(projection, rng.normal(0, scale / 2, shape))
    return device


def kept(state: int) -> int:
    """A state of 16 bits, which saturates."""
    return min(max(state, -(2**15)), 2**15 - 1)


def decayed(state: int, shift: int) -> int:
    """Bit-shift decay: a shift that rounds down, and by 1 at least."""
    step = state >> shift
    return state - (step or (state > 0) - (state < 0))


def chip(
    codes: list[np.ndarray],
    shift: int,
    threshold: int,
    dash: int,
    drive: np.ndarray,
    back: dict[int, np.ndarray] | None = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """One sample on the chip in whole numbers: spikes and membranes before reset, by layer.

    Written from the description of the neuron; every layer is aligned to its own first step, and
    hears of its own spikes, through `back`, in the next one.
    """
    fired, membranes = [drive], []
    for layer, matrix in enumerate(codes):
        most = 1 if layer and layer == len(codes) - 1 else 31
        n = matrix.shape[1]
        current, membrane = [0] * n, [0] * n
        raster, trace = np.zeros((len(drive), n), int), np.zeros((len(drive), n))
        for step, arriving in enumerate(fired[-1]):
            for j in range(n):
                for i, count in enumerate(arriving):
                    for _ in range(int(count)):
                        current[j] = kept(current[j] + (int(matrix[i, j]) << shift))
                own = (back or {}).get(layer)
                for i in range(n if own is not None and step else 0):
                    for _ in range(raster[step - 1, i]):
                        current[j] = kept(current[j] + (int(own[i, j]) << shift))
                current[j] = decayed(current[j], 1)
                membrane[j] = kept(decayed(membrane[j], dash) + current[j])
                trace[step, j] = membrane[j] / threshold
                spikes = min(max(membrane[j] // threshold, 0), most)
                membrane[j] -= spikes * threshold
                raster[step, j] = spikes
        fired.append(raster)
        membranes.append(trace)
    return fired[1:], membranes


@settings(max_examples=12)
@given(
    layers=st.sampled_from([(3, 5), (4, 6, 3), (5, 4, 6, 2), (2, 3, 4, 3, 2)]),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.07, 0.4, 1.0, 2.5]),
    steps=st.integers(1, 12),
)
def test_runs_are_those_of_the_chip_in_whole_numbers(
    layers: tuple[int, ...], seed: int, scale: float, steps: int
) -> None:
    device = opened(layers, seed, scale)
    depth = len(layers) - 1
    rng = np.random.default_rng(seed)
    wanted = [rng.normal(0, scale / 2, shape) for shape in pairwise(layers)]
    codes = [np.rint(np.clip(w / scale, -1, 1) * 127).astype(int) for w in wanted]
    # The shift and the threshold that the driver should choose: 11 bits of threshold.
    shift = max(s for s in range(8) if 127 * 2**s / scale <= 2048 * (1 + 1e-6))
    threshold = int(np.ceil(127 * 2**shift / scale * (1 - 1e-6)))
    stimulus = spikes(seed, steps, 3, layers[0])
    probes = [
        Probe(n, quantity) for n in range(1, depth + 1) for quantity in ("spikes", "membrane")
    ]
    readout = device.run(stimulus, probes)
    for sample in range(3):
        drive = stimulus.data.toarray().reshape(steps, 3, -1)[:, sample]
        fired, membranes = chip(codes, shift, threshold, 4, drive)
        np.testing.assert_array_equal(readout.counts[sample], fired[-1].sum(axis=0))
        for n in range(1, depth + 1):
            raster = readout.samples[Probe(n, "spikes")][:, sample]
            np.testing.assert_array_equal(raster, fired[n - 1])
            trace = readout.samples[Probe(n, "membrane")][:, sample]
            np.testing.assert_allclose(trace, membranes[n - 1], rtol=1e-5, atol=1e-5)


@settings(max_examples=12)
@given(
    layers=st.sampled_from([(3, 5), (4, 6, 3), (5, 4, 6, 2)]),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.25, 1.0]),
    steps=st.integers(2, 14),
)
def test_hidden_layers_hear_of_their_own_spikes_in_the_next_step(
    layers: tuple[int, ...], seed: int, scale: float, steps: int
) -> None:
    rng, depth = np.random.default_rng(seed), len(layers) - 1
    own = range(1, max(depth, 2))
    ends = [(n, n + 1) for n in range(depth)] + [(n, n) for n in own]
    order = rng.permutation(len(ends))
    projections = tuple(Projection(*ends[n], scale) for n in order)
    codes = {end: rng.integers(-127, 128, (layers[end[0]], layers[end[1]])) for end in ends}
    shift, threshold = round(4 + np.log2(scale)), 2032
    with drivers.open("xylo:") as device:
        device.configure(Network(layers[0], tuple(map(Population, layers[1:])), projections))
        for p, each in enumerate(projections):
            matrix = codes[each.source, each.target]
            stored = device.write_weights(p, matrix * scale / 127)
            np.testing.assert_allclose(stored, matrix * 2**shift / threshold, rtol=1e-6)
        stimulus = spikes(seed, steps, 2, layers[0], rate=0.8)
        probes = [Probe(n, what) for n in range(1, depth + 1) for what in ("spikes", "membrane")]
        readout = device.run(stimulus, probes)
    forward = [codes[end] for end in ends[:depth]]
    back = {n - 1: codes[n, n] for n in own}
    for sample in range(2):
        drive = stimulus.dense()[:, sample].astype(int)
        fired, membranes = chip(forward, shift, threshold, 4, drive, back)
        for n in range(1, depth + 1):
            raster = readout.samples[Probe(n, "spikes")][:, sample]
            np.testing.assert_array_equal(raster, fired[n - 1])
            trace = readout.samples[Probe(n, "membrane")][:, sample]
            np.testing.assert_allclose(trace, membranes[n - 1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("forward", "back"), [(1.0, 0.3), (0.3, 1.0), (1.0, 1.9), (2.5, 0.07)])
def test_projections_to_one_layer_have_full_scales_of_their_own(
    forward: float, back: float
) -> None:
    with drivers.open("xylo:") as device:
        device.configure(
            Network(
                3,
                (Population(4), Population(2)),
                (Projection(0, 1, forward), Projection(1, 2, 1.0), Projection(1, 1, back)),
            )
        )
        for p, scale, shape in ((0, forward, (3, 4)), (2, back, (4, 4))):
            wanted = np.random.default_rng(p).uniform(-1.3 * scale, 1.3 * scale, shape)
            stored = device.write_weights(p, wanted)
            clipped = np.clip(wanted, -scale, scale)
            assert np.abs(stored).max() <= scale * (1 + 1e-5)
            assert np.abs(stored - clipped).max() <= scale / 60
            np.testing.assert_array_equal(device.write_weights(p, stored), stored)


@pytest.mark.parametrize(
    ("projections", "words"),
    [
        ([Projection(2, 1)], "projection from 2 to 1: on this chip hidden layers project back"),
        ([Projection(3, 3)], "projection from 3 to 3: on this chip"),
        ([Projection(0, 2)], "no projections that skip layers"),
        ([Projection(1, 1, delay=1)], "steps of delay of projection 3"),
    ],
)
def test_what_a_hidden_layer_cannot_be_told_is_refused(
    projections: list[Projection], words: str
) -> None:
    chain = [Projection(n, n + 1) for n in range(3)]
    with drivers.open("xylo:") as device, pytest.raises(drivers.CapacityError, match=words):
        device.configure(Network(4, (Population(3),) * 3, (*chain, *projections)))


def test_a_reservoir_has_the_room_of_the_chip() -> None:
    chain = Projection(0, 1), Projection(1, 2)
    with drivers.open("xylo:") as device:
        for size, words in ((64, ""), (65, "65 neurons after a hidden layer.* room for 64")):
            graph = Network(4, (Population(size), Population(2)), (*chain, Projection(1, 1)))
            if not words:
                device.configure(graph)
                continue
            with pytest.raises(drivers.CapacityError, match=words):
                device.configure(graph)


def test_a_network_is_the_simulator_called_by_hand() -> None:
    device = drivers.open("xylo:")
    device.configure(Network.feed_forward((2, 3, 2), (1.0, 2.0)))
    first = device.write_weights(0, [[1.0, -0.5, 0.25], [0.5, 0.5, -1.0]])
    last = device.write_weights(1, [[2.0, -2.0], [1.0, 0.3], [-0.4, 0.7]])
    stimulus = spikes(3, 40, 1, 2, rate=1.0)

    # 127 * 2**4 / 1 and 127 * 2**5 / 2 are the thresholds below 2048.
    def synapse(target: int, code: float) -> object:
        return xylosim.XyloSynapse(target, 0, round(code * 127))

    ins = [[synapse(j, w) for j, w in enumerate(row)] for row in first * 2032 / (127 * 16)]
    outs = [[synapse(j, w) for j, w in enumerate(row)] for row in last * 2032 / (127 * 32)]
    layer = xylosim.XyloLayer(
        synapses_in=ins,
        synapses_rec=[[], [], []],
        synapses_out=outs,
        aliases=[[], [], []],
        threshold=[2032] * 3,
        threshold_out=[2032] * 2,
        has_bias=False,
        bias=[],
        bias_out=[],
        weight_shift_inp=4,
        weight_shift_rec=0,
        weight_shift_out=5,
        dash_mem=[4] * 3,
        dash_mem_out=[4] * 2,
        dash_syns=[[1]] * 3,
        dash_syns_out=[[1]] * 2,
        name="by hand",
    )
    rows = stimulus.data.toarray().astype(int).tolist()
    output = np.array(layer.evolve([*rows, [0, 0]]))
    readout = device.run(stimulus, [Probe(1, "spikes"), Probe(1)])
    assert output.sum() > 0
    np.testing.assert_array_equal(readout.counts[0], output[1:].sum(axis=0))
    hidden = np.array(layer.rec_recurrent_spikes)[:40]
    np.testing.assert_array_equal(readout.samples[Probe(1, "spikes")][:, 0], hidden)
    after = np.array(layer.rec_v_mem).T[:40]
    before = after + hidden * 2032
    np.testing.assert_allclose(readout.samples[Probe(1)][:, 0] * 2032, before, atol=0.01)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.0625, 15.0))
def test_stored_weights_are_eight_bits_and_within_half_a_step(seed: int, scale: float) -> None:
    device = drivers.open("xylo:")
    device.configure(Network.feed_forward((16, 8, 4), (scale, scale)))
    wanted = np.random.default_rng(seed).normal(0, scale / 2, (16, 8))
    stored = device.write_weights(0, wanted)
    assert np.abs(stored).max() <= scale * (1 + 1e-6)
    # The threshold is whole, so that all of the grid may lie one part in a thousand low.
    inside = np.clip(wanted, -scale, scale)
    assert np.abs(stored - inside).max() <= scale / 127 / 2 + scale / 1000
    assert len(np.unique(stored)) > 40
    np.testing.assert_array_equal(device.write_weights(0, stored), stored)


@pytest.mark.parametrize(
    ("url", "layers", "words"),
    [
        ("xylo:", (64, 100, 8), "64 inputs: this device has room for 16"),
        ("xylo:", (16, 100, 10), "10 outputs after a hidden layer: this device has room for 8"),
        ("xylo:", (16, 1001, 8), "room for 1000"),
        ("xylo:audio2", (16, 60, 65, 8), "room for 64"),
        ("xylo:audio2", (16, 900, 10, 60, 51, 8), "1021 hidden neurons"),
        ("xylo:audio3", (16, 129, 32), "room for 128"),
        ("xylo:audio3", (16, 40, 33), "room for 32"),
        ("xylo:imu", (16, 128, 128, 128, 112, 16), "47104 synapses between hidden neurons"),
        ("xylo:imu", (16, 40, 17), "room for 16"),
    ],
)
def test_what_has_no_room_is_refused(url: str, layers: tuple[int, ...], words: str) -> None:
    with drivers.open(url) as device, pytest.raises(drivers.CapacityError, match=words) as caught:
        device.configure(Network.feed_forward(layers))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "layers"),
    [
        ("xylo:audio2", (16, 1000, 8)),
        ("xylo:audio2", (16, 900, 64, 8)),
        ("xylo:audio3", (16, 128, 128, 32)),
        ("xylo:imu", (16, 128, 128, 16)),
    ],
)
def test_what_has_room_is_taken(url: str, layers: tuple[int, ...]) -> None:
    with drivers.open(url) as device:
        device.configure(Network.feed_forward(layers))
        assert device.run(spikes(0, 2, 1, 16)).counts.shape == (1, layers[-1])


def test_more_spikes_than_a_channel_takes_are_refused() -> None:
    device = opened((2, 3, 2), 0, 1.0)
    device.run(Stimulus.spikes([[15, 0], [0, 15]], steps=2))
    with pytest.raises(drivers.StimulusError, match="16 spikes of a channel"):
        device.run(Stimulus.spikes([[16, 0], [0, 0]], steps=2))


def test_currents_are_refused() -> None:
    device = opened((2, 3, 2), 0, 1.0)
    with pytest.raises(drivers.StimulusError, match="takes spikes"):
        device.run(Stimulus.current([[1.0, 0.0]], steps=3))


def test_a_slower_membrane_keeps_more() -> None:
    kept = []
    for tau in (0.002, 0.016, 0.128):
        device = drivers.open("xylo:")
        device.configure(Network.feed_forward((1, 1, 1), settings={"tau_membrane": tau}))
        device.write_weights(0, [[0.9]])
        stimulus = Stimulus.spikes([[1]] + [[0]] * 19, steps=20)
        kept.append(float(device.run(stimulus, [Probe(1)]).samples[Probe(1)][-1, 0, 0]))
    assert 0 <= kept[0] < 0.05 < kept[1] < 0.5 < kept[2] < 0.9


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("xylo:audio4", drivers.DeviceNotFound, "did you mean 'audio"),
        ("xylo:?gain=2", drivers.SettingError, "takes no options, was given gain"),
    ],
)
def test_bad_addresses_are_refused(url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        drivers.open(url)
    assert "\n" not in str(caught.value)


def test_without_the_simulator_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xylosim.v2", None)
    with pytest.raises(drivers.DeviceNotFound, match=r"pip install 'spikeloop\[xylo\]'") as caught:
        drivers.open("xylo:")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("observe", ["membrane", "spikes"])
def test_it_learns(tmp_path: Path, observe: str) -> None:
    sections = {
        "task": write_xor(tmp_path),
        "device": "xylo:",
        "observe": observe,
        "encoding": {"name": "poisson", "max_rate": 0.5},
        "network": {"hidden": [24, 16], "steps": 20},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 8, "batch": 20},
    }
    result = training.train(Run.create(tmp_path / "run", configuration.build(sections)))
    assert result["test_accuracy"] > 0.9


@pytest.mark.parametrize("url", ["xylo:audio2", "xylo:audio3", "xylo:imu"])
def test_it_keeps_the_contract(url: str) -> None:
    with Harness(lambda: drivers.open(url)) as harness:
        found = [run_check(check, harness) for check in CHECKS]
    assert [each for each in found if each.verdict == "failed"] == []
    assert sum(each.verdict == "passed" for each in found) > len(found) / 2
