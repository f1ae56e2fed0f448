"""Profiles hold what their sources state, and the chips drawn from them show it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from device_models import Chip, neurons, profiles
from device_models.mismatch import LayerMismatch, SampledMismatch
from device_models.nonidealities import NonIdealities, by_name
from device_models.places import Places
from device_models.profiles import Profile

NAMES = profiles.names()
MANY = 20_000
# Spread of a standard deviation estimated from MANY: 1 / sqrt(2 MANY) for a normal, more for the
# longer tail of a log-normal. Ten such errors.
TOLERANCE = 0.05

# What the sources state, written down from them and not from the profiles: (least, most).
STATED: dict[str, dict[str, tuple[float, float]]] = {
    "dynap-se": {
        # Zendrikov, Solinas & Indiveri 2023: coefficients of variation of 0.1 to 0.2.
        "threshold_cv": (0.1, 0.2),
        "leak_cv": (0.1, 0.2),
        "synapse_tau_cv": (0.1, 0.2),
        "refractory_cv": (0.1, 0.2),
        "gain_cv": (0.1, 0.2),
        "weight_cv": (0.1, 0.2),
        # rockpool: 16 sums of four weight currents, either sign: 31 values.
        "weight_bits": (5, 5),
    },
    "brainscales-2-raw": {
        # Cramer et al. 2022: a decalibration by 0.5 notably exceeds the uncalibrated mismatch.
        "threshold_cv": (0.0, 0.5),
        "leak_cv": (0.0, 0.5),
        "synapse_tau_cv": (0.0, 0.5),
        # Cramer et al. 2022: 7-bit signed integers of two 6-bit synapses.
        "weight_bits": (7, 7),
        "adc_bits": (8, 8),
        # calix, test_cadc_calibration.py: less than 20 codes, 45 of which are a threshold.
        "adc_offset_sd": (0.0, 20 / 45),
    },
    "brainscales-2": {
        "weight_bits": (7, 7),
        "adc_bits": (8, 8),
        # calix, test_cadc_calibration.py: less than 3 codes after calibration.
        "adc_offset_sd": (0.0, 3 / 45),
    },
    "pcm-crossbar": {
        # aihwkit, pcm.py: least and most of its polynomial, of 25 uS.
        "programming_noise": (0.26348 / 25, 1.08634 / 25),
        # Its bounds of the mean exponent, and of the standard deviation over the mean.
        "drift": (0.049, 0.1),
        "drift_cv": (0.008 / 0.049, 0.045 / 0.0856),
        "drift_start": (20, 20),
    },
    "rram-crossbar": {
        # Wan et al. 2022, abstract: four-bit weights.
        "weight_bits": (4, 4),
        # aihwkit, reram.py: its polynomial at 1 s, of 40 uS, at 0 and at its maximum.
        "programming_noise": (0.348 / 40, 2.3003 / 40),
    },
    "loihi": {
        # Davies et al. 2018: 8 bits, the sign included.
        "weight_bits": (8, 8),
    },
}

# calix, test_neuron_distribution.py: the share of the uncalibrated standard deviation that may be
# left of leak, reset and threshold potential, and of the time constants.
CALIBRATION = {
    "bias_sd": 0.3,
    "reset_sd": 0.2,
    "threshold_cv": 0.35,
    "leak_cv": 0.45,
    "synapse_tau_cv": 0.2,
}


def pcm_noise(g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Programming noise over the largest conductance (aihwkit, PCMLikeNoiseModel)."""
    return (0.26348 + 1.9650 * g - 1.1731 * g**2) / 25.0


