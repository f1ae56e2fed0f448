"""A board behind the contract: what it runs and what it refuses.

Boards are simulated; their neurons are checked against floating point.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import drivers
from drivers import (
    CapacityError,
    DeviceRestarted,
    Network,
    Probe,
    Stimulus,
    StimulusError,
    UnsupportedProbe,
)
from drivers.board.hello import make_hello
from support.paths import tries
from support.plain_board import board

SEED = st.integers(0, 2**32 - 1)


# -- what it runs -----------------------------------------------------------------------------


def reference(
    stimulus: Stimulus, weights: list[NDArray[np.float32]], tau: float, threshold: float
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Leaky integrate-and-fire in floating point: membranes and spikes `(T, B, n)` by layer."""
    decay = np.exp(-1e-3 / tau)
    if stimulus.kind == "current":
        inputs = np.repeat(np.asarray(stimulus.data)[None], stimulus.steps, 0)
    elif stimulus.kind == "current_trace":
        inputs = np.asarray(stimulus.data)
    else:
        inputs = stimulus.data.toarray().reshape(stimulus.steps, stimulus.batch, -1)  # type: ignore[union-attr]
    v = [np.zeros((stimulus.batch, w.shape[1])) for w in weights]
    membranes: list[list[NDArray[np.float64]]] = [[] for _ in weights]
    spikes: list[list[NDArray[np.float64]]] = [[] for _ in weights]
    for given_now in inputs:
        arriving: NDArray[np.floating] = given_now
        for layer, w in enumerate(weights):
            current = layer == 0 and stimulus.kind != "spikes"
            v[layer] = v[layer] * decay
            if current:
                v[layer] += arriving @ w
            fired = (v[layer] >= threshold).astype(float)
            # A board shows no more than 8 thresholds either way.
            membranes[layer].append(np.clip(v[layer], -8, 8))
            spikes[layer].append(fired)
            if not current:
                v[layer] += arriving @ w
            v[layer] -= threshold * fired
            arriving = fired
    return [np.array(each) for each in membranes], [np.array(each) for each in spikes]


def stimuli(rng: np.random.Generator, n_in: int, batch: int, steps: int) -> dict[str, Stimulus]:
    def currents(*shape: int) -> NDArray[np.float64]:
        return rng.integers(-128, 256, shape) / 256  # as fine as a board takes them

    return {
        "current": Stimulus.current(currents(batch, n_in), steps=steps),
        "trace": Stimulus.current_trace(currents(steps, batch, n_in)),
        "events": Stimulus.spikes(rng.integers(0, 2, (steps * batch, n_in)), steps=steps),
        "counts": Stimulus.spikes(rng.integers(0, 4, (steps * batch, n_in)), steps=steps),
    }


