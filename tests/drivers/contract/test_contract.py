"""The door: what it refuses, in what words, and that a driver's mistakes show at it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drivers
from drivers import Network, Probe, ProbeOffer, Readout, Stimulus, WeightFormat
from support.restated import restated

IDEAL = "emulator:ideal"


@pytest.fixture
def device() -> drivers.Device:
    opened = drivers.open(IDEAL)
    opened.configure(Network.feed_forward((4, 6, 3), (1.0, 1.0)))
    return opened


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nothing", drivers.DeviceNotFound, "scheme"),
        ("emulater:ideal", drivers.DeviceNotFound, "did you mean 'emulator'"),
        ("emulator:mixedsignal", drivers.SettingError, "did you mean 'mixed-signal'"),
        ("emulator:ideal?treshold_cv=0.1", drivers.SettingError, "did you mean 'threshold_cv'"),
        ("emulator:ideal?threshold_cv=9", drivers.SettingError, "from 0 to 2"),
        ("emulator:ideal?threshold_cv=much", drivers.SettingError, "threshold_cv = much"),
        ("emulator:ideal?threshold_cv=nan", drivers.SettingError, "threshold_cv = nan"),
        ("emulator:ideal?weight_bits=2.5", drivers.SettingError, "whole number"),
        ("emulator:ideal?chip=-1", drivers.SettingError, "chip = -1"),
        ("emulator:ideal?chip=1&chip=2", drivers.SettingError, "twice"),
        ("emulator:ideal?chip", drivers.SettingError, "key=value"),
        ("emulator:ideal?neuron=liff", drivers.SettingError, "did you mean 'lif'"),
        ("emulator:ideal?reset=sof", drivers.SettingError, "did you mean 'soft'"),
    ],
)
def test_bad_addresses_are_refused_in_one_line(
    url: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        drivers.open(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "error", "words"),
    [
        (Network.feed_forward((4,)), drivers.CapacityError, "at least one layer"),
        (Network.feed_forward((4, 0, 3)), drivers.CapacityError, "none of them empty"),
        (Network.feed_forward((4, 10**6, 3)), drivers.CapacityError, "room for 262144"),
        (Network.feed_forward((4, *[2] * 40)), drivers.CapacityError, "40 neuron layers"),
        (Network.feed_forward((4, 6, 3), (1.0, 1e6)), drivers.CapacityError, "full scale 1e"),
        (
            Network.feed_forward((4, 3), settings={"thresold": 1.0}),
            drivers.SettingError,
            "did you mean",
        ),
        (
            Network.feed_forward((4, 3), settings={"threshold": 1e9}),
            drivers.SettingError,
            "0.1 to 10 V",
        ),
    ],
)
def test_networks_beyond_the_device_are_refused(
    network: Network, error: type[Exception], words: str
) -> None:
    with drivers.open(IDEAL) as opened, pytest.raises(error, match=words):
        opened.configure(network)


def test_order_of_use_is_enforced() -> None:
    opened = drivers.open(IDEAL)
    stimulus = Stimulus.current(np.ones((1, 4)), steps=5)
    with pytest.raises(drivers.NotConfigured):
        opened.run(stimulus)
    with pytest.raises(drivers.NotConfigured):
        opened.write_weights(0, np.ones((4, 3)))
    opened.configure(Network.feed_forward((4, 3)))
    opened.run(stimulus)
    opened.reset()
    with pytest.raises(drivers.NotConfigured):
        opened.run(stimulus)
    opened.close()
    opened.close()
    with pytest.raises(drivers.DeviceClosed):
        opened.configure(Network.feed_forward((4, 3)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Stimulus.current(np.ones(4), steps=5), "shape"),
        (lambda: Stimulus.current(np.ones((0, 4)), steps=5), "none of them 0"),
        (lambda: Stimulus.current(np.full((1, 4), np.nan), steps=5), "not finite"),
        (lambda: Stimulus.current(np.ones((1, 4)), steps=0), "at least 1"),
        (lambda: Stimulus.current_trace(np.ones((2, 4))), "steps, batch, inputs"),
        (lambda: Stimulus.spikes(np.ones((7, 4)), steps=5), "do not divide"),
        (lambda: Stimulus.spikes(np.full((5, 4), 0.5), steps=5), "whole counts"),
        (lambda: Stimulus.spikes(-np.ones((5, 4)), steps=5), "at least 0"),
    ],
)
def test_impossible_stimuli_cannot_be_made(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(drivers.StimulusError, match=words):
        make()


def test_every_stimulus_is_dense_in_the_same_way() -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 3, (5, 2, 4)).astype(np.float32)
    spikes = Stimulus.spikes(counts.reshape(10, 4), steps=5)
    trace = Stimulus.current_trace(counts)
    constant = Stimulus.current(counts[0], steps=5)
    for stimulus, expected in (
        (spikes, counts),
        (trace, counts),
        (constant, np.stack([counts[0]] * 5)),
    ):
        dense = stimulus.dense()
        assert dense.shape == (stimulus.steps, stimulus.batch, stimulus.channels)
        assert dense.dtype == np.float32 and np.array_equal(dense, expected)
        with pytest.raises(ValueError, match="read-only"):
            dense[0, 0, 0] = 9
    assert np.shares_memory(constant.dense(), constant.data)
    assert np.shares_memory(trace.dense(), trace.data) and trace.data.flags.writeable


def test_a_stimulus_must_fit_the_network(device: drivers.Device) -> None:
    with pytest.raises(drivers.StimulusError, match="5 channels: the network has 4"):
        device.run(Stimulus.current(np.ones((1, 5)), steps=5))
    with pytest.raises(drivers.CapacityError, match="room for 1024"):
        device.run(Stimulus.current(np.ones((1025, 4)), steps=1))


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (lambda: Probe(0), "layers are 1 to 2"),
        (lambda: Probe(3), "layers are 1 to 2"),
        (lambda: Probe(1, every=9), "no sample"),
        (lambda: Probe(1, every=0), "at least 1"),
        (lambda: Probe(1, "spikes", every=2), "would lose"),
        (lambda: Probe(1, neurons=(6,)), "outside 0 to 5"),
        (lambda: Probe(1, neurons=()), "no neurons"),
        (lambda: Probe(1, "voltage"), "spikes or membrane"),
        (lambda: Probe(1, reduce="median"), "none, mean or last"),
    ],
)
def test_impossible_probes_are_refused(device: drivers.Device, probe, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(drivers.UnsupportedProbe, match=words):
        device.run(Stimulus.current(np.ones((1, 4)), steps=5), [probe()])


@pytest.mark.parametrize(
    ("weights", "projection", "words"),
    [
        (np.ones((4, 5)), 0, r"give \(4, 6\)"),
        (np.ones((6, 3)), 2, "0 to 1"),
        (np.full((4, 6), np.inf), 0, "not all finite"),
    ],
)
def test_bad_weights_are_refused(
    device: drivers.Device, weights: np.ndarray, projection: int, words: str
) -> None:
    with pytest.raises(drivers.WeightError, match=words):
        device.write_weights(projection, weights)


def test_a_refusal_leaves_the_device_usable(device: drivers.Device) -> None:
    stimulus = Stimulus.current(np.full((2, 4), 0.5), steps=9)
    device.write_weights(0, np.ones((4, 6)))
    before = device.run(stimulus, [Probe(1)], trial=1)
    for bad in (np.ones((1, 1)), np.full((4, 6), np.nan)):
        with pytest.raises(drivers.WeightError):
            device.write_weights(0, bad)
    with pytest.raises(drivers.CapacityError):
        device.configure(Network.feed_forward((4, 10**7)))
    after = device.run(stimulus, [Probe(1)], trial=1)
    np.testing.assert_array_equal(before.samples[Probe(1)], after.samples[Probe(1)])


def test_zero_weights_are_silent_and_stimuli_equivalent() -> None:
    with drivers.open("emulator:mixed-signal?membrane_noise=0") as chip:
        chip.configure(Network.feed_forward((4, 6, 3)))
        assert chip.run(Stimulus.current(np.ones((3, 4)), steps=20)).counts.sum() == 0


def test_observing_never_changes_the_run() -> None:
    with drivers.open("emulator:mixed-signal?spike_loss=0.1&membrane_noise=0.1") as chip:
        chip.configure(Network.feed_forward((4, 6, 3), (2.0, 2.0)))
        rng = np.random.default_rng(0)
        for p, shape in enumerate([(4, 6), (6, 3)]):
            chip.write_weights(p, rng.normal(0.3, 0.3, shape))
        stimulus = Stimulus.current(rng.random((5, 4)), steps=25)
        everything = [
            Probe(layer, quantity, reduce=reduce)
            for layer in (1, 2)
            for quantity in ("spikes", "membrane")
            for reduce in ("none", "mean", "last")
        ]
        seen = chip.run(stimulus, everything, trial=4)
        unseen = chip.run(stimulus, trial=4)
        np.testing.assert_array_equal(seen.counts, unseen.counts)
        assert seen.counts.sum() > 0
        raster = seen.samples[Probe(2, "spikes")]
        np.testing.assert_array_equal(raster.sum(axis=0), seen.counts)
        membrane = seen.samples[Probe(1)]
        np.testing.assert_allclose(
            membrane.mean(axis=0), seen.samples[Probe(1, reduce="mean")], atol=1e-6
        )
        np.testing.assert_array_equal(membrane[-1], seen.samples[Probe(1, reduce="last")])


def test_samples_fall_at_the_end_of_every_interval_and_name_their_neurons() -> None:
    with drivers.open(IDEAL) as chip:
        chip.configure(Network.feed_forward((4, 6, 3), (2.0, 2.0)))
        chip.write_weights(0, np.full((4, 6), 0.1))
        stimulus = Stimulus.current(np.random.default_rng(0).random((2, 4)), steps=11)
        fine, coarse = Probe(1), Probe(1, neurons=(4, 1), every=3)
        found = chip.run(stimulus, [fine, coarse]).samples
        np.testing.assert_array_equal(found[coarse], found[fine][2::3][:, :, [4, 1]])


@given(
    levels=st.integers(2, 300),
    scale=st.floats(1e-3, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_quantisation_is_the_nearest_of_the_stated_levels(
    levels: int, scale: float, seed: int
) -> None:
    form = WeightFormat(1e-3, 100, levels)
    weights = np.random.default_rng(seed).normal(0, scale, 50).astype(np.float32)
    stored = form.quantise(weights, scale)
    grid = np.linspace(-scale, scale, levels)
    if levels % 2 == 0:
        grid = (np.arange(levels) - levels / 2 + 0.5) * 2 * scale / (levels - 1)
    distance = np.abs(weights.clip(-scale, scale)[:, None] - grid)
    np.testing.assert_allclose(
        np.abs(stored - weights.clip(-scale, scale)), distance.min(axis=1), atol=2e-6 * scale
    )
    np.testing.assert_allclose(form.quantise(stored, scale), stored, atol=1e-5 * scale)
    assert len(np.unique(stored)) <= levels


def test_offers_tell_hidden_from_output() -> None:
    info = restated(
        drivers.open(IDEAL).info, probes=(ProbeOffer("spikes", "output"), ProbeOffer("membrane"))
    )
    assert info.offer("spikes", 1, 2) is None
    assert info.offer("spikes", 2, 2) is not None
    assert info.offer("membrane", 1, 2) is not None


def test_readouts_carry_their_steps() -> None:
    with drivers.open(IDEAL) as chip:
        chip.configure(Network.feed_forward((4, 3)))
        readout = chip.run(Stimulus.current(np.ones((2, 4)), steps=7))
    assert isinstance(readout, Readout)
    assert (readout.steps, readout.membrane_sampled) == (7, "before_reset")
