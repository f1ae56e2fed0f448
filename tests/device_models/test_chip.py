"""Chips: each non-ideality has its stated distribution, belongs to its chip, and can be nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, lognorm

from device_models import Chip, RecordingRequest, neurons, profiles
from device_models.generators import Noise, Normals, sequence, splitmix64
from device_models.mismatch import draw_defects, draw_factors, draw_offsets
from device_models.nonidealities import by_name, override

IDEAL = profiles.get("ideal").nonidealities


def chip(seed: int = 0, **values: float) -> Chip:
    found = Chip(neurons.get("lif"), override(IDEAL, values), seed=seed)
    found.configure([30, 2000, 3], [1.0, 1.0])
    return found


@pytest.mark.parametrize("cv", [0.05, 0.3, 1.0])
def test_factors_are_log_normal_with_mean_one(cv: float) -> None:
    drawn = draw_factors(3, "threshold_cv", 0, 20_000, cv)
    sigma = np.sqrt(np.log1p(cv**2))
    expected = lognorm(s=sigma, scale=np.exp(-(sigma**2) / 2))
    assert drawn.min() > 0
    assert kstest(drawn, expected.cdf).pvalue > 1e-3
    assert abs(drawn.mean() - 1) < 5 * cv / np.sqrt(20_000)


def test_patterns_belong_to_chip_name_and_layer() -> None:
    drawn = [
        draw_factors(chip_seed, name, layer, 500, 0.2)
        for chip_seed, name, layer in ((1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1))
    ]
    np.testing.assert_array_equal(drawn[0], draw_factors(1, "a", 0, 500, 0.2))
    correlations = np.corrcoef(np.stack(drawn))[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 0.2


def test_a_neuron_keeps_its_pattern_in_a_larger_layer() -> None:
    np.testing.assert_array_equal(
        draw_factors(1, "a", 0, 50, 0.2), draw_factors(1, "a", 0, 80, 0.2)[:50]
    )
    np.testing.assert_array_equal(
        draw_defects(1, "dead", 0, 50, 0.3), draw_defects(1, "dead", 0, 80, 0.3)[:50]
    )


def test_offsets_are_normal_and_bounded() -> None:
    drawn = draw_offsets(3, "reset_sd", 0, 20_000, 0.1)
    assert abs(drawn.std() / 0.1 - 1) < 0.03
    assert np.abs(drawn).max() <= 0.3 + 1e-6


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_dead_neurons_include_the_fewer(a: float, b: float) -> None:
    fewer, more = (draw_defects(5, "dead", 0, 200, f) for f in sorted((a, b)))
    assert not np.any(fewer & ~more)


def test_dead_neurons_rest_and_are_silent() -> None:
    found = chip(dead_fraction=0.2)
    found.write(0, np.full((30, 2000), 0.2, np.float32))
    drive = np.ones((2, 30), np.float32)
    _, [raster, membrane] = found.run(
        drive, 10, 2, [RecordingRequest(0, "spikes"), RecordingRequest(0, "membrane")], 0
    )
    silent = raster.sum(axis=(0, 1)) == 0
    assert abs(silent.mean() - 0.2) < 0.04
    assert np.all(membrane[:, :, silent] == 0)


@pytest.mark.parametrize("defect", ["dead_fraction", "tonic_fraction"])
def test_the_output_layer_is_spared(defect: str) -> None:
    found = chip(**{defect: 1.0})
    assert found.circuit is not None
    hidden, output = found.circuit.layers
    assert np.all((hidden.gain == 0) | (hidden.bias == 2))
    assert np.all((output.gain == 1) & (output.bias == 0))
    assert np.all(np.isfinite(output.varied["v_threshold"]))


@pytest.mark.parametrize(
    ("nonideality", "parameter"),
    [("threshold_cv", "v_threshold"), ("leak_cv", "tau_membrane"), ("reset_sd", "v_reset")],
)
def test_nonidealities_reach_their_parameter(nonideality: str, parameter: str) -> None:
    assert chip().circuit.layers[0].varied[parameter].std() == 0  # type: ignore[union-attr]
    values = chip(**{nonideality: 0.2}).circuit.layers[0].varied[parameter]  # type: ignore[union-attr]
    spread = values / values.mean() if nonideality != "reset_sd" else values
    tolerance = 0.15 if nonideality == "leak_cv" else 0.06  # tau is the inverse of what is drawn
    assert abs(spread.std() / 0.2 - 1) < tolerance


def test_no_imperfection_is_exactly_the_ideal_chip() -> None:
    """Every non-ideality of every tier at 0 gives the same run to the bit, whatever the seed."""
    runs = []
    for seed in (1, 2):
        found = Chip(
            neurons.get("lif"),
            override(
                profiles.get("mixed-signal").nonidealities,
                {name: 0 for name, f in by_name(IDEAL).items() if f.value == 0},
            ),
            seed=seed,
        )
        found.configure([30, 40, 3], [1.0, 1.0])
        rng = np.random.default_rng(0)
        found.write(0, rng.normal(0, 0.1, (30, 40)).astype(np.float32))
        found.write(1, rng.normal(0.1, 0.3, (40, 3)).astype(np.float32))
        drive = rng.random((4, 30)).astype(np.float32)
        runs.append(found.run(drive, 20, 4, [RecordingRequest(0, "membrane")], trial=seed))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1][0], runs[1][1][0])


def test_synapses_have_gains_of_their_own() -> None:
    found = chip(weight_cv=0.25)
    found.write(0, np.full((30, 2000), 0.5, np.float32))
    gain = found.crossbars[0].effective / 0.5
    assert abs(gain.std() / 0.25 - 1) < 0.02
    assert abs(gain.mean() - 1) < 0.01


def test_the_converter_has_channels_steps_range_and_noise() -> None:
    found = chip(adc_gain_cv=0.1, adc_offset_sd=0.05)
    found.write(0, np.full((30, 2000), 0.02, np.float32))
    drive = np.ones((3, 30), np.float32)
    true = chip()
    true.write(0, np.full((30, 2000), 0.02, np.float32))
    seen, real = (
        c.run(drive, 4, 3, [RecordingRequest(0, "membrane")], 0)[1][0] for c in (found, true)
    )
    slope = (seen[2] - seen[0]) / (real[2] - real[0])
    np.testing.assert_allclose(slope[0], slope[1], rtol=1e-3)
    assert abs(slope[0].std() / 0.1 - 1) < 0.06
    offset = seen[0] - slope * real[0]
    assert abs(offset[0].std() / 0.05 - 1) < 0.06

    coarse = chip(adc_bits=5, adc_minimum=0, adc_maximum=1)
    coarse.write(0, np.full((30, 2000), 0.05, np.float32))
    read = coarse.run(drive, 4, 3, [RecordingRequest(0, "membrane")], 0)[1][0]
    np.testing.assert_allclose(read * 31, np.rint(read * 31), atol=1e-4)
    assert read.max() <= 1.0, "beyond its range a converter saturates"

    noisy = chip(adc_noise=0.03)
    read = noisy.run(drive, 4, 3, [RecordingRequest(0, "membrane")], 0)[1][0]
    assert abs(read.std() / 0.03 - 1) < 0.02


def test_fast_normals_are_normal() -> None:
    drawn = Normals(sequence(1, "test")).draw(200_001)
    assert drawn.shape == (200_001,)
    assert kstest(drawn, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01


def test_noise_is_splitmix64() -> None:
    """The published sequence of the seed 1234567."""
    noise = Noise(0)
    noise.key = np.array([1234567], np.uint64)
    found = [int(word) for word in splitmix64(noise.key, np.arange(3))]
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("axis", ["step", "sample", "place", "name"])
def test_noise_at_one_address_says_nothing_of_that_at_the_next(axis: str) -> None:
    noise, other = Noise(1, "a"), Noise(1, "b")
    drawn = np.stack([noise.normals(step, 60, 61) for step in range(60)])
    assert drawn.shape == (60, 60, 61)
    assert kstest(drawn.ravel(), "norm").pvalue > 1e-3
    shifted = {
        "step": (drawn[1:], drawn[:-1]),
        "sample": (drawn[:, 1:], drawn[:, :-1]),
        "place": (drawn[..., 1:], drawn[..., :-1]),
        "name": (drawn, np.stack([other.normals(step, 60, 61) for step in range(60)])),
    }
    one, next_ = (values.ravel() for values in shifted[axis])
    assert abs(np.corrcoef(one, next_)[0, 1]) < 0.01
    assert abs(np.corrcoef(one**2, next_**2)[0, 1]) < 0.01
    uniform = noise.uniforms(3, np.repeat(np.arange(100), 100), np.tile(np.arange(100), 100))
    assert kstest(uniform, "uniform").pvalue > 1e-3


def test_noise_of_a_sample_is_the_same_in_any_batch() -> None:
    found = chip(membrane_noise=0.1, spike_loss=0.2, spurious_spikes=0.1, adc_noise=0.1)
    drive = np.random.default_rng(0).random((7, 30)).astype(np.float32)
    wanted = [RecordingRequest(0, "membrane"), RecordingRequest(0, "spikes")]
    runs = [found.run(drive[:batch], 6, batch, wanted, 1)[1] for batch in (7, 4)]
    for whole, part in zip(*runs, strict=True):
        np.testing.assert_array_equal(whole[:, :4], part)


@given(st.sampled_from(sorted(by_name(IDEAL))), st.floats(-1e6, 1e6))
def test_nonidealities_are_held_to_their_range(name: str, value: float) -> None:
    spec = by_name(IDEAL)[name]
    if spec.minimum <= value <= spec.maximum and (not spec.whole or value == int(value)):
        assert by_name(override(IDEAL, {name: value}))[name].value == value
    else:
        with pytest.raises(ValueError, match=name):
            override(IDEAL, {name: value})


@pytest.mark.parametrize("full_scale", [0.05, 0.7, 1.2, 2.5, 40.0])
def test_digital_weights_are_eight_bits_and_a_shift(full_scale: float) -> None:
    """What arrives is a whole number of up to 127 times 2^6 times a power of two (Loihi)."""
    found = Chip(neurons.get("loihi"), profiles.get("loihi").nonidealities)
    found.configure([50, 40], [full_scale])
    weights = np.random.default_rng(0).normal(0, full_scale / 2, (50, 40)).astype(np.float32)
    stored = found.write(0, weights)
    units = stored.astype(np.float64) * found.model.swing / 64
    shift = np.rint(np.log2(np.abs(units[np.abs(units) > 0.5]).min()))
    mantissa = units / 2**shift
    np.testing.assert_allclose(mantissa, np.rint(mantissa), atol=1e-4)
    assert np.abs(mantissa).max() <= 127
    step = 64 * 2**shift / found.model.swing
    assert np.abs(stored - weights.clip(-full_scale, full_scale)).max() <= step / 2 + 1e-5