@pytest.mark.parametrize("kind", ["current", "trace", "events", "counts"])
@pytest.mark.parametrize(("tau", "threshold"), [(10e-3, 1.0), (2e-3, 0.5), (0.1, 1.5)])
def test_neurons_are_those_of_the_settings(kind: str, tau: float, threshold: float) -> None:
    rng = np.random.default_rng(5)
    device, _, _ = board()
    settings = {"tau_membrane": tau, "threshold": threshold}
    device.configure(Network.feed_forward((9, 14, 6), (1.0, 2.0), settings))
    asked = [rng.normal(size=shape) * 0.3 for shape in ((9, 14), (14, 6))]
    weights = [device.write_weights(p, w) for p, w in enumerate(asked)]
    stimulus = stimuli(rng, 9, 40, 25)[kind]
    first = Probe(1), Probe(1, "spikes"), Probe(1, every=4), Probe(1, every=7, reduce="mean")
    probes = [
        *first,
        Probe(1, every=7, reduce="last"),
        Probe(2, "spikes"),
        Probe(2, neurons=(4, 1)),
    ]
    got = device.run(stimulus, probes)
    membranes, spikes = reference(stimulus, weights, tau, threshold)
    assert 0.02 < spikes[0].mean() < 0.9 and spikes[1].any()
    # A spike at a membrane that is at threshold but for rounding may fall either way, and the
    # rest of that sample with it.
    same = (got.samples[first[1]] == spikes[0]).all(axis=(0, 2))
    assert same.mean() > 0.8
    np.testing.assert_allclose(got.samples[first[0]][:, same], membranes[0][:, same], atol=0.02)
    np.testing.assert_array_equal(got.samples[first[2]], got.samples[first[0]][3::4])
    sampled = got.samples[first[0]][6::7]
    np.testing.assert_allclose(got.samples[first[3]], sampled.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(got.samples[probes[4]], sampled[-1])
    np.testing.assert_array_equal(got.counts, got.samples[probes[5]].sum(axis=0))
    same &= (got.samples[probes[5]] == spikes[1]).all(axis=(0, 2))
    assert same.mean() > 0.6
    np.testing.assert_allclose(
        got.samples[probes[6]][:, same], membranes[1][:, same][:, :, [4, 1]], atol=0.02
    )


@settings(max_examples=tries(35, 100))
@given(
    seed=SEED,
    sizes=st.lists(st.integers(1, 17), min_size=2, max_size=4),
    batch=st.integers(1, 9),
    steps=st.integers(1, 12),
    payload=st.integers(900, 1400),
    kind=st.sampled_from(["current", "trace", "events", "counts"]),
)
def test_the_size_of_frames_changes_nothing(
    seed: int, sizes: list[int], batch: int, steps: int, payload: int, kind: str
) -> None:
    """Batches and probes that do not fit one request are split; nothing else differs."""
    rng = np.random.default_rng(seed)
    depth = len(sizes) - 1
    weights = [rng.normal(size=shape) for shape in pairwise(sizes)]
    stimulus = stimuli(rng, sizes[0], batch, steps)[kind]
    every = int(rng.integers(1, steps + 1))
    offered = [
        *(
            Probe(n, "spikes", reduce=r)
            for n in range(1, depth + 1)
            for r in ("none", "mean", "last")
        ),
        *(
            Probe(n, every=e, reduce=r)
            for n in range(1, depth + 1)
            for e in {1, every}
            for r in ("none", "mean", "last")
        ),
        Probe(1, neurons=(sizes[1] - 1, 0)),
    ]
    probes = [p for p in offered if rng.random() < 0.7]
    readouts = []
    for limits in (make_hello(payload=payload), make_hello(payload=65535)):
        device, _, _ = board(limits, chip=seed)
        device.configure(Network.feed_forward(tuple(sizes)))
        stored = [device.write_weights(p, w) for p, w in enumerate(weights)]
        readouts.append(device.run(stimulus, probes))
        for each, asked in zip(stored, weights, strict=True):
            np.testing.assert_allclose(each, np.clip(asked, -1, 1), atol=0.5 / 127 + 1e-6)
    small, large = readouts
    np.testing.assert_array_equal(small.counts, large.counts)
    for probe in probes:
        np.testing.assert_array_equal(small.samples[probe], large.samples[probe])


def test_chips_differ_and_a_chip_is_itself() -> None:
    rng = np.random.default_rng(1)
    stimulus, weights = stimuli(rng, 8, 20, 30)["current"], rng.normal(size=(8, 12)) * 0.3

    @lru_cache
    def counts(chip: int, opening: int) -> bytes:
        with drivers.open(f"board:simulated://?seed={chip}") as device:
            device.configure(Network.feed_forward((8, 12), (1.0,)))
            device.write_weights(0, weights)
            return device.run(stimulus).counts.tobytes()

    assert counts(4, 1) == counts(4, 2)
    assert len({counts(chip, 1) for chip in (0, 1, 2, 3)}) == 4


# -- what it refuses --------------------------------------------------------------------------

SMALL = make_hello("small", layers=2, inputs=20, neurons=16, synapses=200, steps=30, payload=300)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((21, 3), "21 inputs: this device has room for 20"),
        ((5, 17), "17 neurons in a layer"),
        ((5, 4, 4, 4), "3 neuron layers"),
        ((20, 10, 1), "210 synapses in all: this device has room for 200"),
    ],
)
def test_networks_larger_than_the_board(layers: tuple[int, ...], words: str) -> None:
    device, _, _ = board(SMALL)
    with pytest.raises(CapacityError, match=words):
        device.configure(Network.feed_forward(layers))
    device.configure(Network.feed_forward((12, 16)))  # 192 weights
    device.run(Stimulus.current(np.ones((2, 12)), steps=30))


@pytest.mark.parametrize(
    ("stimulus", "probes", "error", "words"),
    [
        (Stimulus.current(np.full((1, 12), 16.1), steps=5), [], StimulusError, "events per step"),
        (Stimulus.current(np.full((1, 12), -99), steps=5), [], StimulusError, "-16.00 to 16.00"),
        (Stimulus.spikes(np.full((5, 12), 256), steps=5), [], StimulusError, "at most 255"),
        (Stimulus.current(np.ones((1, 12)), steps=31), [], CapacityError, "31 steps"),
        (Stimulus.current_trace(np.ones((20, 1, 12))), [], CapacityError, "480 bytes"),
        (
            Stimulus.current(np.ones((1, 12)), steps=30),
            [Probe(1)],
            UnsupportedProbe,
            "992 bytes a sample: this board sends at most 300; sample less often",
        ),
    ],
)
def test_runs_beyond_the_board(
    stimulus: Stimulus, probes: list[Probe], error: type[Exception], words: str
) -> None:
    device, _, _ = board(SMALL)
    device.configure(Network.feed_forward((12, 16)))
    with pytest.raises(error, match=re.escape(words)):
        device.run(stimulus, probes)
    if error is UnsupportedProbe or stimulus.kind == "current_trace":
        with pytest.raises(error, match=re.escape(words)):  # and before anything is trained
            device.check_run(stimulus.kind, stimulus.batch, stimulus.steps, probes)
    device.run(Stimulus.current(np.full((3, 12), 15.9), steps=30), [Probe(1, every=4)])


def test_a_restart_is_told_and_over_when_configured_anew() -> None:
    device, _, simulated = board()
    stimulus, weights = Stimulus.current(np.ones((2, 5)), steps=20), np.full((5, 4), 0.3)
    device.configure(Network.feed_forward((5, 4)))
    device.write_weights(0, weights)
    before = device.run(stimulus).counts
    acts = [
        lambda: device.run(stimulus),
        lambda: device.write_weights(0, 2 * weights),
    ]
    for act in acts:
        simulated.reboot()
        with pytest.raises(DeviceRestarted, match="configure it"):
            act()
        device.configure(Network.feed_forward((5, 4)))
        assert not device.run(stimulus).counts.any()
        device.write_weights(0, weights)
        np.testing.assert_array_equal(device.run(stimulus).counts, before)
