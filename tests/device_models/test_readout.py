"""The readout of membranes: the converter value by value, which samples are shown, and when."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import drivers
from device_models import Chip, RecordingRequest, neurons, profiles
from device_models.generators import Noise
from device_models.nonidealities import MembraneADC, override
from device_models.readout import ADCChannels
from drivers import Network, Probe, Readout, Stimulus, UnsupportedProbe

LOW, HIGH = -0.5, 1.5


@given(
    bits=st.sampled_from([0, 1, 2, 5, 8]),
    scale=st.sampled_from([(0.0, 1.0), (-70.6e-3, 20e-3), (3.0, -2.0)]),
    seed=st.integers(0, 999),
)
def test_a_sample_is_the_nearest_level_to_what_its_channel_makes_of_the_membrane(
    bits: int, scale: tuple[float, float], seed: int
) -> None:
    (rest, swing), rng = scale, np.random.default_rng(seed)
    gain, offset = rng.lognormal(0, 0.2, 40), rng.normal(0, 0.1, 40)
    membrane = (rest + swing * rng.uniform(-1.5, 2.5, (6, 40))).astype(np.float32)
    adc = MembraneADC(adc_bits=bits, adc_minimum=LOW, adc_maximum=HIGH)
    channels = ADCChannels(
        adc, gain.astype(np.float32), offset.astype(np.float32), rest=rest, swing=swing
    )
    out = np.empty_like(membrane)
    channels.read(membrane, out, Noise(0), 0)
    # All in swings above rest from here on.
    true = gain * (membrane.astype(np.float64) - rest) / swing + offset
    read = (out.astype(np.float64) - rest) / swing
    if not bits:
        np.testing.assert_allclose(read, true, atol=1e-4)
        return
    levels = np.linspace(LOW, HIGH, 2**bits)
    away = np.abs(read[..., np.newaxis] - levels).min(axis=-1)
    assert away.max() < 1e-4
    step = levels[1] - levels[0]
    assert np.abs(read - np.clip(true, LOW, HIGH)).max() <= step / 2 + 1e-4


def silent(**values: float) -> Chip:
    chip = Chip(neurons.get("lif"), override(profiles.get("ideal").nonidealities, values))
    chip.configure([1, 300, 300], [1.0, 1.0])
    return chip


def seen(chip: Chip, trial: int | None) -> list[np.ndarray]:
    wanted = [RecordingRequest(layer, "membrane") for layer in (0, 1)]
    _, found = chip.run(np.zeros((2, 1), np.float32), 4, 2, wanted, trial)
    return [samples.ravel() for samples in found]


@pytest.mark.parametrize("noise", ["adc_noise", "membrane_noise"])
def test_noise_is_that_of_a_layer_and_of_a_trial_alone(noise: str) -> None:
    """Trials without a number have none of the noise that a number names."""
    chip = silent(**{noise: 0.1})
    runs = [seen(chip, trial) for trial in (0, 1, None, None)]
    for one in (sample for layers in runs for sample in layers):
        assert one.std() > 0.01
    correlated = np.corrcoef([sample for layers in runs for sample in layers])
    assert np.abs(correlated[~np.eye(len(correlated), dtype=bool)]).max() < 0.12
    for one, again in zip(runs[0], seen(silent(**{noise: 0.1}), 0), strict=True):
        np.testing.assert_array_equal(one, again)


STEPS, LAYERS = 12, (6, 5, 4)


def run(options: str, *probes: Probe) -> Readout:
    """A run of a small network on spikes that make it fire."""
    rng = np.random.default_rng(5)
    stimulus = Stimulus.spikes(rng.integers(0, 2, (STEPS * 3, LAYERS[0])), steps=STEPS)
    with drivers.open(f"emulator:ideal?{options}") as device:
        device.configure(Network.feed_forward(LAYERS, (4.0, 4.0)))
        for p, shape in enumerate(pairwise(LAYERS)):
            device.write_weights(p, rng.normal(0.3, 0.5, shape))
        return device.run(stimulus, probes, trial=1)


def samples(options: str, layer: int) -> NDArray[np.float64]:
    return run(options, Probe(layer)).samples[Probe(layer)].astype(np.float64)


@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("layer", [1, 2])
def test_what_is_left_after_a_reset_leaks_into_the_sample_before_the_next(
    reset: str, layer: int
) -> None:
    """Of spikes nothing comes in between: u of a step is what is left of v of the step before."""
    before = samples(f"reset={reset}", layer)
    after = samples(f"reset={reset}&adc_after_reset=1", layer)
    with drivers.open("emulator:ideal") as device:
        decay = device.info.neuron.decay
    assert decay is not None and 0 < decay < 1
    np.testing.assert_allclose(before[1:], decay * after[:-1], atol=1e-5)
    fired = before >= 1
    assert fired.any() and not np.allclose(before, after, atol=0.1)
    if reset == "hard":
        assert np.all(np.abs(after[fired]) < 1e-6)


def test_it_is_stated_and_changes_nothing_else() -> None:
    plain, late = run("", Probe(1)), run("adc_after_reset=1", Probe(1))
    np.testing.assert_array_equal(plain.counts, late.counts)
    assert (plain.membrane_sampled, late.membrane_sampled) == ("before_reset", "after_reset")
    with drivers.open("emulator:ideal?adc_after_reset=1") as device:
        for layer in (1, 2):
            offer = device.info.offer("membrane", layer, 2)
            assert offer is not None and offer.sampled == "after_reset"


def test_a_mean_alone_is_that_of_the_samples_which_are_not_shown() -> None:
    mean = Probe(1, reduce="mean")
    shown = run("adc_mean=1&adc_bits=6", mean).samples[mean]
    np.testing.assert_allclose(shown, samples("adc_bits=6", 1).mean(axis=0), atol=1e-5)
    for reduce in ("none", "last"):
        with pytest.raises(UnsupportedProbe, match="offers mean"):
            run("adc_mean=1", Probe(1, reduce=reduce))
