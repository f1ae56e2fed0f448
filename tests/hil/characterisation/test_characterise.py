"""Characterisation against chips whose pattern is known, and on devices that show little."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

import drivers
from device_models.mismatch import SampledMismatch
from device_models.places import Places
from drivers import ProbeOffer, registry
from drivers.contract.info import Arrival
from drivers.emulator.device import Emulator
from hil.characterisation import estimators
from hil.characterisation.estimators import ChargeTiming
from hil.characterisation.survey import Survey, survey
from hil.cli.app import app
from support.paths import ROOT
from support.restated import restated

LAYERS = (32, 48, 10)
SMALL = (12, 16, 5)
CHIPS = {
    "usual": "emulator:mixed-signal?chip=11",
    "harsh": "emulator:mixed-signal?chip=12&severity=2&dead_fraction=0.15&spike_loss=0.05",
    "hard": "emulator:mixed-signal?chip=13&threshold_cv=0.3&bias_sd=0.05&reset=hard",
}


@dataclasses.dataclass(frozen=True)
class Truth:
    """A layer as it was drawn."""

    threshold: NDArray[np.float32]
    gain: NDArray[np.float32]
    tau: NDArray[np.float32]
    reset: NDArray[np.float32]
    bias: NDArray[np.float32]
    read: NDArray[np.float32]
    offset: NDArray[np.float32]
    synapses: NDArray[np.float32]


def truth(url: str, layer: int) -> Truth:
    """Look into the chip, which the survey cannot."""
    with drivers.open(url) as device:
        assert isinstance(device, Emulator)
        chip = device._chip
        pattern = chip.pattern
        assert isinstance(pattern, SampledMismatch)
        size = LAYERS[layer + 1]
        last = layer == len(LAYERS) - 2
        drawn = pattern.layer(chip.model, layer, size, chip.parameters, last)
        read, offset = pattern.channels(layer, size)
        synapses = pattern.cells(layer, Places((LAYERS[layer], size)), (layer, layer + 1)).gain
        assert synapses is not None
        values = drawn.varied
        return Truth(
            values["v_threshold"],
            drawn.gain,
            values["tau_membrane"],
            values["v_reset"],
            drawn.bias,
            read,
            offset,
            synapses,
        )


@pytest.fixture(scope="module", params=CHIPS)
def measured(request: pytest.FixtureRequest) -> tuple[str, Survey]:
    url = CHIPS[request.param]
    with drivers.open(url) as device:
        return url, survey(device, LAYERS)


def away(found: NDArray[np.float64], true: NDArray[np.float32]) -> float:
    return float(np.median(np.abs(found / true - 1)))


@pytest.mark.parametrize("layer", [0, 1])
def test_what_is_found_is_what_was_drawn(measured: tuple[str, Survey], layer: int) -> None:
    url, found = measured
    true, neurons = truth(url, layer), found.neurons[layer]
    live = true.gain > 0
    assert neurons is not None
    np.testing.assert_array_equal(neurons.dead, ~live)
    assert not neurons.tonic.any()
    pre = slice(None) if layer == 0 else truth(url, 0).gain > 0
    # A gain and the mean of a neuron's synapses are one and the same from outside.
    gain = true.gain * true.synapses[pre].mean(axis=0)
    assert away(neurons.threshold_over_gain.value[live], (true.threshold / gain)[live]) < 0.05
    for estimate, expected in (
        (neurons.time_constant, true.tau),
        (neurons.readout_gain, true.read * true.threshold),
    ):
        assert estimate is not None
        assert away(estimate.value[live], expected[live]) < 0.05
    assert neurons.readout_offset is not None
    assert np.median(np.abs(neurons.readout_offset.value - true.offset)) < 0.01
    assert neurons.synapse_gain is not None
    relative = true.synapses / true.synapses[pre].mean(axis=0)
    error = np.abs(neurons.synapse_gain.value / relative - 1)[pre][:, live]
    assert np.median(error[np.isfinite(error)]) < 0.05
    assert neurons.reset is not None
    assert np.median(np.abs(neurons.reset.value - true.reset / true.threshold)[live]) < 0.03
    assert neurons.bias is not None
    assert np.median(np.abs(neurons.bias.value - true.bias / true.threshold)[live]) < 0.02


def test_programming_noise_is_told_from_a_fixed_pattern(measured: tuple[str, Survey]) -> None:
    url, found = measured
    assert found.programming_noise == pytest.approx(0.02 if "severity=2" in url else 0.01, rel=0.35)


def test_intervals_cover_the_truth(measured: tuple[str, Survey]) -> None:
    url, found = measured
    true, neurons = truth(url, 0), found.neurons[0]
    assert neurons is not None
    live = true.gain > 0
    assert neurons.time_constant is not None
    assert neurons.readout_offset is not None
    assert neurons.synapse_gain is not None
    for estimate, expected in (
        (neurons.time_constant, true.tau),
        (neurons.readout_offset, true.offset),
        (neurons.synapse_gain, true.synapses / true.synapses.mean(axis=0)),
    ):
        inside = np.abs(estimate.value - expected) <= estimate.half
        assert inside[..., live].mean() > 0.85


def test_noise_loss_and_resolution_are_told_apart() -> None:
    url = "emulator:mixed-signal?chip=3&membrane_noise=0.05&adc_noise=0.02&spike_loss=0.02"
    with drivers.open(url) as device:
        found = survey(device, SMALL)
    assert found.membrane_noise is not None
    assert found.readout_noise is not None
    assert found.spike_loss is not None
    assert found.hidden_spike_loss is not None
    assert found.membrane_noise.value == pytest.approx(0.05, rel=0.15)
    assert found.readout_noise.value == pytest.approx(0.02, abs=0.004)
    assert found.spike_loss.value == pytest.approx(0.02, abs=0.005)
    assert found.hidden_spike_loss.value == pytest.approx(0.02, abs=0.005)
    assert found.storage.bits == 6
    assert found.adc is not None
    assert (found.adc.bits, found.adc.minimum, found.adc.maximum) == (8, -2, 2)
    assert found.storage.realised is not None
    # Membrane noise of 5 % over 16 neurons and 5 runs leaves about 0.01.
    np.testing.assert_allclose(found.storage.realised, found.storage.stored, atol=0.04)


def test_tonic_neurons_are_found_and_measured_before_they_fire() -> None:
    within, apart = [], []
    for chip in (6, 8):
        with drivers.open(f"emulator:mixed-signal?chip={chip}&tonic_fraction=0.3") as device:
            found = survey(device, SMALL)
            assert isinstance(device, Emulator)
            physics = device._chip
            drawn = physics.pattern.layer(physics.model, 0, SMALL[1], physics.parameters, False)
        neurons = found.neurons[0]
        assert neurons is not None
        tonic = drawn.bias > 0
        assert tonic.any()
        np.testing.assert_array_equal(neurons.tonic, tonic)
        assert neurons.bias is not None
        bias = (drawn.bias / drawn.varied["v_threshold"])[tonic]
        error = neurons.bias.value[tonic] - bias
        within += list(np.abs(error) <= neurons.bias.half[tonic])
        apart += list(np.abs(error / bias))
    # Few samples come before their first spike, and the intervals say so.
    assert np.mean(within) >= 0.8
    assert np.median(apart) < 0.15


class Partial(Emulator):
    """A chip that says less about itself, or takes less."""

    changes: dict[str, Any]

    @property
    def info(self) -> drivers.DeviceInfo:
        return restated(super().info, **self.changes)


def plugged(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Make a chip with some facts changed known as `partial:`, as an entry point would."""
    module = types.ModuleType("plugged_partial")
    module.Found = type("Found", (Partial,), {"changes": changes})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(registry.BUILTIN, "partial", f"{module.__name__}:Found")


