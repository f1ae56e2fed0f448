"""What every neuron model has to be, its synapses, and the example of docs/neurons.md."""

from __future__ import annotations

import dataclasses
import re
import tomllib

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from device_models import Chip, RecordingRequest, neuron_file, neurons, profiles
from device_models.nonidealities import FixedPattern, override
from support.neuron_simulation import simulate
from support.paths import ROOT

# -- what every model has to be ---------------------------------------------------------------


@pytest.mark.parametrize("name", neurons.names())
def test_data_is_sound(name: str) -> None:
    model = neurons.get(name)
    nonidealities = {field.name for field in dataclasses.fields(FixedPattern)}
    assert model.name == name and model.source
    assert model.description.endswith(".") and "\n" not in model.description
    assert model.swing > 0
    assert set(model.resets) <= {"soft", "hard"} and model.resets
    assert model.parameters[model.silent].mismatch is not None
    assert model.parameters[model.time_constant].unit == "second"
    assert model.refractory is not None
    assert model.parameters[model.refractory].unit == "second"
    for key, parameter in model.parameters.items():
        assert parameter.minimum <= parameter.value <= parameter.maximum, key
        assert parameter.meaning.endswith("."), key
        assert parameter.mismatch is None or parameter.mismatch.nonideality in nonidealities, key
    settings = [p.setting for p in model.parameters.values() if p.setting is not None]
    assert len(settings) == len(set(settings))
    # A host reads membranes in units of the threshold that it sets.
    thresholds = [p.value for p in model.parameters.values() if p.setting == "threshold"]
    assert set(thresholds) <= {model.level}


@pytest.mark.parametrize("name", neurons.names())
def test_rests_without_input_and_has_consistent_units(name: str) -> None:
    model = neurons.get(name)
    [times], membrane = simulate(model, 50, 1e-3, dtype=np.float32)
    assert times.size == 0
    np.testing.assert_allclose((membrane - model.rest) / model.swing, 0, atol=0.02)


@pytest.mark.parametrize("name", neurons.names())
def test_strong_events_at_coarse_steps(name: str) -> None:
    """Excitation fires, inhibition does not; nothing overflows."""
    weights = np.array([3.0, 30.0, 300.0, -3.0, -30.0])
    model = neurons.get(name)
    times, membrane = simulate(model, 60, 1e-3, events={5: weights}, dtype=np.float32)
    assert all(times[k].size >= 1 for k in range(3))
    assert all(times[k].size == 0 for k in range(3, 5))
    assert np.isfinite(membrane).all()


@pytest.mark.parametrize("name", neurons.names())
def test_refractory_time_limits_the_rate(name: str) -> None:
    model = neurons.get(name)
    assert model.refractory is not None
    refractory = np.array([1e-3, 10e-3, 25e-3])
    times, _ = simulate(model, 200, 1e-3, current=2000.0, **{model.refractory: refractory})
    for shortest, found in zip(refractory, times, strict=True):
        assert found.size >= 5
        assert np.diff(found).min() >= shortest - 1e-6
    # The drive is so strong that little but the refractory time is between two spikes.
    assert np.diff(times[2]).max() < 40e-3
    assert times[0].size > times[1].size > times[2].size


# -- synapses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "order"), [("lif-exp", 1), ("lif-alpha", 2)])
@pytest.mark.parametrize("dt", [2e-4, 1e-3])
def test_an_event_delivers_its_weight(name: str, order: int, dt: float) -> None:
    rng = np.random.default_rng(3)
    tau, weights = rng.uniform(2e-3, 20e-3, 30), rng.normal(0, 2, 30)
    steps = round(0.3 / dt)
    _, membrane = simulate(
        neurons.get(name),
        steps,
        dt,
        events={0: weights},
        tau_membrane=1e12,
        v_threshold=np.inf,
        tau_synapse=tau,
    )
    # Without leak the membrane is what has arrived: a gamma distribution of that order.
    t = np.arange(steps)[:, None] * dt / tau
    arrived = 1 - np.exp(-t) * (1 if order == 1 else 1 + t)
    np.testing.assert_allclose(membrane / weights, arrived, atol=0.05 if dt == 1e-3 else 3e-3)
    np.testing.assert_allclose(membrane[-1], weights, rtol=2e-5)


@pytest.mark.parametrize("name", ["lif-cond-exp", "lif-cond-alpha"])
def test_driving_force_vanishes_at_the_reversal_potential(name: str) -> None:
    model = neurons.get(name)
    e_e, e_i = (model.parameters[key].value for key in ("e_e", "e_i"))
    held = np.tile(np.linspace(e_i, e_e, 9), 2)
    weights = np.repeat([0.01, -0.01], 9)
    _, membrane = simulate(
        model,
        1000,
        2e-4,
        events={0: weights},
        start={"v": held},
        tau_membrane=1e12,
        v_threshold=np.inf,
    )
    force = np.where(weights > 0, (e_e - held) / e_e, (held - e_i) / -e_i)
    np.testing.assert_allclose(membrane[-1] - held, weights * force, atol=3e-4)
    np.testing.assert_allclose(membrane[-1, [8, 9]], [e_e, e_i], atol=1e-9)