def rram_noise(g: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same 1 s after the write (aihwkit, ReRamWan2022NoiseModel)."""
    sd = 0.348 + 16.030 * g - 43.853 * g**2 + 45.393 * g**3 - 16.815 * g**4
    return sd / 40.0


def value(profile: str, nonideality: str) -> float:
    return by_name(profiles.get(profile).nonidealities)[nonideality].value


def drawn(profile: Profile, size: int = MANY, seed: int = 3) -> LayerMismatch:
    """A hidden layer of the profile's chip, without defects."""
    model, tiers = profile.model, profile.nonidealities
    nominal = {name: p.value for name, p in model.parameters.items()}
    nominal |= {name: c.value for name, c in profile.parameters.items()}
    return SampledMismatch(seed, tiers.fixed_pattern, tiers.adc).layer(
        model, 0, size, nominal, last=True
    )


def programmed(name: str, weights: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
    """What a chip of full scale 1 stores of these, and by how much what it transmits is off."""
    chip = Chip(neurons.get("lif"), profiles.get(name).nonidealities, seed=11)
    chip.configure(weights.shape, [1.0])
    stored = chip.write(0, weights).astype(np.float64)
    return stored, chip.crossbars[0].effective - stored


@pytest.mark.parametrize("name", NAMES)
def test_every_value_has_a_source(name: str) -> None:
    profile = profiles.get(name)
    assert profile.name == name
    for nonideality, cited in [*profile.cited.items(), *profile.parameters.items()]:
        named = re.search(r"\b(19|20)\d\d\b|github\.com/", cited.source)
        assert named or "a choice" in cited.source, nonideality
        assert len(cited.source) > 10


@pytest.mark.parametrize("name", NAMES)
def test_what_is_cited_is_what_is_not_ideal(name: str) -> None:
    profile, ideal = profiles.get(name), by_name(NonIdealities())
    conditions = {nonideality for nonideality, spec in ideal.items() if spec.severity == "fixed"}
    for nonideality, spec in by_name(profile.nonidealities).items():
        if nonideality in profile.cited:
            assert spec.value == profile.cited[nonideality].value
            assert spec.value != ideal[nonideality].value or nonideality in conditions
        else:
            assert spec.value == ideal[nonideality].value


@pytest.mark.parametrize(
    ("name", "nonideality", "least", "most"),
    [(n, f, low, high) for n, stated in STATED.items() for f, (low, high) in stated.items()],
)
def test_values_lie_within_what_the_source_states(
    name: str, nonideality: str, least: float, most: float
) -> None:
    slack = 1e-9 * max(1.0, most)
    assert least - slack <= value(name, nonideality) <= most + slack


def test_every_chip_of_a_maker_is_held_against_a_source() -> None:
    assert set(STATED) == set(NAMES) - {"ideal", "mixed-signal"}


@pytest.mark.parametrize("name", NAMES)
def test_nominal_parameters_are_those_of_the_neuron_and_in_range(name: str) -> None:
    profile = profiles.get(name)
    known = profile.model.parameters
    for parameter, cited in profile.parameters.items():
        assert known[parameter].minimum <= cited.value <= known[parameter].maximum


@pytest.mark.parametrize("name", NAMES)
def test_neurons_spread_as_cited(name: str) -> None:
    profile = profiles.get(name)
    model, layer = profile.model, drawn(profile)
    nominal = drawn(profiles.get("ideal"), 1).varied if profile.model.name == "lif" else None
    for parameter, values in layer.varied.items():
        mismatch = model.parameters[parameter].mismatch
        assert mismatch is not None
        spread = value(name, mismatch.nonideality)
        if spread == 0:
            assert np.ptp(values) == 0
        elif mismatch.acts == "add":
            assert np.std(values) == pytest.approx(spread * model.swing, rel=TOLERANCE)
        else:
            rest = model.rest if model.parameters[parameter].unit == model.unit else 0.0
            sizes = np.abs(values.astype(np.float64) - rest)
            assert np.std(sizes) / np.mean(sizes) == pytest.approx(spread, rel=TOLERANCE)
            sigma = np.sqrt(np.log1p(spread**2))
            assert stats.kstest(stats.zscore(np.log(sizes)), "norm").pvalue > 1e-3
            assert np.std(np.log(sizes)) == pytest.approx(sigma, rel=TOLERANCE)
            if nominal is not None and mismatch.acts == "multiply":
                assert np.mean(sizes) == pytest.approx(nominal[parameter][0], rel=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_gains_biases_and_channels_spread_as_cited(name: str) -> None:
    profile = profiles.get(name)
    tiers, layer = profile.nonidealities, drawn(profile)
    pattern = SampledMismatch(3, tiers.fixed_pattern, tiers.adc)
    channel_gain, channel_offset = pattern.channels(0, MANY)
    cells = pattern.cells(0, Places((100, 200)), (0, 1)).gain
    # A cut at three standard deviations takes 1 % of the spread.
    assert np.std(layer.bias) == pytest.approx(value(name, "bias_sd"), rel=TOLERANCE)
    assert np.std(channel_offset) == pytest.approx(value(name, "adc_offset_sd"), rel=TOLERANCE)
    for gains, nonideality in ((layer.gain, "gain_cv"), (channel_gain, "adc_gain_cv")):
        assert np.std(gains) == pytest.approx(value(name, nonideality), rel=TOLERANCE)
        assert np.mean(gains) == pytest.approx(1.0, abs=0.01)
    spread = 0.0 if cells is None else float(np.std(cells))
    assert spread == pytest.approx(value(name, "weight_cv"), rel=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_a_driven_chip_fires_and_does_not_saturate(name: str) -> None:
    profile = profiles.get(name)
    parameters = {parameter: cited.value for parameter, cited in profile.parameters.items()}
    chip = Chip(profile.model, profile.nonidealities, 5, parameters=parameters)
    chip.configure([64, 50], [0.5])
    rng = np.random.default_rng(0)
    chip.write(0, rng.normal(0.02, 0.125, (64, 50)).astype(np.float32))
    counts, _ = chip.run(rng.uniform(0, 1, (20, 64)).astype(np.float32), 20, 20, trial=0)
    rates = counts / 20
    assert 0.05 < rates.mean() < 0.7
    # Different samples give different answers: there is something to learn from.
    assert np.std(rates, axis=0).max() > 0.05


class TestBrainScaleS2:
    def test_calibration_leaves_no_more_than_calix_accepts(self) -> None:
        for nonideality, most in CALIBRATION.items():
            ratio = value("brainscales-2", nonideality) / value("brainscales-2-raw", nonideality)
            assert 0 < ratio <= most + 1e-9, nonideality

    def test_drawn_neurons_of_a_calibrated_chip_spread_less(self) -> None:
        raw = drawn(profiles.get("brainscales-2-raw")).varied
        calibrated = drawn(profiles.get("brainscales-2")).varied
        spread = {name for name, values in raw.items() if np.ptp(values) > 0}
        assert spread
        for name in spread:
            assert np.std(calibrated[name]) < 0.5 * np.std(raw[name]), name

    @pytest.mark.parametrize("name", ["brainscales-2", "brainscales-2-raw"])
    def test_the_converter_reads_rest_as_code_80_and_threshold_as_125(self, name: str) -> None:
        low, high = value(name, "adc_minimum"), value(name, "adc_maximum")
        code = (high - low) / (2 ** value(name, "adc_bits") - 1)
        # calix, neuron_calib_target.cpp.
        assert low + 80 * code == pytest.approx(0.0, abs=1e-9)
        assert low + 125 * code == pytest.approx(1.0)
        # hxtorch, perceptron/constants.h: noise_std = 2.
        noise = np.hypot(value(name, "membrane_noise"), value(name, "adc_noise"))
        assert noise / code == pytest.approx(2.0)

    def test_weights_are_those_of_two_synapses_of_6_bits(self) -> None:
        levels = profiles.get("brainscales-2").nonidealities.programming.levels
        assert levels == len(range(-63, 64))


class TestCrossbars:
    @pytest.mark.parametrize("level", [2, 4, 8, 11, 15])
    def test_pcm_noise_is_within_a_third_of_the_measured(self, level: int) -> None:
        stored, errors = programmed("pcm-crossbar", np.full((100, 200), level / 15, np.float32))
        np.testing.assert_allclose(stored, level / 15, rtol=1e-6)
        # The other cell of the pair is programmed to 0.
        source = np.hypot(pcm_noise(np.array(level / 15)), pcm_noise(np.array(0.0)))
        assert np.std(errors) == pytest.approx(float(source), rel=1 / 3)

    def test_rram_noise_is_that_of_the_source_over_all_targets(self) -> None:
        wanted = np.linspace(0.1, 1, 20_000, dtype=np.float32).reshape(100, 200)
        stored, errors = programmed("rram-crossbar", wanted)
        source = np.mean(rram_noise(stored) ** 2) + rram_noise(np.array(0.0)) ** 2
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(np.sqrt(source), rel=0.1)
        assert abs(errors.mean()) < 0.002

    @pytest.mark.parametrize("name", ["pcm-crossbar", "rram-crossbar"])
    def test_noise_does_not_depend_on_the_sign(self, name: str) -> None:
        weights = np.full((100, 200), 0.4, np.float32)
        up, down = programmed(name, weights), programmed(name, -weights)
        np.testing.assert_array_equal(up[0], -down[0])
        assert np.std(up[1]) == pytest.approx(np.std(down[1]), rel=TOLERANCE)
        assert abs(up[1].mean()) < 0.002 and abs(down[1].mean()) < 0.002

    def test_pcm_cells_drift_with_the_exponents_of_the_source(self) -> None:
        chip = Chip(neurons.get("lif"), profiles.get("pcm-crossbar").nonidealities, seed=2)
        chip.configure((100, 200), [1.0])
        chip.write(0, np.ones((100, 200), np.float32))
        crossbar = chip.crossbars[0]
        fresh = crossbar.effective.astype(np.float64)
        crossbar.advance(24 * 3600.0)
        aged = crossbar.effective.astype(np.float64)
        exponents = -np.log(aged / fresh) / np.log((24 * 3600 + 20) / 20)
        # At a quarter of the largest conductance, by its two logarithms.
        mean = np.clip(-0.0155 * np.log(0.25) + 0.0244, 0.049, 0.1)
        sd = np.clip(-0.0125 * np.log(0.25) - 0.0059, 0.008, 0.045)
        assert exponents.mean() == pytest.approx(mean, rel=0.02)
        assert exponents.std() == pytest.approx(sd, rel=0.1)

    def test_rram_cells_do_not_drift(self) -> None:
        chip = Chip(neurons.get("lif"), profiles.get("rram-crossbar").nonidealities, seed=2)
        chip.configure((4, 5), [1.0])
        chip.write(0, np.ones((4, 5), np.float32))
        fresh = chip.crossbars[0].effective.copy()
        chip.crossbars[0].advance(24 * 3600.0)
        np.testing.assert_array_equal(chip.crossbars[0].effective, fresh)


class TestLoihi:
    def test_two_chips_are_the_same(self) -> None:
        profile = profiles.get("loihi")
        one, other = drawn(profile, 100, seed=1), drawn(profile, 100, seed=2)
        for name, values in one.varied.items():
            np.testing.assert_array_equal(values, other.varied[name])
        np.testing.assert_array_equal(one.gain, other.gain)
        np.testing.assert_array_equal(one.bias, other.bias)

    def test_weights_are_those_of_mixed_synapses(self) -> None:
        # Of 8 bits of magnitude the last is spent on the sign: even numbers from -254 to 254.
        levels = profiles.get("loihi").nonidealities.programming.levels
        assert levels == len(range(-254, 255, 2))
