"""Which samples of its membranes a chip shows, and when they are taken."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

import drivers
from drivers import Network, Probe, Readout, Stimulus, UnsupportedProbe

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
