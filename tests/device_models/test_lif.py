"""The leaky integrate-and-fire neuron on a chip, where it fires and where a spike leaves it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from device_models import Chip, RecordingRequest, neurons, profiles
from device_models.nonidealities import override

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
