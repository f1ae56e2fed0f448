"""Spikes told from samples before the reset, where thresholds and weights are not nominal."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.learning.nominal_neuron import NominalNeuron
from hil.learning.rate_estimators import LayerReading, get

STEPS, BATCH, SIZE = 60, 6, 40
ARRIVAL: Any = {False: "same_step", True: "end_of_step"}


def run(seed: int, reset: str, late: bool, mismatch: float) -> tuple[Any, LayerReading]:
    """A layer of leaky neurons off their nominal values, written out anew: spikes and reading."""
    rng = np.random.default_rng(seed)
    drive = rng.normal(0.15, 0.35, (STEPS, BATCH, SIZE)).astype(np.float32)
    threshold = np.exp(rng.normal(0, mismatch, SIZE))
    gain, decay = np.exp(rng.normal(0, mismatch, SIZE)), 0.9
    v, seen, spikes = np.zeros((BATCH, SIZE)), [], []
    for x in drive:
        u = decay * v + (0 if late else gain * x)
        s = u >= threshold
        charged = u + (gain * x if late else 0)
        v = charged - s * threshold if reset == "soft" else np.where(s, 0, charged)
        seen.append(u)
        spikes.append(s)
    samples = np.array(seen, np.float32)
    none = np.zeros((BATCH, SIZE), np.float32)
    neuron = NominalNeuron(decay, reset, ARRIVAL[late], steps=STEPS)  # type: ignore[arg-type]
    return np.array(spikes, np.float32), LayerReading(
        neuron=neuron,
        sampled="before_reset",
        every=1,
        mean=samples.mean(axis=0),
        samples=samples,
        last=samples[-1],
        drive=drive.mean(axis=0),
        spread=none,
        doubt=none,
        drive_trace=drive,
    )


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["soft", "hard"]))
def test_every_spike_of_nominal_neurons_is_told(seed: int, reset: str) -> None:
    spikes, reading = run(seed, reset, late=False, mismatch=0.0)
    np.testing.assert_array_equal(get("falls").estimate(reading).spikes, spikes)


@pytest.mark.parametrize("late", [False, True])
def test_mismatch_is_seen_through_where_thresholds_alone_are_misled(late: bool) -> None:
    spikes, reading = run(0, "soft", late, mismatch=0.1)
    wrong = {
        name: np.abs(get(name).estimate(reading).spikes - spikes).sum() / spikes.sum()
        for name in ("falls", "crossings")
    }
    assert wrong["crossings"] > 0.05
    assert wrong["falls"] < wrong["crossings"] / 3