MEMBRANES = ProbeOffer("membrane", "any")
OUTPUT_SPIKES = ProbeOffer("spikes", "output")


@pytest.mark.parametrize(
    ("changes", "skipped", "known"),
    [
        ({"probes": (OUTPUT_SPIKES, MEMBRANES)}, "hidden spike loss", True),
        ({"probes": (ProbeOffer("membrane", "hidden", ("mean",)),)}, "layer 2: time const", False),
        ({"probes": (ProbeOffer("membrane", "any", ("last",)),)}, "ADC", False),
        ({"probes": (ProbeOffer("membrane", "any", ("none",), every=3),)}, "layer 1: reset", True),
        ({"probes": (ProbeOffer("spikes", "any", ("none",)),)}, "layer 1: time constant", True),
        ({"probes": ()}, "layer 1: threshold", False),
        ({"stimuli": ("spikes",), "batch": 10}, "", True),
        ({"stimuli": ("current_trace",), "decay": None}, "", True),
        ({"probes": (ProbeOffer("membrane", "any", neurons=7),)}, "hidden spike loss", True),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, dict) else str(value),
)
def test_a_device_that_shows_less_is_measured_in_part(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], skipped: str, known: bool
) -> None:
    plugged(monkeypatch, **changes)
    with drivers.open("partial:mixed-signal?chip=3&dead_fraction=0.2") as device:
        found = survey(device, SMALL)
        chip = device._chip  # type: ignore[attr-defined]
        drawn = chip.pattern.layer(chip.model, 0, SMALL[1], chip.parameters, False)
    assert any(what.startswith(skipped) for what in found.skipped) or not skipped
    if known:
        first = found.neurons[0]
        assert first is not None
        np.testing.assert_array_equal(first.dead, drawn.gain == 0)
        live = ~first.dead
        ratio = drawn.varied["v_threshold"] / drawn.gain
        assert away(first.threshold_over_gain.value[live], ratio[live]) < 0.12


