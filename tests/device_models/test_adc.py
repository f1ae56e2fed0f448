"""The converter of membranes against its definition, value by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_models import Chip, RecordingRequest, neurons, profiles
from device_models.generators import Noise, sequence
from device_models.nonidealities import MembraneADC, override
from device_models.readout import ADCChannels

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
    channels.read(membrane, out, Noise(sequence(0)), 0)
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
