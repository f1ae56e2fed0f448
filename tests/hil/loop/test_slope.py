"""Whether what DFA and BP believe of the neuron by default is true of the emulated one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
from drivers import Network, Probe, Stimulus
from hil.learning.rules.bp import Settings

STEPS, APART = 20, 0.1  # steps of a trial, and drives between which the slope is taken
Array = NDArray[np.floating]


@pytest.fixture(scope="module")
def measured() -> tuple[Array, Array, Array]:
    """Mean membranes, in thresholds, and how a neuron's rate rises with its drive there.

    Four thousand trials of ideal neurons, each under a noisy current of its own.
    """
    rng = np.random.default_rng(0)
    drive = rng.uniform(-0.5, 4.0, (1000, 4)).astype(np.float32)
    noise = rng.normal(0, 0.3, (STEPS, 1000, 4)).astype(np.float32)
    with drivers.open("emulator:ideal") as chip:
        chip.configure(Network.feed_forward((4, 4), (1.0,)))
        chip.write_weights(0, np.eye(4))
        membrane = Probe(1, reduce="mean")

        def run(shift: float) -> tuple[Array, Array]:
            current = drive + np.float32(shift) + noise
            seen = chip.run(Stimulus.current_trace(current), [membrane])
            return seen.counts.reshape(-1) / STEPS, seen.samples[membrane].reshape(-1)

        below, _ = run(-APART / 2)
        above, _ = run(APART / 2)
        rate, z = run(0.0)
    return z, (above - below) / APART, rate


def overlap(z: Array, slope: Array, believed: Settings) -> float:
    assumed = believed.slope(z)
    return float((assumed @ slope) / np.sqrt((assumed @ assumed) * (slope @ slope)))


def smoothed(z: Array, slope: Array) -> tuple[Array, Array]:
    """Means over neurons of like membrane: a slope of single neurons is a count of few spikes."""
    order = np.argsort(z)
    parts = np.array_split(order, 80)
    return np.array([z[p].mean() for p in parts]), np.array([slope[p].mean() for p in parts])


def test_a_neuron_is_silent_then_rises_then_can_no_more(
    measured: tuple[Array, Array, Array],
) -> None:
    z, slope, rate = measured
    assert slope[z < -0.2].mean() < 0.1
    assert 0.7 < slope[(z > 0.7) & (z < 1.1)].mean() < 1.1
    assert slope[z > 3].mean() < 0.1 and rate[z > 3].mean() > 0.9


def test_the_default_slope_is_that_of_the_neuron(measured: tuple[Array, Array, Array]) -> None:
    z, slope = smoothed(*measured[:2])
    assert overlap(z, slope, Settings()) > 0.95
    assert overlap(z, slope, Settings(surrogate="soft_step")) < 0.8  # it has no ceiling
