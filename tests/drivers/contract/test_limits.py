"""What a device states is what it may be asked for: the last that it allows, and one more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import drivers
from drivers import (
    CapacityError,
    Network,
    Probe,
    ProbeOffer,
    ReadoutError,
    Stimulus,
    StimulusError,
    UnsupportedProbe,
    WeightError,
)
from support.good_device import Good

LAYERS, STEPS, BATCH = (4, 6, 3), 12, 2
# As much as is asked for of each.
EXACTLY: dict[str, int] = {
    "layers": 2,
    "inputs": 4,
    "neurons": 6,
    "synapses": 42,
    "fan_in": 6,
    "batch": BATCH,
    "steps": STEPS,
}
CONFIGURED = ("layers", "inputs", "neurons", "synapses", "fan_in")


def device(**facts: Any) -> drivers.Device:
    return type("Stated", (Good,), {"facts": facts})()


def mapped(**facts: Any) -> drivers.Device:
    found = device(**facts)
    found.configure(Network.feed_forward(LAYERS))
    return found


def stimulus(lengths: Any = None, batch: int = BATCH) -> Stimulus:
    return Stimulus.current(np.ones((batch, 4)), steps=STEPS, lengths=lengths)


def test_as_much_as_there_is_room_for_fits() -> None:
    counts = mapped(**EXACTLY).run(stimulus()).counts
    assert counts.shape == (BATCH, 3)


@pytest.mark.parametrize("limit", EXACTLY)
def test_one_more_does_not(limit: str) -> None:
    less = {**EXACTLY, limit: EXACTLY[limit] - 1}
    with pytest.raises(CapacityError, match=f"room for {less[limit]}, ask for less"):
        found = mapped(**less)
        assert limit not in CONFIGURED
        found.run(stimulus())


def offers(**limits: int) -> dict[str, Any]:
    return {"probes": (ProbeOffer("membrane", "hidden", **limits),)}


def test_a_probe_may_be_as_close_as_is_offered_and_no_closer() -> None:
    found = mapped(**offers(every=3))
    for every in (3, 4, STEPS):
        probe = Probe(1, every=every)
        assert len(found.run(stimulus(), [probe]).samples[probe]) == STEPS // every
    for every in (1, 2):
        with pytest.raises(UnsupportedProbe, match="samples at most every 3"):
            found.run(stimulus(), [Probe(1, every=every)])
    with pytest.raises(UnsupportedProbe, match="no sample"):
        found.run(stimulus(), [Probe(1, every=STEPS + 1)])


def test_a_probe_may_be_of_as_many_neurons_as_are_shown_and_of_no_others() -> None:
    found = mapped(**offers(neurons=2))
    found.run(stimulus(), [Probe(1, neurons=(0, 5))])
    for neurons, said in (((0, 1, 2), "of 2"), (None, "of 2"), ((6,), "0 to 5"), ((-1,), "0 to 5")):
        with pytest.raises(UnsupportedProbe, match=said):
            found.run(stimulus(), [Probe(1, neurons=neurons)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_weight_that_is_not_finite_is_refused(value: float) -> None:
    weights = np.ones((4, 6))
    weights[2, 3] = value
    with pytest.raises(WeightError, match="not all finite"):
        mapped().write_weights(0, weights)


def answering(change: Callable[[Any], Any]) -> drivers.Device:
    def ran(self: Good, *asked: Any) -> Any:
        return change(Good._run(self, *asked))

    found = type("Answering", (Good,), {"_run": ran})()
    found.configure(Network.feed_forward(LAYERS))
    return found


@pytest.mark.parametrize("sample", [0, 1])
def test_one_sample_with_more_counts_than_steps_is_refused(sample: int) -> None:
    def counted(more: int) -> Callable[[Any], Any]:
        def change(good: Any) -> Any:
            counts = np.zeros_like(good.counts)
            counts[sample, 1] = (3, 5)[sample] + more
            return dataclasses.replace(good, counts=counts)

        return change

    answering(counted(0)).run(stimulus(lengths=[3, 5]))
    with pytest.raises(ReadoutError, match="more counts than a sample has steps"):
        answering(counted(1)).run(stimulus(lengths=[3, 5]))


def test_a_run_that_failed_is_not_carried_on_from() -> None:
    found = mapped()
    found.run(stimulus())
    found.run(stimulus(), carry=True)
    found._run = lambda *_: None  # type: ignore[method-assign,assign,return-value]
    with pytest.raises(ReadoutError, match="give a Readout"):
        found.run(stimulus(), carry=True)
    del found._run  # type: ignore[attr-defined]
    with pytest.raises(StimulusError, match="begin with carry=False"):
        found.run(stimulus(), carry=True)
    found.run(stimulus())
    found.run(stimulus(), carry=True)
