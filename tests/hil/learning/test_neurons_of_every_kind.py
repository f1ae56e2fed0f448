"""Estimators on neurons that fire several times in a step, rest, or keep late events."""

from dataclasses import replace
from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hil.learning import LayerReading, rate_estimators
from hil.learning.nominal_neuron import Arrival, NominalNeuron

Matrix = NDArray[np.float32]
RESETS: tuple[Literal["soft", "hard"], ...] = ("soft", "hard")
ARRIVALS: tuple[Arrival, ...] = ("same_step", "end_of_step")
STEPS = 20
NEURONS = [
    NominalNeuron(0.9, reset, arrival, clears, most, refractory=rest, steps=STEPS)
    for reset, arrival, clears, most, rest in product(
        RESETS, ARRIVALS, (True, False), (1, 4), (0, 3)
    )
    if clears or (arrival == "end_of_step" and reset == "hard")
]
SPREAD = 0.15


def simulated(neuron: NominalNeuron, drive: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Membranes before and after the reset, and spikes, each as `drive`, neuron by neuron."""
    before, after, spikes = (np.zeros_like(drive) for _ in range(3))
    for index in np.ndindex(*drive.shape[1:]):
        v, rests = np.float32(0), 0
        for t in range(len(drive)):
            x = drive[(t, *index)] if rests == 0 else np.float32(0)
            u = np.float32(neuron.decay) * v + (np.float32(0) if neuron.late else x)
            s = min(int(np.floor(u)), neuron.most) if u >= 1 and rests == 0 else 0
            rests = neuron.refractory if s else max(rests - 1, 0)
            v = u + x if neuron.late else u
            if s:
                v = v - s if neuron.reset == "soft" else x * np.float32(not neuron.clears_events)
            before[(t, *index)], after[(t, *index)], spikes[(t, *index)] = u, v, s
    return before, after, spikes


def driven(neuron: NominalNeuron, seed: int, shape: tuple[int, int]) -> Matrix:
    rng = np.random.default_rng(seed)
    level = rng.uniform(-0.3, 1.2 if neuron.most == 1 else 4, shape)
    noise = SPREAD * rng.standard_normal((STEPS, *shape))
    return (level + noise).astype(np.float32)


def read(
    neuron: NominalNeuron,
    sampled: Literal["before_reset", "after_reset"],
    samples: Matrix,
    drive: Matrix,
) -> LayerReading:
    mean = drive.mean(axis=0)
    return LayerReading(
        neuron=neuron,
        sampled=sampled,
        every=1,
        mean=samples.mean(axis=0),
        samples=samples,
        last=samples[-1],
        drive=mean,
        spread=np.full_like(mean, SPREAD),
        doubt=np.zeros_like(mean),
        drive_trace=drive,
    )


@pytest.mark.parametrize("neuron", NEURONS)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_sample_tells_every_spike(neuron: NominalNeuron, seed: int) -> None:
    drive = driven(neuron, seed, (1, 3))
    before, after, spikes = simulated(neuron, drive)
    crossed = rate_estimators.get("crossings").estimate(read(neuron, "before_reset", before, drive))
    np.testing.assert_array_equal(crossed.rate, spikes.mean(axis=0))
    made = rate_estimators.get("reconstruction").estimate(read(neuron, "after_reset", after, drive))
    assert made.spikes is not None
    # A membrane within rounding of a whole threshold may be read as one spike more or less.
    assert np.abs(made.spikes - spikes).sum() <= 1


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("sampled", ["before_reset", "after_reset"])
@pytest.mark.parametrize(("name", "least"), [("fused", 0.96), ("balance", 0.92)])
def test_means_tell_rates(
    neuron: NominalNeuron,
    sampled: Literal["before_reset", "after_reset"],
    name: str,
    least: float,
) -> None:
    drive = driven(neuron, 1, (10, 30))
    before, after, spikes = simulated(neuron, drive)
    shown = before if sampled == "before_reset" else after
    found = rate_estimators.get(name).estimate(read(neuron, sampled, shown, drive)).rate
    true = spikes.mean(axis=0)
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > least
    assert (found * true).sum() / (true * true).sum() == pytest.approx(1, abs=0.25)
    assert found.min() >= 0
    assert found.max() <= neuron.most


@pytest.mark.parametrize("neuron", NEURONS)
def test_no_drive_brings_a_neuron_beyond_its_highest_rate(neuron: NominalNeuron) -> None:
    drive = np.full((240, 1, 1), 50, np.float32)
    _, _, spikes = simulated(replace(neuron, steps=240), drive)
    assert spikes.mean() == pytest.approx(neuron.highest_rate, abs=neuron.most * 4 / 240)
    few = replace(neuron, steps=24)
    assert few.table["rate"].max() <= neuron.highest_rate + neuron.most * 4 / 24