@pytest.mark.parametrize("name", ["lif-cond-exp", "lif-cond-alpha"])
def test_conductances_hold_the_membrane_between_the_reversal_potentials(name: str) -> None:
    model = neurons.get(name)
    e_e, e_i = (model.parameters[key].value for key in ("e_e", "e_i"))
    weights = {step: 500.0 * (-1) ** (step // 10) for step in range(0, 60, 10)}
    _, membrane = simulate(model, 60, 1e-3, events=weights, v_threshold=np.inf, dtype=np.float32)
    assert e_i - 1e-4 <= membrane.min() < 0.5 * e_i
    assert 0.5 * e_e < membrane.max() <= e_e + 1e-4


def test_documented_example_fires_at_its_threshold() -> None:
    page = (ROOT / "docs" / "neurons.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    model = neuron_file.model_from_table(tomllib.loads(example)["neuron"])
    times, _ = simulate(model, 50, 1e-3, events={0: np.array([0.8, 1.6, -30.0])})
    assert [found.size for found in times] == [0, 1, 0]


# -- the leaky neuron on a chip: where it fires, and where a spike leaves it -------------------

V_RESET = 0.25


def membranes(reset: str, threshold: float) -> tuple[int, NDArray[np.float32]]:
    """Spikes and membranes of four steps, before their reset, after one event in the first."""
    chip = Chip(
        neurons.get("lif"),
        profiles.get("ideal").nonidealities,
        reset=reset,
        parameters={"v_threshold": threshold, "v_reset": V_RESET},
    )
    chip.configure([1, 1], [4.0])
    chip.write(0, np.full((1, 1), 0.9, np.float32))
    event = csr_matrix(([1.0], ([0], [0])), (4, 1), dtype=np.float32)
    counts, [seen] = chip.run(event, 4, 1, [RecordingRequest(0, "membrane")], 0)
    return int(counts[0, 0]), np.asarray(seen, np.float32).ravel()


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_it_fires_from_its_threshold_on(reset: str) -> None:
    none, free = membranes(reset, 5.0)
    assert none == 0 and free[0] == 0  # an event acts after the threshold test of its step
    assert free[1] == pytest.approx(0.9 * free[2] / free[1])  # and leaks from then on
    assert membranes(reset, float(free[1]))[0] == 1
    assert membranes(reset, float(np.nextafter(free[1], np.float32(2))))[0] == 0


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_a_spike_moves_it_to_or_by_its_reset_potential(reset: str) -> None:
    _, free = membranes(reset, 5.0)
    count, seen = membranes(reset, 0.7)
    after = free[1] - (0.7 - V_RESET) if reset == "soft" else V_RESET
    assert count == 1
    assert seen[:3] == pytest.approx([0, free[1], after * free[2] / free[1]], rel=1e-5)


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_reset_potentials_spread_about_the_nominal_one(reset: str) -> None:
    """The step after the one in which all neurons fire shows where that left them."""
    spread = override(profiles.get("ideal").nonidealities, {"reset_sd": 0.1})
    chip = Chip(neurons.get("lif"), spread, seed=4, reset=reset)
    chip.configure([1, 400], [4.0])
    chip.write(0, np.full((1, 400), 1.25, np.float32))
    assert chip.circuit is not None
    event = csr_matrix(([1.0], ([0], [0])), (3, 1), dtype=np.float32)
    _, [seen] = chip.run(event, 3, 1, [RecordingRequest(0, "membrane")], 0)
    before, later = np.asarray(seen, np.float64)[1:, 0]
    decay = before / 1.25
    own = chip.circuit.layers[0].varied["v_reset"]
    assert own.std() == pytest.approx(0.1, rel=0.15)
    after = before - (1 - own) if reset == "soft" else own
    np.testing.assert_allclose(later, decay * after, atol=1e-5)


def test_the_leak_spreads_as_a_conductance() -> None:
    """Its mean is the nominal one; that of the time constant is then longer."""
    spread = override(profiles.get("ideal").nonidealities, {"leak_cv": 0.5})
    chip = Chip(neurons.get("lif"), spread, seed=1)
    chip.configure([1, 20_000], [1.0])
    assert chip.circuit is not None
    leak = chip.parameters["tau_membrane"] / chip.circuit.layers[0].varied["tau_membrane"]
    assert leak.mean() == pytest.approx(1, abs=0.015)
    assert leak.std() == pytest.approx(0.5, rel=0.05)