def test_the_command_writes_a_record_and_a_twin(tmp_path: Path) -> None:
    out = tmp_path / "own.toml"
    url = "emulator:mixed-signal?chip=5"
    result = CliRunner().invoke(
        app, ["characterise", url, "-o", str(out), "--layers", "12,14,5", "--json"]
    )
    assert result.exit_code == 0, result.output
    record = json.loads(result.output)
    assert record == json.loads(out.with_suffix(".json").read_text())
    assert record["device"]["serial"] == "chip-5"
    assert record["rate_error"]["twin"]["output"] < record["rate_error"]["ideal model"]["output"]
    assert {p.name for p in tmp_path.iterdir()} == {"own.toml", "own.npz", "own.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "64"], "give inputs and layers of neurons"),
        (["--layers", "64,x"], "give inputs and layers of neurons"),
        (["-o", "twin.txt"], "ends in .toml"),
        (["--layers", "300000,10"], "inputs"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["characterise", "emulator:ideal", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


# -- the estimators on synthetic traces -------------------------------------------------------


@given(
    tau=st.floats(1.0, 60.0),
    amplitude=st.floats(-2.0, 2.0).filter(lambda a: abs(a) > 0.05),
    start=st.sampled_from([None, 0, 2]),
    period=st.sampled_from([1, 2]),
    arrival=st.sampled_from(["same_step", "end_of_step", "next_step"]),
    late=st.booleans(),
)
@settings(max_examples=60)
def test_a_decay_is_found_from_any_drive(
    tau: float, amplitude: float, start: int | None, period: int, arrival: Arrival, late: bool
) -> None:
    """The oracle is the recursion of a membrane, written out."""
    steps, decay, v = 120, np.exp(-1 / tau), 0.0
    trace, sent = np.empty(steps), np.zeros(steps + 1)
    if start is not None:
        sent[start:steps:period] = 1.0
    for t in range(steps):
        v = v * decay + (tau * (1 - decay) * amplitude if start is None else 0.0)
        v += amplitude * {"same_step": sent[t], "next_step": sent[t - 1]}.get(arrival, 0.0)
        trace[t] = v
        v += amplitude * sent[t] * (arrival == "end_of_step")
        if late:
            trace[t] = v
    timing = ChargeTiming(None if start is None else sent[:steps], arrival, late)
    found = estimators.fit_decay(trace[:, None], np.ones((steps, 1)), np.eye(steps), timing)
    assert -1 / np.log(found[0]) == pytest.approx(tau, rel=0.01)
    shape = estimators.response(np.array([decay]), steps, timing)
    samples = trace[:, None, None].astype(np.float32)
    assert estimators.fit_amplitudes(samples, None, shape)[0, 0] == pytest.approx(
        amplitude, rel=1e-3
    )


def test_membrane_noise_is_told_from_white_noise() -> None:
    rng = np.random.default_rng(0)
    steps, batch, n, decay = 100, 200, 20, 0.9
    membrane = np.zeros((batch, n))
    samples = np.empty((steps, batch, n), np.float32)
    for t in range(steps):
        kick = 0.03 * np.sqrt(1 - decay**2)
        membrane = decay * membrane + kick * rng.standard_normal((batch, n))
        samples[t] = 0.2 + membrane + 0.05 * rng.standard_normal((batch, n))
    correlated, white = estimators.separate_noise(samples, np.full(n, decay))
    assert np.sqrt(correlated.mean()) == pytest.approx(0.03, rel=0.05)
    assert np.sqrt(white.mean()) == pytest.approx(0.05, rel=0.02)


@given(seed=st.integers(0, 10_000), sigma=st.floats(0.005, 0.05))
@settings(max_examples=20)
def test_a_threshold_is_found_from_first_spikes(seed: int, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    n, runs, steps = 30, 120, 40
    threshold = rng.uniform(0.5, 2.0, n)
    ramp = np.linspace(0, 1, steps)[:, None, None] * rng.uniform(0.2, 4, (runs, n))
    first = estimators.first_spikes(ramp + sigma * rng.standard_normal(ramp.shape) >= threshold)
    fired = first < steps
    under = np.where(fired, np.maximum(first - 1, 0), steps - 1)
    below = np.take_along_axis(ramp, under[None], axis=0)[0]
    above = np.take_along_axis(ramp, np.minimum(first, steps - 1)[None], axis=0)[0]
    found = estimators.fit_threshold(below, above, fired, np.full(n, sigma))
    # Noise in every step of a slow rise makes the first spike come a little early.
    assert np.median(np.abs(found.value - threshold)) < 0.01 + sigma
    never = estimators.fit_threshold(below, above, np.zeros_like(fired), np.full(n, sigma))
    assert np.isnan(never.value).all()


def test_a_student_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1).standard_normal((5, 20_000))
    found = estimators.average_repeats(draws)
    assert (np.abs(found.value) <= found.half).mean() == pytest.approx(0.95, abs=0.01)


def test_the_example_of_the_manual_is_known_although_it_does_not_leak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (ROOT / "docs" / "write_a_driver.md").read_text(encoding="utf-8")
    module = types.ModuleType("counter")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], module.__dict__)
    monkeypatch.setitem(sys.modules, "counter", module)
    monkeypatch.setitem(registry.BUILTIN, "counter", "counter:Counter")
    with drivers.open("counter:A7") as device:
        assert device.info.neuron.decay == 1
        found = survey(device, SMALL)
    assert found.nominal_time_constant is None
    for layer in found.neurons:
        assert layer is not None and layer.time_constant is not None
        assert (layer.time_constant.value > 0.4).all()  # in seconds: of the longest looked for
